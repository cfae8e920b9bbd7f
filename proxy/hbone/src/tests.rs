//! Both ends against each other, over loopback sockets and with real certificates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod carry;
mod flow;
mod harness;
mod keeping;
mod serving;
