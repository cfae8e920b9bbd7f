//! Whole meshes on loopback: the ztunnel, and applications at the addresses of pods.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod admission;
mod capture;
mod ending;
mod harness;
mod path;
mod process;
mod socks5;
mod waypoint;
