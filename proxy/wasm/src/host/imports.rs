//! The interfaces `log`, `metrics`, `clock`, `random` and `shared`.

use std::time::{Duration, Instant, SystemTime};

use tracing::Level;

use super::Host;
use crate::bindings::cairn::filter::{clock, log, metrics, random, shared};
use crate::failure::Exceeded;
use crate::log::Log;
use crate::measure::Kind;
use crate::shared::SetError;

/// Bytes of chance that one call gives.
const RANDOM: u32 = 4096;

impl log::Host for Host {
    fn enabled(&mut self, level: log::Level) -> wasmtime::Result<bool> {
        Ok(Log::enabled(level_of(level)))
    }

    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.plugin.log.write(level_of(level), &message);
        Ok(())
    }
}

fn level_of(level: log::Level) -> Level {
    match level {
        log::Level::Trace => Level::TRACE,
        log::Level::Debug => Level::DEBUG,
        log::Level::Info => Level::INFO,
        log::Level::Warn => Level::WARN,
        log::Level::Error => Level::ERROR,
    }
}

impl metrics::Host for Host {
    fn define(
        &mut self,
        kind: metrics::Kind,
        name: String,
        labels: Vec<String>,
    ) -> wasmtime::Result<Result<u32, String>> {
        let kind = match kind {
            metrics::Kind::Counter => Kind::Counter,
            metrics::Kind::Gauge => Kind::Gauge,
            metrics::Kind::Histogram => Kind::Histogram,
        };
        let metrics = &self.plugin.spec.metrics;
        Ok(metrics.define(self.plugin.generation, kind, name, labels))
    }

    fn add(&mut self, metric: u32, labels: Vec<String>, by: f64) -> wasmtime::Result<()> {
        self.plugin.spec.metrics.add(metric, labels, by);
        Ok(())
    }

    fn record(&mut self, metric: u32, labels: Vec<String>, value: f64) -> wasmtime::Result<()> {
        self.plugin.spec.metrics.record(metric, labels, value);
        Ok(())
    }
}

impl clock::Host for Host {
    fn wall(&mut self) -> wasmtime::Result<u64> {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Ok(nanoseconds(since))
    }

    fn monotonic(&mut self) -> wasmtime::Result<u64> {
        Ok(nanoseconds(Instant::now().duration_since(self.plugin.began)))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl random::Host for Host {
    fn bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        if len > RANDOM {
            return Err(wasmtime::Error::new(Exceeded(
                "more than 4096 random bytes with one call",
            )));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        rand::fill(bytes.as_mut_slice());
        Ok(bytes)
    }
}

impl shared::Host for Host {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<shared::Entry>> {
        let found = self.plugin.spec.shared.get(&key);
        Ok(found.map(|(value, version)| shared::Entry { value, version }))
    }

    fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        version: Option<u64>,
        ttl_ms: Option<u32>,
    ) -> wasmtime::Result<Result<u64, shared::SetError>> {
        Ok(self
            .plugin
            .spec
            .shared
            .set(key, value, version, ttl(ttl_ms))
            .map_err(|error| set_error(&error)))
    }

    fn add(
        &mut self,
        key: String,
        by: i64,
        ttl_ms: Option<u32>,
    ) -> wasmtime::Result<Result<i64, shared::SetError>> {
        Ok(self
            .plugin
            .spec
            .shared
            .add(key, by, ttl(ttl_ms))
            .map_err(|error| set_error(&error)))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.plugin.spec.shared.delete(&key);
        Ok(())
    }
}

fn ttl(milliseconds: Option<u32>) -> Option<Duration> {
    milliseconds.map(|milliseconds| Duration::from_millis(milliseconds.into()))
}

fn set_error(error: &SetError) -> shared::SetError {
    match *error {
        SetError::Conflict(version) => shared::SetError::Conflict(version),
        SetError::Full => shared::SetError::Full,
    }
}
