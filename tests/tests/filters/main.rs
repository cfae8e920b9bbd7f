//! Filters in the real waypoint: what they may do, and what they cannot do to anybody else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod around;
mod bodies;
mod catalogue;
mod contract;
mod failing;
mod fetching;
mod languages;
mod limits;
mod loading;
mod refused;
mod scene;
mod working;
