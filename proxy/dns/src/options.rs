//! How names are resolved.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::RngExt as _;

/// How names are resolved, with the defaults of Istio and Envoy where they have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whom to ask, over UDP, and over TCP for answers that do not fit. When empty, /etc/resolv.conf says it, with its
    /// search list and `ndots`; with servers of its own a resolver takes every name as absolute. Read once.
    pub name_servers: Vec<SocketAddr>,
    /// The kinds of addresses that are asked for.
    pub families: Families,
    /// How long one question may take, to all servers together. Default 5 s.
    pub query_timeout: Duration,
    /// How long [`lookup`](crate::Resolver::lookup) may take. Default 5 s.
    pub lookup_timeout: Duration,
    /// When to ask again after an answer that has no TTL or one of 0, or no addresses. Default 5 s.
    pub refresh: Duration,
    /// The shortest time until a name is asked for again, whatever its TTL. Default 1 s.
    pub min_refresh: Duration,
    /// The longest time until a name is asked for again. Default 5 min.
    pub max_refresh: Duration,
    /// When to ask again after a first failure; twice as long after each further one. Default 1 s.
    pub min_backoff: Duration,
    /// The longest time until a name is asked for again after failures. Default 30 s.
    pub max_backoff: Duration,
    /// How long [`lookup`](crate::Resolver::lookup) falls back to what it knew while servers fail. Default 5 min, which
    /// is how long Envoy's cache keeps hosts.
    pub keep_stale: Duration,
    /// The most names that are followed. Default 4096.
    pub max_names: usize,
    /// The most names that are being asked for at a time, followed ones and looked up ones each. Default 64.
    pub max_queries: usize,
    /// The most names that lookups remember, and that may be waiting to be looked up. Default 1024.
    pub max_cached: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name_servers: Vec::new(),
            families: Families::default(),
            query_timeout: Duration::from_secs(5),
            lookup_timeout: Duration::from_secs(5),
            refresh: Duration::from_secs(5),
            min_refresh: Duration::from_secs(1),
            max_refresh: Duration::from_secs(5 * 60),
            min_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(30),
            keep_stale: Duration::from_secs(5 * 60),
            max_names: 4096,
            max_queries: 64,
            max_cached: 1024,
        }
    }
}

/// Which kinds of addresses a name is asked for; Envoy's `DnsLookupFamily`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Families {
    /// IPv4 only.
    V4Only,
    /// IPv6 only.
    V6Only,
    /// IPv4; IPv6 of names that have no IPv4 address.
    #[default]
    V4Preferred,
    /// Both, IPv4 first.
    All,
}

impl Families {
    /// What Istio's control plane chooses for a proxy with these addresses: the family of all of them, or both.
    pub fn of(proxy: impl IntoIterator<Item = IpAddr>) -> Self {
        let (mut v4, mut v6) = (false, false);
        for address in proxy {
            v4 |= address.is_ipv4();
            v6 |= address.is_ipv6();
        }
        match (v4, v6) {
            (_, false) => Self::V4Only,
            (false, true) => Self::V6Only,
            (true, true) => Self::All,
        }
    }
}

impl Options {
    /// When to ask again after an answer whose addresses live for `ttl`; `None` when it has none.
    pub(crate) fn until_refresh(&self, ttl: Option<Duration>) -> Duration {
        let wanted = ttl.filter(|ttl| !ttl.is_zero()).unwrap_or(self.refresh);
        wanted.max(self.min_refresh).min(self.max_refresh)
    }
}

/// The waits between failures: twice as long each time, each shortened by a random part of up to a half, so that the
/// proxies of a mesh do not ask a server that comes back all at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            next: options.min_backoff.min(options.max_backoff),
            max: options.max_backoff,
        }
    }

    pub(crate) fn pause(&mut self) -> Duration {
        let longest = self.next;
        self.next = longest.saturating_mul(2).min(self.max);
        longest.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_follow_the_proxys_own_addresses() {
        let (v4, v6): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap());
        assert_eq!(Families::of([]), Families::V4Only);
        assert_eq!(Families::of([v4, v4]), Families::V4Only);
        assert_eq!(Families::of([v6]), Families::V6Only);
        assert_eq!(Families::of([v6, v4]), Families::All);
    }

    #[test]
    fn names_are_asked_for_again_when_their_ttl_ends_within_bounds() {
        let options = Options::default();
        let after = |ttl: Option<u64>| options.until_refresh(ttl.map(Duration::from_secs)).as_secs();
        assert_eq!(after(Some(1)), 1);
        assert_eq!(after(Some(60)), 60);
        assert_eq!(after(Some(86_400)), 300);
        assert_eq!(after(Some(0)), 5, "a TTL of 0 does not mean to ask without pause");
        assert_eq!(after(None), 5);
        let short = Options {
            refresh: Duration::ZERO,
            ..options
        };
        assert_eq!(short.until_refresh(None), Duration::from_secs(1));
    }

    #[test]
    fn waits_after_failures_double_up_to_the_longest() {
        let mut backoff = Backoff::new(&Options::default());
        for longest in [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] {
            let pause = backoff.pause().as_secs_f64();
            assert!((longest / 2.0..=longest).contains(&pause), "{pause} of {longest}");
        }
    }
}
