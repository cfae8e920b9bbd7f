//! Fetching from servers on loopback: web servers and registries of the tests' own, and a real registry.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing
)]

mod image;
mod login;
mod publish;
mod pull;
mod registry;
mod server;
mod tls;
mod web;

use cairn_fetch::{FetchError, Fetcher, Module, Options, Request};

/// A core module, as far as its first bytes tell.
pub(crate) fn wasm(name: &str) -> Vec<u8> {
    [b"\0asm\x01\0\0\0", name.as_bytes()].concat()
}

/// Options that let registries on loopback do without TLS.
pub(crate) fn options() -> Options {
    Options {
        insecure_registries: vec!["127.0.0.1".to_owned()],
        ..Options::default()
    }
}

pub(crate) fn request(url: &str) -> Request {
    Request::new(url.parse().unwrap())
}

pub(crate) async fn fetch(options: &Options, request: &Request) -> Result<Module, FetchError> {
    Fetcher::new(options).unwrap().fetch(request).await
}
