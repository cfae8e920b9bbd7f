//! Trying the filters of a directory, for commands that run no mesh.

use anyhow::Context as _;
use cairn_config::State;
use cairn_waypoint::{Storage, Trials};

/// Fetches, compiles and configures every filter, unless that is not wanted.
pub(crate) fn try_all(state: &State, offline: bool) -> anyhow::Result<Trials> {
    if offline {
        return Ok(Trials::default());
    }
    let runtime = tokio::runtime::Runtime::new().context("the runtime does not start")?;
    Ok(runtime.block_on(Trials::of(state, &Storage::from_env())))
}
