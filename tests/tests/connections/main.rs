//! Connections of one waypoint as its own process: none is lost, none holds others up, and what passes through passes whole.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod handover;
mod keeping;
mod load;
mod passing;
mod raw;
mod rolling;
mod saturation;
mod slow;
