//! What filters cost and what they cannot do to others: `bench filters`.
//!
//! First side by side with Envoy ([`chain`]): none, one and ten filters that read ten lines of a request and append one, ours
//! a component, Envoy's a proxy-wasm module in V8. Then ours alone: memory ([`memory`]), filters that are replaced while
//! requests go on ([`reloading`]), and requests beside those of a filter that traps, spins, allocates or is being
//! compiled ([`neighbours`]).

pub mod chain;
pub mod findings;
pub mod guests;
pub mod instances;
mod large;
pub mod memory;
pub mod neighbours;
mod plugins;
pub mod reloading;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::ours::Build;
use crate::rounds::Plan;

/// What all measurements of filters have in common.
#[derive(Clone, Debug)]
pub struct Equipment {
    /// Our builds; the first one is the one that is measured alone.
    pub builds: Vec<Build>,
    /// Envoy; not without.
    pub envoy: Option<PathBuf>,
    /// How much to do.
    pub plan: Plan,
    /// Streams on one connection.
    pub streams: usize,
}

impl Equipment {
    pub(crate) fn build(&self) -> Result<&Build> {
        self.builds.first().context("there is no waypoint to measure")
    }
}
