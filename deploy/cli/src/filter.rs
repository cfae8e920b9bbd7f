//! `cairn filter`: from an idea to a filter in a registry, with what tells what it does on the way.

mod build;
mod inspect;
mod language;
mod new;
mod plugin;
mod pull;
mod push;
mod reference;
mod registry;
mod subscriptions;
mod test;

use std::future::Future;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

/// What to do with a filter.
#[derive(Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes a new filter that builds and runs, to go on from.
    New(new::Arguments),
    /// Makes the component of a filter in Rust, JavaScript, Python, C or Go.
    Build(build::Arguments),
    /// Says what a component is: its hooks, the grants that it needs, its memory, the schema of its configuration.
    Inspect(inspect::Arguments),
    /// Runs a filter's hooks on one request and its response, and shows what each did; exit code 1 when one fails.
    Test(Box<test::Arguments>),
    /// Publishes a filter in a registry, and prints the reference with its digest.
    Push(push::Arguments),
    /// Fetches a filter from a registry, with the checks that a waypoint makes.
    Pull(pull::Arguments),
    /// Prints the contract between waypoints and filters as Markdown.
    Reference(reference::Arguments),
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::New(arguments) => new::run(&arguments),
        Command::Build(arguments) => build::run(&arguments),
        Command::Inspect(arguments) => waiting(inspect::run(arguments)),
        Command::Test(arguments) => waiting(test::run(*arguments)),
        Command::Push(arguments) => waiting(push::run(arguments)),
        Command::Pull(arguments) => waiting(pull::run(arguments)),
        Command::Reference(arguments) => reference::run(&arguments),
    }
}

fn waiting(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    runtime.block_on(command)
}
