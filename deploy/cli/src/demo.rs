//! `cairn demo`: a walk through what the mesh does, with real requests.

mod component;
mod files;
mod filter;
mod flow;
mod scene;
mod steps;
mod table;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use crate::mesh;
use crate::out::{self, Paint};
use crate::signals::Signals;
use crate::up::Session;

use files::Files;
use scene::Scene;

/// How to show it.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Stop when the walk is over, with exit code 1 if something did not come as expected.
    #[arg(long)]
    once: bool,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new()?;
    let files = Files::write()?;
    let (_watcher, config) = cairn_config::watch(files.mesh())?;
    let session = tokio::select! {
        session = Session::start(mesh::completed(config), None) => {
            session.context("the demo does not start (is another one running?)")?
        }
        () = signals.next() => return Ok(ExitCode::FAILURE),
    };
    let paint = Paint::of_stdout();
    session.introduce("examples/helloworld");

    let mut scene = Scene::new(session, &files, paint)?;
    let walked = tokio::select! {
        () = steps::walk(&mut scene) => true,
        () = signals.next() => false,
    };
    if !walked {
        scene.session.stop(&mut signals).await;
        return Ok(ExitCode::FAILURE);
    }
    let good = scene.table.conclude();
    let mut session = scene.session;
    if !arguments.once {
        out::line("");
        session.suggest();
        out::line(format_args!(
            "The mesh goes on. Its files are in {mesh}; what was just shown is in {shown}, to copy there:\n  \
             cp {shown}/delay.yaml {mesh}/\nChanges apply at once. Ctrl-C stops the mesh.\n",
            mesh = files.mesh().display(),
            shown = files.walkthrough().display(),
        ));
        session.follow(&mut signals).await;
    }
    session.stop(&mut signals).await;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
