//! DestinationRule.

use super::Support::{Differently, NotApplicable, Yes};
use super::{Section, Table};

pub(super) const DESTINATION_RULE: Table = Table {
    about: "The rule of the waypoint's namespace goes before that of the service's, and that before one of the root namespace.",
    sections: &[
        Section {
            under: &["spec"],
            rows: &[
                ("host", Yes),
                ("exportTo", Yes),
                ("subsets[].name", Yes),
                ("subsets[].labels", Yes),
                (
                    "workloadSelector",
                    NotApplicable("it chooses client workloads; a waypoint is none, and leaves the rule out"),
                ),
            ],
        },
        Section {
            under: &["spec.trafficPolicy", "spec.subsets[].trafficPolicy"],
            rows: &[
                ("portLevelSettings[].port", Yes),
                (
                    "tunnel",
                    Differently("HTTP/1.1 is spoken to the proxy, whatever its port says"),
                ),
                ("proxyProtocol", Yes),
                ("retryBudget.percent", Yes),
                ("retryBudget.minRetryConcurrency", Yes),
                ("retryBudget.budgetInterval", Yes),
            ],
        },
        Section {
            under: &[
                "spec.trafficPolicy",
                "spec.trafficPolicy.portLevelSettings[]",
                "spec.subsets[].trafficPolicy",
                "spec.subsets[].trafficPolicy.portLevelSettings[]",
            ],
            rows: &[
                (
                    "loadBalancer.simple",
                    Differently(
                        "`PASSTHROUGH` is taken for `LEAST_REQUEST`, and reported: clients address the service, not one of its endpoints",
                    ),
                ),
                ("loadBalancer.consistentHash", Yes),
                ("loadBalancer.warmup", Yes),
                ("loadBalancer.warmupDurationSecs", Yes),
                ("loadBalancer.localityLbSetting", Yes),
                (
                    "loadBalancer.zoneAwareLbSetting",
                    NotApplicable("a waypoint of Istio leaves it out too"),
                ),
                ("loadBalancer.backendUtilization", Yes),
                ("connectionPool.tcp.maxConnections", Yes),
                ("connectionPool.tcp.connectTimeout", Yes),
                (
                    "connectionPool.tcp.tcpKeepalive",
                    Differently("of connections in the clear: tunnels share theirs"),
                ),
                (
                    "connectionPool.tcp.maxConnectionDuration",
                    Differently(
                        "what is under way on a connection of HTTP is finished; one that is not HTTP ends",
                    ),
                ),
                ("connectionPool.tcp.idleTimeout", Yes),
                ("connectionPool.http.http1MaxPendingRequests", Yes),
                ("connectionPool.http.http2MaxRequests", Yes),
                ("connectionPool.http.maxRequestsPerConnection", Yes),
                ("connectionPool.http.maxRetries", Yes),
                ("connectionPool.http.idleTimeout", Yes),
                ("connectionPool.http.h2UpgradePolicy", Yes),
                ("connectionPool.http.useClientProtocol", Yes),
                ("connectionPool.http.maxConcurrentStreams", Yes),
                ("connectionPool.http.http2KeepAlive", Yes),
                ("outlierDetection", Yes),
                (
                    "tls",
                    Differently(
                        "within the tunnel where the endpoint has one; files are looked at every 5 seconds; `insecureSkipVerify` beside names or authorities is an error, and nothing is sent; a `*` of a certificate stands for a whole label",
                    ),
                ),
            ],
        },
    ],
};
