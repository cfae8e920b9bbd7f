//! Istio's standard metrics, as waypoints and ztunnels report them.
//!
//! Labels are resolved to a series once, by [`HttpMetrics::series`] or [`TcpMetrics::series`]; from then on the
//! series is bare atomics. What is equal for many series is [`Interned`]: it is hashed when it is made, and
//! looking a series up costs a handful of words, not two dozen strings.
//!
//! The number of series is bounded, see [`SeriesOptions`]. A series that someone holds never expires, so that a
//! connection of many days is counted to its end; hold one for as long as a request or a connection lasts.

mod http;
mod labels;
mod series;
mod tcp;

pub use http::{HttpMetrics, HttpSeries};
pub use labels::{
    HttpLabels, Interned, Reporter, RequestProtocol, SecurityPolicy, ServiceLabels, TcpLabels, WorkloadLabels,
};
pub use series::SeriesOptions;
pub use tcp::{TcpMetrics, TcpSeries};

#[cfg(test)]
mod tests;
