//! The `process_*` metrics that every Prometheus client library has.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::exposition::{Expose, Exposition, Kind};

/// What a process uses at the moment of a scrape. Whoever may call the kernel fills it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessSample {
    /// User and system time since the start.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub resident_memory: u64,
    /// Virtual memory in bytes.
    pub virtual_memory: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// How many file descriptors may be open.
    pub max_open_files: u64,
    /// When the process started.
    pub started: SystemTime,
}

pub(super) struct Process<F>(pub(super) F);

impl<F: Fn() -> ProcessSample + Send + Sync + 'static> Expose for Process<F> {
    fn expose(&self, out: &mut Exposition<'_>) {
        let sample = (self.0)();
        let started = sample.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        out.family(
            "process_cpu_seconds",
            "Total user and system CPU time spent in seconds.",
            Kind::Counter,
        );
        out.sample("", "", sample.cpu.as_secs_f64());
        let mut gauge = |name, help, value| {
            out.family(name, help, Kind::Gauge);
            out.sample("", "", value);
        };
        gauge(
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            sample.resident_memory,
        );
        gauge(
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            sample.virtual_memory,
        );
        gauge(
            "process_open_fds",
            "Number of open file descriptors.",
            sample.open_files,
        );
        gauge(
            "process_max_fds",
            "Maximum number of open file descriptors.",
            sample.max_open_files,
        );
        out.family(
            "process_start_time_seconds",
            "Start time of the process since the Unix epoch in seconds.",
            Kind::Gauge,
        );
        out.sample("", "", started.as_secs_f64());
    }
}
