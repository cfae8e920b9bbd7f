use std::collections::BTreeMap;

use crate::value::Duration;

form! {
    /// How an endpoint is chosen; by one of `simple`, `consistent_hash` and `backend_utilization`.
    pub struct LoadBalancerSettings {
        /// A policy without parameters.
        pub simple: Option<SimpleLb>,
        /// The same endpoint for the same attribute of requests.
        pub consistent_hash: Option<ConsistentHashLb>,
        /// Preferences among localities.
        pub locality_lb_setting: Option<LocalityLoadBalancerSetting>,
        /// Preferences among zones.
        pub zone_aware_lb_setting: Option<ZoneAwareLoadBalancerSetting>,
        /// Deprecated form of `warmup`: its duration alone.
        pub warmup_duration_secs: Option<Duration>,
        /// How new endpoints are brought up to their share.
        pub warmup: Option<Warmup>,
        /// Weights from the load that endpoints report.
        pub backend_utilization: Option<BackendUtilization>,
    }

    /// The same endpoint for the same attribute: one attribute, one algorithm.
    pub struct ConsistentHashLb {
        /// By a request header.
        pub http_header_name: Option<String>,
        /// By a cookie.
        pub http_cookie: Option<HttpCookie>,
        /// By the caller's address.
        pub use_source_ip: Option<bool>,
        /// By a query parameter.
        pub http_query_parameter_name: Option<String>,
        /// With a hash ring. Absent, with no `maglev`: this, with its defaults.
        pub ring_hash: Option<RingHash>,
        /// With a Maglev table.
        pub maglev: Option<Maglev>,
        /// Deprecated form of the same field of `ring_hash`.
        pub minimum_ring_size: Option<u64>,
    }

    /// Parameters of a hash ring.
    pub struct RingHash {
        /// Fewest points on the ring. Absent: 1024.
        pub minimum_ring_size: Option<u64>,
    }

    /// Parameters of a Maglev table.
    pub struct Maglev {
        /// Entries of the table, a prime. Absent: 65537.
        pub table_size: Option<u64>,
    }

    /// A cookie to hash by.
    pub struct HttpCookie {
        /// Name.
        pub name: String,
        /// Path, when the cookie has to be made.
        pub path: String,
        /// Life time, when the cookie has to be made. Absent: it is never made. Zero: until the session ends.
        pub ttl: Option<Duration>,
        /// Further attributes, when the cookie has to be made.
        pub attributes: Vec<CookieAttribute>,
    }

    /// An attribute of a cookie.
    pub struct CookieAttribute {
        /// Name.
        pub name: String,
        /// Value; empty for attributes without one.
        pub value: String,
    }

    /// Preferences among localities; one of the three ways.
    pub struct LocalityLoadBalancerSetting {
        /// Shares of the traffic by locality of the caller.
        pub distribute: Vec<LocalityDistribute>,
        /// Where traffic of a region goes when the region fails.
        pub failover: Vec<Failover>,
        /// Labels by which endpoints are preferred, most important first.
        pub failover_priority: Vec<String>,
        /// Whether this applies. Absent: as the mesh says.
        pub enabled: Option<bool>,
    }

    /// Shares of the traffic from one locality.
    pub struct LocalityDistribute {
        /// The caller's locality, `region/zone/*`.
        pub from: String,
        /// Percentages by locality; 100 together.
        pub to: BTreeMap<String, u32>,
    }

    /// A place, and the place to go to when it fails.
    pub struct Failover {
        /// The region or zone that fails.
        pub from: String,
        /// The region or zone to go to.
        pub to: String,
    }

    /// Preferences among zones.
    pub struct ZoneAwareLoadBalancerSetting {
        /// Whether this applies.
        pub enabled: Option<bool>,
        /// Where traffic of a zone goes when the zone fails.
        pub failover: Vec<Failover>,
        /// Labels by which endpoints are preferred, most important first.
        pub failover_priority: Vec<String>,
        /// Fewest endpoints for which zones are considered.
        pub min_cluster_size: Option<u64>,
    }

    /// How new endpoints are brought up to their share.
    pub struct Warmup {
        /// How long it takes.
        pub duration: Option<Duration>,
        /// Share to begin with, percent. Absent: 10.
        pub minimum_percent: Option<f64>,
        /// Shape of the growth; 1 is linear.
        pub aggression: Option<f64>,
    }

    /// Weights from the load that endpoints report.
    pub struct BackendUtilization {
        /// How long reports must have come in before they count. Absent: 10 seconds.
        pub weight_stabilization_period: Option<Duration>,
        /// Age at which a report no longer counts. Absent: 3 minutes.
        pub weight_expiration_period: Option<Duration>,
        /// Time between recalculations. Absent: a second.
        pub weight_update_period: Option<Duration>,
        /// How much errors add to an endpoint's load, percent. Absent: nothing.
        pub error_utilization_penalty_percent: Option<u32>,
        /// Metrics that give the load, such as `named_metrics.queue`. Where none of them is reported: the utilization of the
        /// application, else of the processors.
        pub metric_names_for_computing_utilization: Vec<String>,
    }
}

choice! {
    /// Policies without parameters.
    pub enum SimpleLb {
        /// As the mesh says: least request.
        Unspecified = "UNSPECIFIED",
        /// Deprecated name of least request.
        LeastConn = "LEAST_CONN",
        /// At random.
        Random = "RANDOM",
        /// The address that the caller connected to.
        Passthrough = "PASSTHROUGH",
        /// In turn.
        RoundRobin = "ROUND_ROBIN",
        /// The less busy of two chosen at random.
        LeastRequest = "LEAST_REQUEST",
    }
}
