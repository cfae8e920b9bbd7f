use std::collections::BTreeMap;

form! {
    /// How a text must look; one of the three.
    pub struct StringMatch {
        /// Exactly this.
        pub exact: Option<String>,
        /// Beginning with this.
        pub prefix: Option<String>,
        /// As a whole matching this RE2 expression.
        pub regex: Option<String>,
    }

    /// Conditions on a request, all of which must hold.
    pub struct HttpMatchRequest {
        /// Name, joined to the route's name in logs.
        pub name: String,
        /// The path with its query, `/reviews/1`.
        pub uri: Option<StringMatch>,
        /// The scheme.
        pub scheme: Option<StringMatch>,
        /// The method.
        pub method: Option<StringMatch>,
        /// The authority.
        pub authority: Option<StringMatch>,
        /// Headers. An empty condition: the header is there.
        pub headers: BTreeMap<String, StringMatch>,
        /// The service port.
        pub port: Option<u32>,
        /// Labels of the caller.
        pub source_labels: BTreeMap<String, String>,
        /// Gateways through which the request comes; replaces the list of the resource.
        pub gateways: Vec<String>,
        /// Query parameters.
        pub query_params: BTreeMap<String, StringMatch>,
        /// Whether the case of `uri` does not matter (exact and prefix).
        pub ignore_uri_case: bool,
        /// Headers whose condition must not hold. An empty condition: the header is not there.
        pub without_headers: BTreeMap<String, StringMatch>,
        /// Namespace of the caller.
        pub source_namespace: String,
        /// Prefix of the route's statistics.
        pub stat_prefix: String,
    }

    /// Conditions on a TLS connection that is not terminated, all of which must hold.
    pub struct TlsMatchAttributes {
        /// Server names, of which one must match.
        pub sni_hosts: Vec<String>,
        /// Destination addresses or CIDR blocks.
        pub destination_subnets: Vec<String>,
        /// The service port.
        pub port: Option<u32>,
        /// Labels of the caller.
        pub source_labels: BTreeMap<String, String>,
        /// Gateways through which the connection comes.
        pub gateways: Vec<String>,
        /// Namespace of the caller.
        pub source_namespace: String,
    }

    /// Conditions on a TCP connection, all of which must hold.
    pub struct L4MatchAttributes {
        /// Destination addresses or CIDR blocks.
        pub destination_subnets: Vec<String>,
        /// The service port.
        pub port: Option<u32>,
        /// Address or CIDR block of the caller; Istio does not act on it.
        pub source_subnet: String,
        /// Labels of the caller.
        pub source_labels: BTreeMap<String, String>,
        /// Gateways through which the connection comes.
        pub gateways: Vec<String>,
        /// Namespace of the caller.
        pub source_namespace: String,
    }
}
