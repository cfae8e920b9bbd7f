//! What a guest can reach: the exchange that its hook is called for, and its plugin's grants.

mod exchanges;
mod imports;
mod outbound;

use std::sync::Arc;

use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::exchange::Content;
use crate::log::Output;
use crate::plugin::Plugin;

/// The data of one instance.
pub(crate) struct Host {
    pub(crate) plugin: Arc<Plugin>,
    /// There while a hook is under way.
    pub(crate) exchange: Option<Box<Content>>,
    pub(crate) budget: Budget,
    pub(crate) memory: Memory,
    wasi: WasiCtx,
    table: ResourceTable,
}

/// How long the hook under way may still run.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// Ticks of the engine's clock.
    pub(crate) ticks: u64,
    /// It has used all of them.
    pub(crate) exhausted: bool,
}

/// How much memory an instance has and may have.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    /// Bytes of all linear memories.
    pub(crate) bytes: usize,
    /// More was asked for than may be had.
    pub(crate) refused: bool,
}

/// Bytes of chance that one call gives.
const MAX_RANDOM: u64 = 4096;
/// Elements of one table: far more than functions in any filter.
const TABLE: usize = 100_000;

impl Host {
    pub(crate) fn new(plugin: &Arc<Plugin>) -> Host {
        let output = |level| Output {
            log: Arc::clone(&plugin.log),
            level,
        };
        // Nothing of the process: no files, no sockets, no arguments, no environment but the plugin's own.
        let wasi = WasiCtx::builder()
            .stdout(output(tracing::Level::INFO))
            .stderr(output(tracing::Level::WARN))
            .envs(&plugin.spec.environment)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(MAX_RANDOM)
            .build();
        Host {
            exchange: None,
            budget: Budget::default(),
            memory: Memory {
                limit: plugin.spec.limits.memory,
                bytes: 0,
                refused: false,
            },
            wasi,
            table: ResourceTable::new(),
            plugin: Arc::clone(plugin),
        }
    }

    /// The exchange, for a guest that asks for it at a time when it may.
    fn exchange(&mut self) -> wasmtime::Result<&mut Content> {
        self.exchange
            .as_deref_mut()
            .ok_or_else(|| wasmtime::Error::msg("there is no exchange outside of hooks"))
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        if bytes > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.bytes = bytes;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE)
    }
}
