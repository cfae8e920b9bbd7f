//! Metrics of HTTP and gRPC requests.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::labels::{HttpLabels, Labels, RequestProtocol};
use super::series::{Series, SeriesMap, SeriesOptions};
use crate::metrics::{Expose, Exposition, Histogram, Kind, Registry, Unit};

/// `istio_requests_total` and what goes with it. Cheap to clone.
#[derive(Clone)]
pub struct HttpMetrics {
    series: Arc<SeriesMap<HttpSeries>>,
}

impl fmt::Debug for HttpMetrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HttpMetrics").finish_non_exhaustive()
    }
}

impl HttpMetrics {
    /// Makes the metrics and adds them to a registry.
    pub fn register(registry: &Registry, options: SeriesOptions) -> HttpMetrics {
        let metrics = HttpMetrics {
            series: Arc::new(SeriesMap::new(options)),
        };
        registry.register_source(Arc::new(metrics.clone()));
        metrics
    }

    /// The series of these labels. It does not expire while it is held.
    pub fn series(&self, labels: &HttpLabels) -> Arc<HttpSeries> {
        self.series.series(labels)
    }
}

/// The numbers of one set of labels.
#[derive(Debug)]
pub struct HttpSeries {
    rendered: String,
    grpc: bool,
    duration: Histogram,
    request_bytes: Histogram,
    response_bytes: Histogram,
    request_messages: AtomicU64,
    response_messages: AtomicU64,
}

impl HttpSeries {
    /// Counts a request at its end.
    pub fn observe(&self, duration: Duration, request_bytes: u64, response_bytes: u64) {
        self.duration.observe_duration(duration);
        self.request_bytes.observe_bytes(request_bytes);
        self.response_bytes.observe_bytes(response_bytes);
    }

    /// Counts gRPC messages.
    pub fn add_messages(&self, request: u64, response: u64) {
        self.request_messages.fetch_add(request, Ordering::Relaxed);
        self.response_messages.fetch_add(response, Ordering::Relaxed);
    }

    /// Requests counted so far.
    pub fn requests(&self) -> u64 {
        self.duration.count()
    }
}

impl Series for HttpSeries {
    type Labels = HttpLabels;

    fn new(labels: &HttpLabels) -> Self {
        Self {
            rendered: labels.render(),
            grpc: labels.request_protocol == RequestProtocol::Grpc,
            duration: Histogram::new(Unit::Milliseconds),
            request_bytes: Histogram::new(Unit::Bytes),
            response_bytes: Histogram::new(Unit::Bytes),
            request_messages: AtomicU64::new(0),
            response_messages: AtomicU64::new(0),
        }
    }

    fn activity(&self) -> u64 {
        let messages =
            self.request_messages.load(Ordering::Relaxed) + self.response_messages.load(Ordering::Relaxed);
        self.duration.count() + messages
    }

    fn rendered(&self) -> &str {
        &self.rendered
    }
}

/// A family of histograms: its name, its description, and where a series keeps it.
type HistogramFamily = (&'static str, &'static str, fn(&HttpSeries) -> &Histogram);
/// A family of counters.
type CounterFamily = (&'static str, &'static str, fn(&HttpSeries) -> &AtomicU64);

const HISTOGRAMS: [HistogramFamily; 3] = [
    (
        "istio_request_duration_milliseconds",
        "Duration of requests in milliseconds.",
        |series| &series.duration,
    ),
    (
        "istio_request_bytes",
        "Size of request bodies in bytes.",
        |series| &series.request_bytes,
    ),
    (
        "istio_response_bytes",
        "Size of response bodies in bytes.",
        |series| &series.response_bytes,
    ),
];

const MESSAGES: [CounterFamily; 2] = [
    (
        "istio_request_messages",
        "Number of gRPC messages sent by clients.",
        |series| &series.request_messages,
    ),
    (
        "istio_response_messages",
        "Number of gRPC messages sent by servers.",
        |series| &series.response_messages,
    ),
];

impl Expose for HttpMetrics {
    fn expose(&self, out: &mut Exposition<'_>) {
        let all = self.series.sweep(Instant::now());
        if all.is_empty() {
            return;
        }
        out.family("istio_requests", "Number of requests.", Kind::Counter);
        for series in &all {
            out.sample("", &series.rendered, series.requests());
        }
        for (name, help, histogram) in HISTOGRAMS {
            out.family(name, help, Kind::Histogram);
            for series in &all {
                histogram(series).expose(&series.rendered, out);
            }
        }
        if all.iter().any(|series| series.grpc) {
            for (name, help, counter) in MESSAGES {
                out.family(name, help, Kind::Counter);
                for series in all.iter().filter(|series| series.grpc) {
                    out.sample("", &series.rendered, counter(series).load(Ordering::Relaxed));
                }
            }
        }
    }
}
