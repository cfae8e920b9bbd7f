//! An exchange to write values about.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime};

use http::StatusCode;

use super::{Facts, UpstreamFacts};

/// What is known when a response from an endpoint goes back.
pub(crate) fn facts() -> Facts<'static> {
    Facts {
        method: "PUT",
        path: "/a?b=c",
        authority: "reviews:9080",
        scheme: "http",
        protocol: "HTTP/2",
        downstream_remote: "10.0.0.1:5000".parse().unwrap(),
        downstream_local: "[fd00::1]:9080".parse().unwrap(),
        downstream_peer: Some("spiffe://cluster.local/ns/default/sa/sleep"),
        identity: Some("spiffe://cluster.local/ns/default/sa/waypoint"),
        start: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        lasted: Duration::from_micros(45_678),
        request_ended: Some(Duration::from_millis(7)),
        response_began: Some(Duration::from_millis(40)),
        received: 12,
        route_name: "main",
        hostname: "waypoint-1",
        noted: &[],
        upstream: UpstreamFacts {
            cluster: Some("inbound-vip|9080|http|reviews.default.svc.cluster.local"),
            host: Some("10.0.0.3:80".parse().unwrap()),
            ..UpstreamFacts::default()
        },
        response_code: Some(StatusCode::NOT_FOUND),
        response_flags: "",
        response_code_details: Some("via_upstream"),
        trace: None,
        unique: || 0,
    }
}
