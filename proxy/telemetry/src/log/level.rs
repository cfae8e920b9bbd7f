//! Log levels per target, and changing them at run time.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{Registry, reload};

use crate::lines::Lines;

/// Why a level directive is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    /// Not one of the levels.
    #[error("unknown log level {0:?}; use trace, debug, info, warn, error or off, or target=level")]
    Unknown(String),
    /// `=level`, or a target with characters that no target has.
    #[error("malformed log target {0:?}; write target=level, such as cairn_hbone=debug")]
    Target(String),
    /// The log has ended.
    #[error("the log has ended")]
    Ended,
}

/// Reads and changes the levels of a running log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogHandle {
    reload: reload::Handle<Targets, Registry>,
    levels: Arc<Mutex<Current>>,
    lines: Lines,
}

#[derive(Debug)]
struct Current {
    initial: Levels,
    now: Levels,
}

impl LogHandle {
    pub(super) fn new(reload: reload::Handle<Targets, Registry>, levels: Levels, lines: Lines) -> Self {
        let current = Current {
            initial: levels.clone(),
            now: levels,
        };
        Self {
            reload,
            levels: Arc::new(Mutex::new(current)),
            lines,
        }
    }

    /// Applies directives on top of the levels in force: `debug` is for every target without a level of its own,
    /// `cairn_hbone=debug` for one target and what is below it; several are separated by commas.
    ///
    /// # Errors
    ///
    /// [`LevelError`]; nothing has changed then.
    pub fn set(&self, directives: &str) -> Result<(), LevelError> {
        let mut current = self.lock();
        let mut levels = current.now.clone();
        levels.apply(directives)?;
        self.reload
            .reload(levels.filter())
            .map_err(|_| LevelError::Ended)?;
        current.now = levels;
        Ok(())
    }

    /// Goes back to the levels that the log was started with.
    pub fn reset(&self) {
        let mut current = self.lock();
        current.now = current.initial.clone();
        // Fails only when the log has ended, and then no level matters.
        drop(self.reload.reload(current.now.filter()));
    }

    /// The levels in force, as [`set`](Self::set) reads them.
    pub fn current(&self) -> String {
        self.lock().now.to_string()
    }

    /// Lines that were lost because the output was too slow or failed.
    pub fn dropped(&self) -> u64 {
        self.lines.dropped()
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What they say of each function is for those who ask for it by name.
const COMPILERS: [&str; 3] = ["cranelift", "regalloc", "wasmtime"];

/// A level for everything, and levels for some targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Levels {
    default: LevelFilter,
    targets: BTreeMap<String, LevelFilter>,
}

impl Levels {
    pub(super) fn filter(&self) -> Targets {
        let targets = self
            .targets
            .iter()
            .map(|(target, level)| (target.clone(), *level));
        let quiet = COMPILERS.map(|target| (target, self.default.min(LevelFilter::INFO)));
        Targets::new()
            .with_default(self.default)
            .with_targets(quiet)
            .with_targets(targets)
    }

    fn apply(&mut self, directives: &str) -> Result<(), LevelError> {
        for directive in directives
            .split(',')
            .map(str::trim)
            .filter(|directive| !directive.is_empty())
        {
            match directive.split_once('=') {
                None => self.default = level(directive)?,
                Some((target, name)) if is_target(target) => {
                    self.targets.insert(target.to_owned(), level(name)?);
                }
                Some((target, _)) => return Err(LevelError::Target(target.to_owned())),
            }
        }
        Ok(())
    }
}

impl FromStr for Levels {
    type Err = LevelError;

    fn from_str(directives: &str) -> Result<Self, LevelError> {
        let mut levels = Self {
            default: LevelFilter::INFO,
            targets: BTreeMap::new(),
        };
        levels.apply(directives)?;
        Ok(levels)
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.default)?;
        self.targets
            .iter()
            .try_for_each(|(target, level)| write!(formatter, ",{target}={level}"))
    }
}

fn level(name: &str) -> Result<LevelFilter, LevelError> {
    match name.trim().to_ascii_lowercase().as_str() {
        "off" => Ok(LevelFilter::OFF),
        "error" => Ok(LevelFilter::ERROR),
        "warn" | "warning" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(LevelError::Unknown(name.to_owned())),
    }
}

fn is_target(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{LevelError, Levels};

    #[test]
    fn directives_are_applied_on_top() {
        let mut levels: Levels = "info,h2=warn".parse().unwrap();
        levels.apply("cairn_hbone=debug").unwrap();
        levels.apply("DEBUG, h2=error").unwrap();
        assert_eq!(levels.to_string(), "debug,cairn_hbone=debug,h2=error");
        assert_eq!(levels.to_string().parse::<Levels>().unwrap(), levels);
    }

    #[test]
    fn an_error_names_what_is_wrong() {
        assert_eq!(
            "verbose".parse::<Levels>(),
            Err(LevelError::Unknown("verbose".to_owned()))
        );
        assert_eq!("=debug".parse::<Levels>(), Err(LevelError::Target(String::new())));
        assert_eq!(
            "a[b]=debug".parse::<Levels>(),
            Err(LevelError::Target("a[b]".to_owned()))
        );
        assert_eq!("a=".parse::<Levels>(), Err(LevelError::Unknown(String::new())));
    }
}
