//! Metrics of TCP connections.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::labels::{Labels, TcpLabels};
use super::series::{Series, SeriesMap, SeriesOptions};
use crate::metrics::{Expose, Exposition, Kind, Registry};

/// `istio_tcp_connections_opened_total` and what goes with it. Cheap to clone.
#[derive(Clone)]
pub struct TcpMetrics {
    series: Arc<SeriesMap<TcpSeries>>,
}

impl fmt::Debug for TcpMetrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TcpMetrics").finish_non_exhaustive()
    }
}

impl TcpMetrics {
    /// Makes the metrics and adds them to a registry.
    pub fn register(registry: &Registry, options: SeriesOptions) -> TcpMetrics {
        let metrics = TcpMetrics {
            series: Arc::new(SeriesMap::new(options)),
        };
        registry.register_source(Arc::new(metrics.clone()));
        metrics
    }

    /// The series of these labels. It does not expire while it is held: hold it as long as the connection is open.
    pub fn series(&self, labels: &TcpLabels) -> Arc<TcpSeries> {
        self.series.series(labels)
    }
}

/// The numbers of one set of labels.
#[derive(Debug)]
pub struct TcpSeries {
    rendered: String,
    opened: AtomicU64,
    closed: AtomicU64,
    failed: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl TcpSeries {
    /// A connection was opened.
    pub fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was closed.
    pub fn closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection could not be made.
    pub fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes that the destination sent: responses, as Istio counts.
    pub fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that the destination received: requests, as Istio counts.
    pub fn add_received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A family: its name, its description, and where a series keeps it.
type Family = (&'static str, &'static str, fn(&TcpSeries) -> &AtomicU64);

const FAMILIES: [Family; 5] = [
    (
        "istio_tcp_connections_opened",
        "Number of connections opened.",
        |series| &series.opened,
    ),
    (
        "istio_tcp_connections_closed",
        "Number of connections closed.",
        |series| &series.closed,
    ),
    (
        "istio_tcp_connections_failed",
        "Number of connections that could not be made.",
        |series| &series.failed,
    ),
    ("istio_tcp_sent_bytes", "Bytes sent by destinations.", |series| {
        &series.sent
    }),
    (
        "istio_tcp_received_bytes",
        "Bytes received by destinations.",
        |series| &series.received,
    ),
];

impl Series for TcpSeries {
    type Labels = TcpLabels;

    fn new(labels: &TcpLabels) -> Self {
        Self {
            rendered: labels.render(),
            opened: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        }
    }

    fn activity(&self) -> u64 {
        let values = FAMILIES
            .iter()
            .map(|(_, _, counter)| counter(self).load(Ordering::Relaxed));
        values.fold(0, u64::wrapping_add)
    }

    fn rendered(&self) -> &str {
        &self.rendered
    }
}

impl Expose for TcpMetrics {
    fn expose(&self, out: &mut Exposition<'_>) {
        let all = self.series.sweep(Instant::now());
        for (name, help, counter) in FAMILIES {
            // A failed connection is neither opened nor closed, and an opened one has not failed: no zeroes for those.
            let mut moved = all
                .iter()
                .map(|series| (series, counter(series).load(Ordering::Relaxed)))
                .filter(|(_, value)| *value > 0)
                .peekable();
            if moved.peek().is_some() {
                out.family(name, help, Kind::Counter);
            }
            for (series, value) in moved {
                out.sample("", &series.rendered, value);
            }
        }
    }
}
