//! Resolving names against a name server on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod followed;
mod hostile;
mod looked_up;
mod server;

use std::net::IpAddr;
use std::time::Duration;

use cairn_dns::{Families, Host, Options, Resolver};

use crate::server::Server;

pub(crate) fn host(name: &str) -> Host {
    name.parse().unwrap()
}

/// Options that ask this server, for IPv4, and do not let a test wait.
pub(crate) fn options(server: &Server) -> Options {
    Options {
        name_servers: vec![server.address],
        families: Families::V4Only,
        query_timeout: Duration::from_millis(600),
        refresh: Duration::from_millis(50),
        min_refresh: Duration::from_millis(50),
        min_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_millis(100),
        ..Options::default()
    }
}

pub(crate) fn resolver(server: &Server) -> Resolver {
    Resolver::new(options(server)).unwrap()
}

/// The addresses of a name that is followed.
pub(crate) fn known(resolver: &Resolver, name: &str) -> Vec<IpAddr> {
    let followed = resolver.followed(&host(name)).unwrap();
    followed.resolution().addresses().to_vec()
}

/// What the latest attempt for a name failed on.
pub(crate) fn error(resolver: &Resolver, name: &str) -> Option<String> {
    let followed = resolver.followed(&host(name)).unwrap();
    followed.resolution().error().map(ToString::to_string)
}

/// Waits until a condition holds; fails when it does not for half a minute.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain until {what}");
}
