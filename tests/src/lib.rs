//! What the whole-process tests share: the real binaries, started on loopback addresses of their own, clients that
//! call from a pod's address, and backends that tell what reached them.
//!
//! A test writes ordinary YAML into a [`Directory`], starts processes on it with [`Process`], sends real requests,
//! and asserts what the backend saw and what the client got. Every wait is a poll with a bound; every process is
//! stopped by the handle that started it.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "a harness fails by panicking, which is how a test fails"
)]

mod backend;
mod binaries;
mod client;
mod components;
mod directory;
mod echo;
mod example;
mod exclusive;
mod files;
mod lone;
mod mesh;
mod metrics;
mod name_server;
mod network;
mod process;
mod signer;
mod tunnels;

pub use backend::{Backend, Load, Misfortune, Seen};
pub use binaries::binary;
pub use client::{Answer, Client};
pub use components::{component, has_target, module};
pub use directory::Directory;
pub use echo::Echo;
pub use example::Example;
pub use exclusive::Exclusive;
pub use files::Files;
pub use lone::Lone;
pub use mesh::{AccessLine, Mesh};
pub use metrics::{Sample, samples};
pub use name_server::NameServer;
pub use network::Network;
pub use process::{Output, Process, eventually, run};
pub use signer::{Signer, seconds_from_now};
pub use tunnels::Tunnels;
