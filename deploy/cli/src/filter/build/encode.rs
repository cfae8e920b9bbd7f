//! The contract that a project has in `wit/`, and components from core modules.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_bindgen_core::Files;
use wit_component::ComponentEncoder;
use wit_parser::{Resolve, WorldId};

/// Reads `wit/`, which has one world: that of the filter.
pub(super) fn contract(project: &Path) -> anyhow::Result<(Resolve, WorldId)> {
    let directory = project.join("wit");
    let read = || {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(&directory)?;
        let world = resolve.select_world(&[package], None)?;
        Ok((resolve, world))
    };
    read().map_err(|error: anyhow::Error| anyhow!("{} cannot be used: {error:#}", directory.display()))
}

/// The name of the world in `wit/`.
pub(super) fn world(project: &Path) -> anyhow::Result<String> {
    let (resolve, world) = contract(project)?;
    let world = resolve.worlds.get(world).context("the world is gone")?;
    Ok(world.name.clone())
}

/// Puts what was generated into a directory.
pub(super) fn write(files: &Files, directory: &Path) -> anyhow::Result<()> {
    for (name, bytes) in files.iter() {
        let path = directory.join(name);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, bytes));
        written.with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// Makes a component of a core module that has its world in a section.
pub(super) fn component(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let encode = || {
        ComponentEncoder::default()
            .validate(true)
            .module(module)?
            .adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )?
            .encode()
    };
    encode().map_err(|error| anyhow!("no component can be made of the module: {error:#}"))
}
