//! The access log: a line per request or connection.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::lines::{Lines, StdoutBatches};

/// Bytes of finished lines that may wait to be written, some ten thousand lines.
const CAPACITY: usize = 4 << 20;
/// A line buffer that has grown beyond this is given back.
const KEEP: usize = 16 << 10;

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Where access log lines go.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Sink {
    /// Nowhere.
    #[default]
    Off,
    /// Standard output. Batches never mix with other lines that this process prints.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to.
    File(PathBuf),
    /// Whoever holds the receiver; lines come without their newline. When the channel is full, they are dropped.
    Channel(mpsc::Sender<String>),
}

impl Sink {
    /// The sink for Istio's `accessLogFile`: empty is off, `/dev/stdout` and `/dev/stderr` are what they say.
    pub fn from_path(path: &str) -> Sink {
        match path {
            "" => Sink::Off,
            "/dev/stdout" => Sink::Stdout,
            "/dev/stderr" => Sink::Stderr,
            path => Sink::File(PathBuf::from(path)),
        }
    }
}

/// Why an access log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The file cannot be opened for appending.
    #[error("cannot open the access log {}: {source}; choose a file in a directory that this process may write", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The thread that writes the lines cannot be started.
    #[error("cannot start the access log's thread: {0}")]
    Thread(#[source] io::Error),
}

/// A sink of lines that never blocks its caller. Cheap to clone.
///
/// ```
/// use std::io::Write;
/// use cairn_telemetry::{AccessLog, Sink};
///
/// let (sender, mut lines) = tokio::sync::mpsc::channel(16);
/// let log = AccessLog::new(Sink::Channel(sender))?;
/// log.write(|line| line.extend_from_slice(b"GET /hello 200"));
/// assert_eq!(lines.try_recv().ok().as_deref(), Some("GET /hello 200"));
/// # Ok::<(), cairn_telemetry::SinkError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct AccessLog {
    target: Option<Target>,
}

#[derive(Debug, Clone)]
enum Target {
    Lines(Lines),
    Channel {
        sender: mpsc::Sender<String>,
        dropped: Arc<AtomicU64>,
    },
}

impl AccessLog {
    /// Opens a sink.
    ///
    /// # Errors
    ///
    /// [`SinkError`]: a file that cannot be opened, or no thread to be had.
    pub fn new(sink: Sink) -> Result<AccessLog, SinkError> {
        let lines = |output: Box<dyn io::Write + Send>| {
            Lines::start("access-log", output, CAPACITY)
                .map(Target::Lines)
                .map_err(SinkError::Thread)
        };
        let target = match sink {
            Sink::Off => None,
            Sink::Stdout => Some(lines(Box::new(StdoutBatches))?),
            Sink::Stderr => Some(lines(Box::new(io::stderr()))?),
            Sink::File(path) => match OpenOptions::new().append(true).create(true).open(&path) {
                Ok(file) => Some(lines(Box::new(file))?),
                Err(source) => return Err(SinkError::File { path, source }),
            },
            Sink::Channel(sender) => Some(Target::Channel {
                sender,
                dropped: Arc::default(),
            }),
        };
        Ok(AccessLog { target })
    }

    /// A log that drops everything at no cost.
    pub fn disabled() -> AccessLog {
        AccessLog::default()
    }

    /// Whether lines go anywhere: what is only collected for them can be left out otherwise.
    pub fn is_enabled(&self) -> bool {
        self.target.is_some()
    }

    /// Writes one line. `format` fills a buffer that is reused; it is not called when the log is off.
    ///
    /// The newline at the end is added when it is missing. Line breaks inside become spaces: what a
    /// client sends must not be able to forge a second line.
    pub fn write(&self, format: impl FnOnce(&mut Vec<u8>)) {
        let Some(target) = &self.target else { return };
        // Taken out of its cell while it is in use, so that a formatter that logs itself only costs an allocation.
        let mut line = LINE.take();
        line.clear();
        format(&mut line);
        while line.last().is_some_and(|last| is_line_break(*last)) {
            line.pop();
        }
        line.iter_mut()
            .filter(|byte| is_line_break(**byte))
            .for_each(|byte| *byte = b' ');
        match target {
            Target::Lines(lines) => {
                line.push(b'\n');
                lines.push(&line);
            }
            Target::Channel { sender, dropped } => {
                if sender
                    .try_send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        line.clear();
        line.shrink_to(KEEP);
        LINE.set(line);
    }

    /// Lines that were lost because the sink was too slow or failed.
    pub fn dropped(&self) -> u64 {
        match &self.target {
            None => 0,
            Some(Target::Lines(lines)) => lines.dropped(),
            Some(Target::Channel { dropped, .. }) => dropped.load(Ordering::Relaxed),
        }
    }

    /// Waits until what was written so far has left the process, two seconds at most: for the end of a process.
    pub fn flush(&self) {
        if let Some(Target::Lines(lines)) = &self.target {
            lines.flush(Duration::from_secs(2));
        }
    }
}

fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

#[cfg(test)]
mod tests;
