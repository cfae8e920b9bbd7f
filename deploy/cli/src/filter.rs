//! `cairn filter`: from an idea to a component that a waypoint loads.

mod build;
mod language;
mod new;

use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Writes a new filter that builds and runs, to go on from.
    New(new::Arguments),
    /// Makes the component of a filter in Rust, JavaScript, Python, C or Go.
    Build(build::Arguments),
}

pub(crate) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::New(arguments) => new::run(arguments),
        Command::Build(arguments) => build::run(arguments),
    }
}
