//! Why a plugin does not load, and why a hook fails.

use std::fmt;

/// How much of what a guest says goes into logs and statuses.
const SAID: usize = 200;

/// Why a component cannot be a filter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is not WebAssembly.
    #[error("is not WebAssembly: it does not begin with the bytes of a component")]
    NotWasm,
    /// It is a core module.
    #[error(
        "is a core module, not a component; build it for wasm32-wasip2, or make it a component with `wasm-tools component new`"
    )]
    CoreModule,
    /// It does not compile.
    #[error("does not compile: {0}")]
    Compile(String),
    /// It does not export hooks of a version that is known.
    #[error("exports no `cairn:filter/hooks@{version}`: it is a component of another world{found}", version = crate::bindings::VERSION)]
    NoHooks {
        /// What it exports instead, as text that follows.
        found: String,
    },
    /// It imports what the plugin was not granted.
    #[error("imports `{import}`, which the plugin is not granted; {hint}")]
    NotGranted {
        /// The interface.
        import: String,
        /// How to grant it.
        hint: &'static str,
    },
    /// It imports what no filter is given.
    #[error("imports `{import}`, which filters are not given{hint}")]
    UnknownImport {
        /// The interface.
        import: String,
        /// What to do instead, as text that follows.
        hint: &'static str,
    },
    /// Its imports or exports have other types than they should.
    #[error("does not fit this version of the contract: {0}")]
    Mismatch(String),
    /// No instance could be made.
    #[error("does not start: {0}")]
    Start(String),
    /// Its `configure` said no.
    #[error("refuses its configuration: {0}")]
    Configure(String),
    /// What it subscribed to is not possible.
    #[error("subscribes to what cannot be: {0}")]
    Subscriptions(String),
}

/// What kind of failure it was: for metrics, and for whoever decides what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The guest gave up, or did what WebAssembly forbids.
    Trap,
    /// It used up its CPU time.
    Cpu,
    /// It took too long with all its waiting.
    Wall,
    /// It wanted more memory than it may have.
    Memory,
    /// No instance became free in time.
    Busy,
    /// No instance could be made.
    Start,
    /// It asked for a change that must not be.
    Edit,
    /// It gave a response that is none.
    Reply,
    /// It went beyond another of its limits.
    Limit,
    /// There is no generation of the plugin that could be called.
    Missing,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 10] = [
        Reason::Trap,
        Reason::Cpu,
        Reason::Wall,
        Reason::Memory,
        Reason::Busy,
        Reason::Start,
        Reason::Edit,
        Reason::Reply,
        Reason::Limit,
        Reason::Missing,
    ];

    /// The word for a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Trap => "trap",
            Reason::Cpu => "cpu",
            Reason::Wall => "timeout",
            Reason::Memory => "memory",
            Reason::Busy => "busy",
            Reason::Start => "start",
            Reason::Edit => "illegal_edit",
            Reason::Reply => "illegal_reply",
            Reason::Limit => "limit",
            Reason::Missing => "missing",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A hook that failed. The exchange is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct HookFailure {
    /// What kind of failure.
    pub reason: Reason,
    /// What happened, for the log.
    pub message: String,
}

/// What a guest asked for and may not have, which ends its hook.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Exceeded(pub(crate) &'static str);

/// One line of a text, and no more of it than anybody reads.
pub(crate) fn cut(text: String) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(SAID) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None if line.len() == text.len() => text,
        None => line.to_owned(),
    }
}

impl HookFailure {
    /// A failure for a reason; a long message is cut.
    pub fn new(reason: Reason, message: impl Into<String>) -> HookFailure {
        HookFailure {
            reason,
            message: cut(message.into()),
        }
    }
}
