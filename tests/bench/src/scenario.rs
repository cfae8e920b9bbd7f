//! What is measured: the same work, told once and written in both configuration languages.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, bail};

use crate::mesh::{OTHER_PORT, SERVICE_PORT};
use crate::routes::{self, Route};

/// One kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The chain that every request passes: the default route, no policy, no access log.
    Base,
    /// Twelve routes of which the last one matches, with a fault of 0 %; policies that allow and deny; an access log.
    Policy,
    /// So many routes, of which the last one matches.
    Routes(usize),
    /// The base chain, and HBONE again to the destination's ztunnel.
    Reencapsulation,
    /// The base chain, and so many filters in WebAssembly; they are told apart from it.
    Filters(usize),
}

/// All of them, in the order of the report.
pub const ALL: [Scenario; 5] = [
    Scenario::Base,
    Scenario::Policy,
    Scenario::Reencapsulation,
    Scenario::Routes(10),
    Scenario::Routes(10_000),
];

/// A request of which a filter sees sixteen lines.
const FILTERED: &str = concat!(
    "GET /shop/items?id=7&sort=price HTTP/1.1\r\n",
    "host: app.default.svc.cluster.local\r\n",
    "user-agent: cairn-bench/1\r\n",
    "accept: application/json\r\n",
    "accept-encoding: gzip, deflate\r\n",
    "accept-language: en\r\n",
    "authorization: Bearer 4e9f1c2a7b4e9f1c2a7b\r\n",
    "cache-control: no-cache\r\n",
    "cookie: session=4e9f1c2a7b; theme=dark\r\n",
    "x-b3-sampled: 0\r\n",
    "x-b3-spanid: 00f067aa0ba902b7\r\n",
    "x-b3-traceid: 4bf92f3577b34da6a3ce929d0e0e4736\r\n",
    "x-request-id: 9b6a1d2e-3f0c-4f5e-8a76-0d4c1b2a3e4f\r\n",
    "x-tenant: blue\r\n",
    "\r\n"
);

impl Scenario {
    /// The routes, first to last; none is the default route.
    #[must_use]
    pub fn routes(self) -> Vec<Route> {
        match self {
            Scenario::Base | Scenario::Reencapsulation | Scenario::Filters(_) => Vec::new(),
            Scenario::Policy => routes::shop(),
            Scenario::Routes(count) => routes::tenants(count),
        }
    }

    /// Whether policies decide about requests.
    #[must_use]
    pub fn has_policies(self) -> bool {
        self == Scenario::Policy
    }

    /// Whether each request is logged, to a file.
    #[must_use]
    pub fn has_access_log(self) -> bool {
        self == Scenario::Policy
    }

    /// Whether the destination takes HBONE.
    #[must_use]
    pub fn is_hbone(self) -> bool {
        self == Scenario::Reencapsulation
    }

    /// Ports of the service.
    #[must_use]
    pub fn ports(self) -> &'static [u16] {
        match self {
            Scenario::Filters(_) => &[SERVICE_PORT, OTHER_PORT],
            _ => &[SERVICE_PORT],
        }
    }

    /// The requests, all alike.
    #[must_use]
    pub fn request(self) -> &'static str {
        if let Scenario::Filters(_) = self {
            return FILTERED;
        }
        concat!(
            "GET /shop/items?id=7&sort=price HTTP/1.1\r\n",
            "host: app.default.svc.cluster.local\r\n",
            "user-agent: cairn-bench/1\r\n",
            "accept: application/json\r\n",
            "accept-encoding: gzip, deflate\r\n",
            "cookie: session=4e9f1c2a7b\r\n",
            "\r\n"
        )
    }

    /// Requests that tell whether a waypoint does what it is told, and the statuses that they must get.
    #[must_use]
    pub fn probes(self) -> &'static [(&'static str, u16)] {
        match self {
            Scenario::Base | Scenario::Reencapsulation | Scenario::Filters(_) => {
                &[("GET / HTTP/1.1\r\nhost: app\r\n\r\n", 200)]
            }
            Scenario::Policy => &[
                // No rule allows it.
                ("GET /healthz HTTP/1.1\r\nhost: app\r\n\r\n", 403),
                // A rule denies it.
                ("GET /shop/items HTTP/1.1\r\nhost: app\r\nx-debug: 1\r\n\r\n", 403),
                // What it is rewritten to, no rule allows.
                ("GET /shop/../static HTTP/1.1\r\nhost: app\r\n\r\n", 403),
                ("GET /static/logo HTTP/1.1\r\nhost: app\r\n\r\n", 200),
            ],
            Scenario::Routes(_) => &[
                ("GET /tenant-0 HTTP/1.1\r\nhost: app\r\n\r\n", 404),
                ("GET /shop/ HTTP/1.1\r\nhost: app\r\nx-tenant: 3\r\n\r\n", 200),
            ],
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scenario::Base => f.pad("base"),
            Scenario::Policy => f.pad("policy"),
            Scenario::Routes(count) => f.pad(&format!("routes-{count}")),
            Scenario::Reencapsulation => f.pad("re-encapsulation"),
            Scenario::Filters(count) => f.pad(&format!("filters-{count}")),
        }
    }
}

impl FromStr for Scenario {
    type Err = Error;

    fn from_str(text: &str) -> Result<Scenario, Error> {
        if let Some(count) = text.strip_prefix("routes-").and_then(|count| count.parse().ok())
            && count > 0
        {
            return Ok(Scenario::Routes(count));
        }
        match ALL.into_iter().find(|one| one.to_string() == text) {
            Some(found) => Ok(found),
            None => bail!(
                "no scenario is called {text}; there are base, policy, re-encapsulation and routes-NUMBER"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Scenario};

    #[test]
    fn names_lead_back() {
        for scenario in ALL {
            assert_eq!(
                scenario.to_string().parse::<Scenario>().expect("a name"),
                scenario
            );
        }
        assert!("routes-0".parse::<Scenario>().is_err());
        assert!("all".parse::<Scenario>().is_err());
    }

    #[test]
    fn there_are_as_many_routes_as_told() {
        assert_eq!(Scenario::Policy.routes().len(), 12);
        assert_eq!(Scenario::Routes(10_000).routes().len(), 10_000);
    }
}
