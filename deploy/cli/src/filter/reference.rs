//! `cairn filter reference`: the contract between waypoints and filters, for people.

mod render;
mod written;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::Args;
use wit_parser::{PackageId, Resolve};

use crate::out;

/// The contract of this version.
const CONTRACT: &str = include_str!("../../../../wit/filter.wit");

/// Which contract to print.
#[derive(Args)]
pub(super) struct Arguments {
    /// A directory with the WIT of another package, in place of the contract of this version.
    #[arg(long, value_name = "DIR")]
    wit: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (resolve, package) = match &arguments.wit {
        Some(directory) => {
            let mut resolve = Resolve::default();
            let pushed = resolve.push_dir(directory);
            let (package, _) = pushed
                .map_err(|error| anyhow!("{} is no directory of WIT: {error:#}", directory.display()))?;
            (resolve, package)
        }
        None => contract()?,
    };
    out::line(render::page(&resolve, package).trim_end());
    Ok(ExitCode::SUCCESS)
}

fn contract() -> anyhow::Result<(Resolve, PackageId)> {
    let mut resolve = Resolve::default();
    let package = resolve
        .push_str("filter.wit", CONTRACT)
        .context("the contract cannot be read")?;
    Ok((resolve, package))
}

#[cfg(test)]
mod tests;
