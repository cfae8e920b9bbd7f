//! Lines that guests write, to the proxy's log.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::AsyncWrite;
use tokio::runtime::Handle;
use tracing::Level;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use crate::meter::Meter;

/// The longest line; what is beyond is cut off.
const LONGEST: usize = 4096;

/// The log of one plugin, with its limit of lines in a second.
#[derive(Debug)]
pub(crate) struct Log {
    plugin: Arc<str>,
    meter: Arc<Meter>,
    lines: u64,
    began: Instant,
    /// The second since `began` in the upper half, the lines of that second in the lower.
    window: AtomicU64,
    /// Lines that were dropped and of which the log does not know yet.
    untold: Arc<AtomicU64>,
}

impl Log {
    pub(crate) fn new(plugin: &Arc<str>, meter: &Arc<Meter>, lines: u32) -> Log {
        Log {
            plugin: Arc::clone(plugin),
            meter: Arc::clone(meter),
            lines: lines.into(),
            began: Instant::now(),
            window: AtomicU64::new(0),
            untold: Arc::default(),
        }
    }

    pub(crate) fn enabled(level: Level) -> bool {
        match level {
            Level::TRACE => tracing::enabled!(target: "filter", Level::TRACE),
            Level::DEBUG => tracing::enabled!(target: "filter", Level::DEBUG),
            Level::INFO => tracing::enabled!(target: "filter", Level::INFO),
            Level::WARN => tracing::enabled!(target: "filter", Level::WARN),
            _ => tracing::enabled!(target: "filter", Level::ERROR),
        }
    }

    /// Writes a line, if the plugin has not written too many already.
    pub(crate) fn write(&self, level: Level, message: &str) {
        if !Log::enabled(level) {
            return;
        }
        if !self.admit() {
            self.dropped();
            return;
        }
        let plugin = &*self.plugin;
        let message = cut(message);
        match level {
            Level::TRACE => tracing::trace!(target: "filter", plugin, "{message}"),
            Level::DEBUG => tracing::debug!(target: "filter", plugin, "{message}"),
            Level::INFO => tracing::info!(target: "filter", plugin, "{message}"),
            Level::WARN => tracing::warn!(target: "filter", plugin, "{message}"),
            _ => tracing::error!(target: "filter", plugin, "{message}"),
        }
    }

    /// Counts a line that is not written. In a second, when it is known how many there were, the log is told.
    fn dropped(&self) {
        self.meter.dropped_line();
        if self.untold.fetch_add(1, Ordering::Relaxed) > 0 {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (plugin, untold, most) = (Arc::clone(&self.plugin), Arc::clone(&self.untold), self.lines);
        runtime.spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let dropped = untold.swap(0, Ordering::Relaxed);
            let plugin = &*plugin;
            tracing::warn!(
                plugin,
                "{dropped} lines of the filter were dropped: it may write {most} in a second"
            );
        });
    }

    fn admit(&self) -> bool {
        let second = self.began.elapsed().as_secs() & 0xffff_ffff;
        let counted = self
            .window
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |window| {
                let lines = if window >> 32 == second {
                    window & 0xffff_ffff
                } else {
                    0
                };
                (lines < self.lines).then_some(second << 32 | (lines + 1))
            });
        counted.is_ok()
    }
}

/// The line without its end, and no longer than a line should be.
fn cut(message: &str) -> &str {
    let message = message.trim_end();
    if message.len() <= LONGEST {
        return message;
    }
    let end = (0..=LONGEST).rev().find(|end| message.is_char_boundary(*end));
    end.and_then(|end| message.get(..end)).unwrap_or_default()
}

/// Standard output or standard error of a guest.
pub(crate) struct Output {
    pub(crate) log: Arc<Log>,
    pub(crate) level: Level,
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(Lines {
            log: Arc::clone(&self.log),
            level: self.level,
            begun: Vec::new(),
        })
    }
}

/// Gathers bytes to lines.
struct Lines {
    log: Arc<Log>,
    level: Level,
    begun: Vec<u8>,
}

impl Lines {
    fn end(&mut self) {
        if !self.begun.is_empty() {
            self.log.write(self.level, &String::from_utf8_lossy(&self.begun));
            self.begun.clear();
        }
    }
}

impl AsyncWrite for Lines {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        for byte in bytes {
            if *byte == b'\n' {
                self.end();
            } else if self.begun.len() <= LONGEST {
                self.begun.push(*byte);
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end();
    }
}
