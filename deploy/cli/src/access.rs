//! The access lines of all proxies of the mesh, in one stream that says whose they are.

use std::fmt;
use std::sync::Arc;

use cairn_telemetry::{AccessLog, Sink, SinkError};
use tokio::sync::mpsc;

/// Lines that may wait to be printed.
const CAPACITY: usize = 8192;

/// One line of one proxy's access log.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// `ztunnel`, or `waypoint default/namespace`.
    pub(crate) from: Arc<str>,
    pub(crate) text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {}", self.from, self.text)
    }
}

/// Where proxies write their lines.
#[derive(Clone, Debug)]
pub(crate) struct Lines(mpsc::Sender<Line>);

/// A stream of lines, and where they are read.
pub(crate) fn channel() -> (Lines, mpsc::Receiver<Line>) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (Lines(sender), receiver)
}

impl Lines {
    /// The access log of one proxy.
    pub(crate) fn log(&self, from: impl Into<Arc<str>>) -> Result<AccessLog, SinkError> {
        let (sender, mut written) = mpsc::channel(CAPACITY);
        let (from, lines) = (from.into(), self.0.clone());
        // Ends with the proxy, which drops the other end.
        tokio::spawn(async move {
            while let Some(text) = written.recv().await {
                if lines
                    .send(Line {
                        from: Arc::clone(&from),
                        text,
                    })
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        AccessLog::new(Sink::Channel(sender))
    }
}
