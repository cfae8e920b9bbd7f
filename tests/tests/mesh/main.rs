//! Real ztunnels and waypoints on one directory: what becomes of a call from pod to pod.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod binding;
mod chain;
mod changes;
mod ending;
mod ends;
mod flow;
mod path;
mod policies;
mod scene;
mod socks5;
mod walkthrough;
