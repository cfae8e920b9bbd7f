//! The endpoints of one destination, how one of them is chosen, and what their answers mean for the next choice.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cairn_balance::{Endpoint, Hints, Outcome, Outliers, Picked, Tiers, Utilization};
use cairn_dns::Host;
use cairn_http::grpc;
use cairn_mesh::AppProtocol;
use cairn_route::{ConnectionPool, EndpointMark, HashKey};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::beyond::Beyond;
use crate::breaker::Breaker;
use crate::clock;
use crate::failure::Failure;
use crate::sought::Sought;
use crate::upstream::Upstream;

/// How often the sweeps are made up for that nobody asked for.
const MISSED_SWEEPS: u64 = 100;

/// The endpoints of one destination: a service's port, or a subset of it.
pub(crate) struct Cluster {
    /// Istio's name for it: `inbound-vip|5000|http/v1|helloworld.default.svc.cluster.local`.
    pub(crate) name: Arc<str>,
    pub(crate) protocol: AppProtocol,
    /// How long a connection that is not HTTP may be silent, where a rule says so; zero: for ever.
    pub(crate) tcp_idle: Option<Duration>,
    /// How long a connection that is not HTTP may last.
    pub(crate) tcp_longest: Option<Duration>,
    /// What it is spoken to, whatever its port says.
    pub(crate) speaks: Option<Speaks>,
    /// None: as much may be under way as wants.
    pub(crate) breaker: Option<Arc<Breaker>>,
    /// What requests are to have in common to get to the same endpoint.
    hash_key: Option<HashKey>,
    endpoints: Tiers<Upstream>,
    /// What there is instead of `endpoints`, where nobody lists them.
    beyond: Option<Arc<Beyond>>,
    /// The names of which `endpoints` are what they stand for at the moment.
    names: Box<[Host]>,
    /// How endpoints are weighed by the load that they report, where they are.
    pub(crate) utilization: Option<Arc<Utilization>>,
    /// A choice depends on the time.
    timed: bool,
    /// The interval of sweeps that the last was in.
    swept: AtomicU64,
}

/// The version of HTTP that a DestinationRule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http2,
    AsClient,
}

/// What leads a request to an endpoint again, and what the client is to be told so that it comes again.
#[derive(Default)]
pub(crate) struct Affinity {
    pub(crate) hash: Option<u64>,
    /// The value of `set-cookie`.
    pub(crate) cookie: Option<HeaderValue>,
}

impl Cluster {
    pub(crate) fn new(
        name: Arc<str>,
        protocol: AppProtocol,
        endpoints: Tiers<Upstream>,
        warms_up: bool,
    ) -> Cluster {
        let interval = endpoints.outliers().map(|outliers| interval(outliers));
        Cluster {
            name,
            protocol,
            tcp_idle: None,
            tcp_longest: None,
            speaks: None,
            breaker: None,
            hash_key: None,
            beyond: None,
            names: Box::default(),
            utilization: None,
            timed: warms_up || interval.is_some(),
            swept: AtomicU64::new(interval.map_or(0, |interval| clock::now() / interval)),
            endpoints,
        }
    }

    pub(crate) fn hashed_by(mut self, key: Option<HashKey>) -> Cluster {
        self.hash_key = key;
        self
    }

    pub(crate) fn spoken_by(mut self, pool: &ConnectionPool) -> Cluster {
        self.tcp_idle = pool.tcp_idle_timeout;
        self.tcp_longest = pool.max_connection_duration.filter(|longest| !longest.is_zero());
        self.speaks = if pool.use_client_protocol {
            Some(Speaks::AsClient)
        } else {
            pool.http2_upgrade
                .filter(|upgrade| *upgrade)
                .map(|_| Speaks::Http2)
        };
        self
    }

    pub(crate) fn limited_by(mut self, breaker: Option<Arc<Breaker>>) -> Cluster {
        self.breaker = breaker;
        self
    }

    pub(crate) fn leading_to(mut self, beyond: Option<Arc<Beyond>>) -> Cluster {
        self.beyond = beyond;
        self
    }

    pub(crate) fn weighed_by(mut self, utilization: Option<Utilization>) -> Cluster {
        self.timed |= utilization.is_some();
        self.utilization = utilization.map(Arc::new);
        self
    }

    pub(crate) fn named(mut self, names: impl IntoIterator<Item = Host>) -> Cluster {
        self.names = names.into_iter().collect();
        self
    }

    /// Where endpoints are that only requests bring, or that names lead to, in words.
    pub(crate) fn whereabouts(&self) -> Option<String> {
        let names: Vec<_> = self.names.iter().map(ToString::to_string).collect();
        let of_names =
            (!names.is_empty()).then(|| format!("an address of {} at the time", names.join(" or ")));
        self.beyond
            .as_ref()
            .map(|beyond| beyond.whereabouts())
            .or(of_names)
    }

    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Arc<Endpoint<Upstream>>> {
        self.endpoints.endpoints()
    }

    /// An endpoint of another locality than those that have been `left`, if possible none of those that have `failed`.
    pub(crate) fn choose_elsewhere(
        &self,
        hash: Option<u64>,
        left: &[SocketAddr],
        failed: &[SocketAddr],
    ) -> Option<Picked<Upstream>> {
        let now = if self.timed { clock::now() } else { 0 };
        let tried = |endpoint: &Endpoint<Upstream>| left.contains(&endpoint.data.address);
        let exclude = |endpoint: &Endpoint<Upstream>| failed.contains(&endpoint.data.address);
        let hints = Hints { now, hash };
        self.endpoints
            .pick_elsewhere(&mut rand::rng(), hints, tried, exclude)
    }

    /// An endpoint, if possible none of those that have `failed`.
    pub(crate) async fn choose(
        &self,
        sought: Sought<'_>,
        hash: Option<u64>,
        failed: &[SocketAddr],
    ) -> Result<Picked<Upstream>, Failure> {
        if let Some(beyond) = &self.beyond {
            return Box::pin(beyond.find(sought, failed)).await;
        }
        self.pick(hash, |upstream| !failed.contains(&upstream.address))
            .or_else(|| self.pick(hash, |_| true))
            .ok_or(Failure::NoHealthyUpstream)
    }

    fn pick(&self, hash: Option<u64>, acceptable: impl Fn(&Upstream) -> bool) -> Option<Picked<Upstream>> {
        let now = if self.timed { clock::now() } else { 0 };
        if let Some(outliers) = self.endpoints.outliers() {
            self.sweep(outliers, now);
        }
        let hints = Hints { now, hash };
        self.endpoints
            .pick(&mut rand::rng(), hints, |endpoint| !acceptable(&endpoint.data))
    }

    /// Takes back the endpoints whose time aside is over, once in each interval, when somebody wants an endpoint: nobody else
    /// asks for it.
    fn sweep(&self, outliers: &Outliers, now: u64) {
        let this = now / interval(outliers);
        let last = self.swept.load(Ordering::Relaxed);
        if this > last
            && self
                .swept
                .compare_exchange(last, this, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            for _ in 0..(this - last).min(MISSED_SWEEPS) {
                outliers.sweep(now);
            }
        }
    }

    /// Whether answers matter for the next choice.
    pub(crate) fn learns(&self) -> bool {
        self.endpoints.outliers().is_some() && self.beyond.is_none()
    }

    /// What names an endpoint in a session: it is one of this cluster.
    pub(crate) fn mark(&self, upstream: &Upstream) -> EndpointMark {
        let uid = &upstream.workload.uid;
        EndpointMark::of(&format!("{}|{uid}|{}", self.name, upstream.address))
    }

    /// Takes note of what became of a request.
    pub(crate) fn observe(&self, endpoint: &Endpoint<Upstream>, outcome: Outcome) {
        let Some(outliers) = self.endpoints.outliers() else {
            return;
        };
        if let Some(cause) = outliers.observe(endpoint.standing(), outcome, clock::now()) {
            tracing::info!(
                cluster = &*self.name,
                endpoint = %endpoint.data.address,
                ?cause,
                "endpoint set aside"
            );
        }
    }

    /// What leads a connection that is not HTTP to its endpoint: where it comes from, if that is hashed.
    pub(crate) fn affinity_of_connection(&self, source: IpAddr) -> Option<u64> {
        let key = self.hash_key.as_ref().filter(|key| **key == HashKey::SourceIp)?;
        let no_headers = HeaderMap::new();
        let value = key.of(&no_headers, None, source)?;
        Some(cairn_balance::hash(&value))
    }

    /// What leads this request to its endpoint. A cookie is made for who has none.
    pub(crate) fn affinity(&self, parts: &Parts, source: IpAddr) -> Affinity {
        let Some(key) = &self.hash_key else {
            return Affinity::default();
        };
        if let Some(value) = key.of(&parts.headers, parts.uri.query(), source) {
            return Affinity {
                hash: Some(cairn_balance::hash(&value)),
                cookie: None,
            };
        }
        let HashKey::Cookie(cookie) = key else {
            return Affinity::default();
        };
        let value = format!("{:032x}", rand::random::<u128>());
        let issued = cookie.issue(&value);
        Affinity {
            hash: issued.is_some().then(|| cairn_balance::hash(value.as_bytes())),
            cookie: issued,
        }
    }
}

fn interval(outliers: &Outliers) -> u64 {
    let interval = outliers.settings().interval.as_millis();
    u64::try_from(interval).unwrap_or(u64::MAX).max(1)
}

/// What a response says of its endpoint: of gRPC, whose status is always 200, what its own status stands for.
pub(crate) fn outcome(status: StatusCode, headers: &HeaderMap) -> Outcome {
    let code = headers.get(grpc::GRPC_STATUS);
    let code = code.and_then(|code| code.to_str().ok()?.parse().ok());
    let code = code.and_then(grpc::Code::from_u16);
    Outcome::Status(code.map_or(status.as_u16(), grpc::Code::to_http))
}

/// What an attempt without a response says of its endpoint; nothing, when it is not the endpoint's doing.
pub(crate) fn outcome_of_failure(failure: &Failure) -> Option<Outcome> {
    match failure {
        Failure::Upstream { .. } => Some(Outcome::Unreachable),
        Failure::PerTryTimeout { .. } | Failure::ResponseTimeout => Some(Outcome::Timeout),
        _ => None,
    }
}
