//! What is counted about each plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::failure::Reason;
use crate::recent::Recent;

/// A plugin of which so many hooks have failed within a minute fails often.
const OFTEN: u64 = 10;

/// The counts of one plugin.
#[derive(Debug)]
pub struct Meter {
    plugin: Arc<str>,
    calls: AtomicU64,
    failures: [AtomicU64; Reason::ALL.len()],
    recent: Recent,
    load_failures: AtomicU64,
    busy_nanoseconds: AtomicU64,
    instances: AtomicI64,
    memory: AtomicI64,
    dropped_lines: AtomicU64,
}

impl Meter {
    /// Counts of a plugin that was never called.
    pub fn new(plugin: &str) -> Meter {
        Meter {
            plugin: plugin.into(),
            calls: AtomicU64::new(0),
            failures: Default::default(),
            recent: Recent::new(),
            load_failures: AtomicU64::new(0),
            busy_nanoseconds: AtomicU64::new(0),
            instances: AtomicI64::new(0),
            memory: AtomicI64::new(0),
            dropped_lines: AtomicU64::new(0),
        }
    }

    /// Namespace and name of the plugin.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Hooks called.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Hooks that failed for a reason.
    pub fn failures(&self, reason: Reason) -> u64 {
        self.failure(reason)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Time that its guests ran.
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy_nanoseconds.load(Ordering::Relaxed))
    }

    /// Instances that there are.
    pub fn instances(&self) -> i64 {
        self.instances.load(Ordering::Relaxed)
    }

    /// Bytes of linear memory of all instances.
    pub fn memory(&self) -> i64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Lines that were not logged.
    pub fn dropped_lines(&self) -> u64 {
        self.dropped_lines.load(Ordering::Relaxed)
    }

    /// Hooks that failed in the last minute, for whatever reason.
    pub fn recent_failures(&self) -> u64 {
        self.recent.count()
    }

    /// Whether so many hooks failed in the last minute that somebody should look after it.
    pub fn fails_often(&self) -> bool {
        self.recent_failures() >= OFTEN
    }

    /// Generations that could not be put in force.
    pub fn load_failures(&self) -> u64 {
        self.load_failures.load(Ordering::Relaxed)
    }

    /// Counts a failure. That there are many of them is logged, once a minute.
    pub fn failed(&self, reason: Reason) {
        if let Some(count) = self.failure(reason) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.recent.add();
        if self.fails_often() && self.recent.once() {
            tracing::error!(
                plugin = &*self.plugin,
                "the filter fails often: {} of its hooks in the last minute, the last one by {reason}",
                self.recent_failures()
            );
        }
    }

    /// Counts a generation that cannot be put in force.
    pub fn load_failed(&self) {
        self.load_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn called(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.busy_nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn grown(&self, bytes: i64) {
        self.memory.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn started(&self) {
        self.instances.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.instances.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn dropped_line(&self) {
        self.dropped_lines.fetch_add(1, Ordering::Relaxed);
    }

    fn failure(&self, reason: Reason) -> Option<&AtomicU64> {
        let place = Reason::ALL.iter().position(|one| *one == reason)?;
        self.failures.get(place)
    }
}
