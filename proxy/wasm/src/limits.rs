//! What one plugin may use.

use std::time::Duration;

/// Bounds on one plugin. Each has a default that suits a filter of a compiled language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// CPU time of one hook; in whole milliseconds, 1 at least.
    pub cpu: Duration,
    /// Time of one hook with all its waiting.
    pub wall: Duration,
    /// CPU time of the start of an instance, with its `configure`.
    pub start: Duration,
    /// Bytes of linear memory of one instance.
    pub memory: usize,
    /// Instances at a time.
    pub instances: usize,
    /// How long a hook may wait for an instance.
    pub wait: Duration,
    /// After how many hooks an instance makes room for a fresh one.
    pub uses: u32,
    /// Lines that the plugin may log in one second.
    pub log_lines: u32,
    /// Bytes of a body that may be held back for the plugin, of each message.
    pub buffer: usize,
    /// Calls to other services that may be under way at a time.
    pub calls: usize,
    /// Bytes that the shared store may hold.
    pub shared: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            cpu: Duration::from_millis(10),
            wall: Duration::from_secs(5),
            start: Duration::from_secs(2),
            memory: 16 << 20,
            instances: 64,
            wait: Duration::from_millis(500),
            uses: 1000,
            log_lines: 100,
            buffer: 1 << 20,
            calls: 64,
            shared: 4 << 20,
        }
    }
}

/// Which requests share an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// An instance serves one hook after the other, of any request.
    #[default]
    Shared,
    /// Each hook is served by an instance that has served none.
    Request,
}
