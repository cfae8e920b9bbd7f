//! The log of the process, over `tracing`.
//!
//! Lines are formatted where they arise and written by a thread of their own; when that thread cannot keep up, lines
//! are dropped and counted, the data plane does not wait.

mod format;
mod level;

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use tracing::Dispatch;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt as subscriber_fmt, reload};

use crate::lines::{Lines, StdoutBatches};

pub use level::{LevelError, LogHandle};

use level::Levels;

/// Bytes of finished lines that may wait to be written.
const CAPACITY: usize = 4 << 20;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `<time>\t<level>\t<target:span{fields}>\t<message>\t<field=value ...>`
    #[default]
    Plain,
    /// `{"level":…,"time":…,"scope":…,"message":…,<fields>,"<span>":{…}}`
    Json,
}

impl FromStr for LogFormat {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "plain" | "text" | "" => Ok(LogFormat::Plain),
            "json" => Ok(LogFormat::Json),
            other => Err(LogError::Format(other.to_owned())),
        }
    }
}

/// Where log lines go.
#[derive(Default)]
#[non_exhaustive]
pub enum LogOutput {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error: for commands whose output is for other programs.
    Stderr,
    /// Anything else.
    Writer(Box<dyn io::Write + Send>),
}

impl fmt::Debug for LogOutput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            LogOutput::Stdout => "Stdout",
            LogOutput::Stderr => "Stderr",
            LogOutput::Writer(_) => "Writer",
        })
    }
}

/// How to log.
#[derive(Debug)]
pub struct LogOptions {
    /// Levels, as in `info` or `info,cairn_hbone=debug`.
    pub levels: String,
    /// How lines look.
    pub format: LogFormat,
    /// Where lines go.
    pub output: LogOutput,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            levels: "info".to_owned(),
            format: LogFormat::default(),
            output: LogOutput::default(),
        }
    }
}

impl LogOptions {
    /// The options that the environment asks for: `RUST_LOG` and `LOG_FORMAT`, as Istio's ztunnel reads them.
    ///
    /// # Errors
    ///
    /// [`LogError::Format`] for an unknown format. Levels are checked by [`install`].
    pub fn from_env() -> Result<LogOptions, LogError> {
        LogOptions::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<LogOptions, LogError> {
        let variable = |name| read(name).filter(|value| !value.is_empty());
        let mut options = LogOptions::default();
        if let Some(levels) = variable("RUST_LOG") {
            options.levels = levels;
        }
        if let Some(format) = variable("LOG_FORMAT") {
            options.format = format.parse()?;
        }
        Ok(options)
    }
}

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The levels cannot be read.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// The format is not known.
    #[error("unknown log format {0:?}; use plain or json")]
    Format(String),
    /// The thread that writes the lines cannot be started.
    #[error("cannot start the log's thread: {0}")]
    Thread(#[source] io::Error),
    /// Another subscriber is installed in this process.
    #[error("this process has a log already")]
    Installed,
}

/// Flushes the log when it is dropped: keep it until the end of `main`.
#[derive(Debug)]
#[must_use = "the last lines are lost unless the guard is kept until the end"]
pub struct LogGuard {
    lines: Lines,
}

impl LogGuard {
    /// Waits until what was logged so far is written, two seconds at most.
    pub fn flush(&self) {
        self.lines.flush(Duration::from_secs(2));
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Makes this the log of the process, also for libraries that use the `log` crate.
///
/// # Errors
///
/// [`LogError`]: levels that cannot be read, or a log that is installed already.
pub fn install(options: LogOptions) -> Result<(LogHandle, LogGuard), LogError> {
    let (dispatch, handle, guard) = build(options)?;
    dispatch.try_init().map_err(|_| LogError::Installed)?;
    Ok((handle, guard))
}

/// The log as a [`Dispatch`], for a part of a program: see [`tracing::dispatcher::with_default`].
///
/// # Errors
///
/// [`LogError`]: levels that cannot be read.
pub fn build(options: LogOptions) -> Result<(Dispatch, LogHandle, LogGuard), LogError> {
    let levels: Levels = options.levels.parse()?;
    let output: Box<dyn io::Write + Send> = match options.output {
        LogOutput::Stdout => Box::new(StdoutBatches),
        LogOutput::Stderr => Box::new(io::stderr()),
        LogOutput::Writer(writer) => writer,
    };
    let lines = Lines::start("log", output, CAPACITY).map_err(LogError::Thread)?;
    let (filter, reload) = reload::Layer::new(levels.filter());
    let layer = subscriber_fmt::layer()
        .with_writer(LineMaker(lines.clone()))
        .with_ansi(false);
    let layer: Box<dyn Layer<_> + Send + Sync> = match options.format {
        LogFormat::Plain => Box::new(layer.fmt_fields(format::PlainFields).event_format(format::Plain)),
        LogFormat::Json => Box::new(layer.fmt_fields(format::JsonFields).event_format(format::Json)),
    };
    let dispatch = Dispatch::new(Registry::default().with(filter).with(layer));
    Ok((
        dispatch,
        LogHandle::new(reload, levels, lines.clone()),
        LogGuard { lines },
    ))
}

/// Hands each formatted event to the thread.
struct LineMaker(Lines);

impl<'w> MakeWriter<'w> for LineMaker {
    type Writer = LineWriter<'w>;

    fn make_writer(&'w self) -> LineWriter<'w> {
        LineWriter(&self.0)
    }
}

struct LineWriter<'w>(&'w Lines);

impl io::Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
