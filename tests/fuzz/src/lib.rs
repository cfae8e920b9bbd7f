//! A fuzz target for every parser of bytes that come from outside.
//!
//! A target takes any bytes and panics when the parser does, or when what it says cannot be true. `tests/bounded.rs` runs
//! all of them on changed seeds for a while with each `cargo test`; `cargo +nightly fuzz run --fuzz-dir tests/fuzz
//! --features libfuzzer NAME` lets libFuzzer search for as long as one likes.

#![allow(clippy::expect_used)]

mod authorization;
mod component;
mod config;
mod filters;
mod http;
mod load;
mod text;
mod tokens;
mod tunnel;

/// A parser and what holds for it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its binary.
    pub name: &'static str,
    /// Panics when something is wrong.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: &'static [&'static [u8]],
}

/// All of them.
pub const TARGETS: &[Target] = &[
    text::AUTHORITY,
    text::BAGGAGE,
    text::DURATION,
    text::FORWARDED,
    text::GRPC_MESSAGE,
    text::PATH,
    text::SPIFFE_ID,
    text::TRACEPARENT,
    http::HTTP1,
    http::HTTP2,
    http::SNIFF,
    tunnel::TUNNEL,
    config::CERTIFICATE,
    config::CONFIGURATION,
    authorization::CHECK_RESPONSE,
    component::COMPONENT,
    filters::CHALLENGE,
    filters::DOCKER_CONFIG,
    filters::EDITS,
    filters::LAYER,
    filters::MANIFEST,
    filters::SOURCE,
    load::LOAD_REPORT,
    tokens::JWKS,
    tokens::TOKENS,
];

/// Runs one target on one input.
///
/// # Panics
///
/// There is no such target, or the input has found something.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of that name").run)(data);
}
