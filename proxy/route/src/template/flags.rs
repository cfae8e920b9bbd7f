//! The long names of response flags.

/// The flags of Envoy, by abbreviation.
const FLAGS: [(&str, &str); 28] = [
    ("UH", "NoHealthyUpstream"),
    ("UF", "UpstreamConnectionFailure"),
    ("UO", "UpstreamOverflow"),
    ("NR", "NoRouteFound"),
    ("URX", "UpstreamRetryLimitExceeded"),
    ("NC", "NoClusterFound"),
    ("DT", "DurationTimeout"),
    ("DC", "DownstreamConnectionTermination"),
    ("LH", "FailedLocalHealthCheck"),
    ("UT", "UpstreamRequestTimeout"),
    ("LR", "LocalReset"),
    ("UR", "UpstreamRemoteReset"),
    ("UC", "UpstreamConnectionTermination"),
    ("DI", "DelayInjected"),
    ("FI", "FaultInjected"),
    ("RL", "RateLimited"),
    ("UAEX", "UnauthorizedExternalService"),
    ("RLSE", "RateLimitServiceError"),
    ("IH", "InvalidEnvoyRequestHeaders"),
    ("SI", "StreamIdleTimeout"),
    ("DPE", "DownstreamProtocolError"),
    ("UPE", "UpstreamProtocolError"),
    ("UMSDR", "UpstreamMaxStreamDurationReached"),
    ("NFCF", "NoFilterConfigFound"),
    ("OM", "OverloadManagerTerminated"),
    ("DF", "DnsResolutionFailed"),
    ("DO", "DropOverload"),
    ("DR", "DownstreamRemoteReset"),
];

/// `URX,UT` with the names in full; an unknown abbreviation stays.
pub(super) fn in_full(flags: &str) -> String {
    let long = flags.split(',').map(|flag| {
        let known = FLAGS.iter().find(|(short, _)| *short == flag);
        known.map_or(flag, |(_, long)| long)
    });
    long.collect::<Vec<_>>().join(",")
}
