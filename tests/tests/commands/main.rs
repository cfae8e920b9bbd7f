//! The commands, as a user meets them: what they print, and how they end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod compatibility;
mod demo;
mod examples;
mod explain;
mod filter;
mod starting;
mod up;
mod validate;

use std::path::Path;

use cairn_tests::{Output, binary, run};

/// Runs `cairn` to its end.
fn cairn(arguments: &[&str]) -> Output {
    run(&binary("cairn"), arguments)
}

/// A path as an argument.
fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
