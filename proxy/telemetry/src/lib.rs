//! What the processes tell: log, access log, metrics, readiness, and the small HTTP servers that serve them.
//!
//! * [`log`]: the process log over `tracing`, in ztunnel's plain or JSON format, with levels that change at run time.
//! * [`AccessLog`]: one line per request or connection, formatted into a reused buffer, written by a thread.
//! * [`metrics`]: the registry and its text formats; [`traffic`]: Istio's standard metrics, whose series are
//!   resolved once and are bare atomics from then on.
//! * [`server`]: the admin, stats and readiness servers; [`Readiness`]: what is not ready yet.
//! * [`sentence`]: an error as the last words of a process.
//!
//! Nothing here knows what a mesh is. It depends on tokio, hyper, tracing and prometheus-client.
//!
//! ```
//! use std::time::Duration;
//! use cairn_telemetry::metrics::{Format, Registry};
//! use cairn_telemetry::traffic::{HttpLabels, HttpMetrics, SeriesOptions};
//!
//! let registry = Registry::new();
//! let http = HttpMetrics::register(&registry, SeriesOptions::default());
//! let series = http.series(&HttpLabels { response_code: 200, ..HttpLabels::default() });
//! series.observe(Duration::from_millis(3), 0, 512);
//! assert!(registry.encode(Format::Text).contains("istio_requests_total{reporter=\"waypoint\""));
//! ```
#![forbid(unsafe_code)]

mod access;
mod lines;
pub mod log;
pub mod metrics;
mod readiness;
mod sentence;
pub mod server;
pub mod traffic;

pub use access::{AccessLog, Sink, SinkError};
pub use readiness::{Readiness, ReadyTask};
pub use sentence::sentence;
