#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

/// Status, body, flags and details of the reference, row by row.
#[test]
fn the_table_is_envoys() {
    let connect = |retries| Failure::Upstream {
        fault: UpstreamFault::Connect("Connection refused".into()),
        retries,
    };
    let prefix = "upstream connect error or disconnect/reset before headers. ";
    for (failure, status, body, flags, details) in [
        (
            Failure::Denied("d".into()),
            403,
            "RBAC: access denied".to_owned(),
            "-",
            "d",
        ),
        (
            Failure::Aborted(StatusCode::IM_A_TEAPOT),
            418,
            "fault filter abort".to_owned(),
            "FI",
            "fault_filter_abort",
        ),
        (Failure::NoRoute, 404, String::new(), "NR", "route_not_found"),
        (
            Failure::ClusterNotFound,
            503,
            String::new(),
            "NC",
            "cluster_not_found",
        ),
        (
            Failure::NoHealthyUpstream,
            503,
            "no healthy upstream".to_owned(),
            "UH",
            "no_healthy_upstream",
        ),
        (
            Failure::ResponseTimeout,
            504,
            "upstream request timeout".to_owned(),
            "UT",
            "response_timeout",
        ),
        (
            Failure::PerTryTimeout { retries: 0 },
            504,
            "upstream request timeout".to_owned(),
            "UT",
            "upstream_per_try_timeout",
        ),
        (
            Failure::PerTryTimeout { retries: 1 },
            504,
            "upstream request timeout".to_owned(),
            "URX,UT",
            "upstream_per_try_timeout",
        ),
        (
            Failure::Overflow,
            503,
            format!("{prefix}reset reason: overflow"),
            "UO",
            "upstream_reset_before_response_started{overflow}",
        ),
        (
            Failure::AmbiguousPath,
            400,
            String::new(),
            "-",
            "path_normalization_failed",
        ),
        (
            Failure::MissingHost,
            400,
            String::new(),
            "-",
            "missing_host_header",
        ),
        (
            Failure::StreamIdle,
            408,
            "stream timeout".to_owned(),
            "SI",
            "stream_idle_timeout",
        ),
        (
            connect(0),
            503,
            format!("{prefix}reset reason: remote connection failure"),
            "UF",
            "upstream_reset_before_response_started{remote_connection_failure|Connection_refused}",
        ),
        (
            connect(2),
            503,
            format!("{prefix}retried and the latest reset reason: remote connection failure"),
            "URX,UF",
            "upstream_reset_before_response_started{remote_connection_failure|Connection_refused}",
        ),
        (
            Failure::Upstream {
                fault: UpstreamFault::Terminated,
                retries: 0,
            },
            503,
            format!("{prefix}reset reason: connection termination"),
            "UC",
            "upstream_reset_before_response_started{connection_termination}",
        ),
        (
            Failure::Upstream {
                fault: UpstreamFault::Protocol,
                retries: 0,
            },
            502,
            format!("{prefix}reset reason: protocol error"),
            "UPE",
            "upstream_reset_before_response_started{protocol_error}",
        ),
        (
            Failure::Upstream {
                fault: UpstreamFault::Unsupported,
                retries: 0,
            },
            503,
            format!("{prefix}reset reason: remote reset"),
            "UR",
            "upstream_reset_before_response_started{remote_reset}",
        ),
    ] {
        let reply = failure.reply();
        assert_eq!(reply.status.as_u16(), status, "{failure:?}");
        assert_eq!(reply.body, body, "{failure:?}");
        assert_eq!(reply.flags.to_string(), flags, "{failure:?}");
        assert_eq!(reply.details, details, "{failure:?}");
    }
}

#[test]
fn what_cannot_be_read_ends_the_connection_and_nothing_else_does() {
    for failure in [
        Failure::AmbiguousPath,
        Failure::MissingHost,
        Failure::BadTarget,
        Failure::DownstreamBody,
        Failure::StreamIdle,
    ] {
        assert!(
            failure.reply().close && failure.side() == Side::Downstream,
            "{failure:?}"
        );
    }
    for failure in [
        Failure::NoRoute,
        Failure::Denied("d".into()),
        Failure::ResponseTimeout,
    ] {
        assert!(!failure.reply().close, "{failure:?}");
    }
}

#[test]
fn flags_print_in_envoys_order() {
    let flags = Flags::FAULT_INJECTED.with(Flags::DELAY_INJECTED);
    assert_eq!(flags.to_string(), "DI,FI");
    assert_eq!(flags.label(), "DI,FI");
    assert_eq!(Flags::default().label(), "-");
    assert_eq!(Flags::NO_ROUTE.label(), "NR");
    assert!(flags.contains(Flags::DELAY_INJECTED) && !flags.contains(Flags::NO_ROUTE));
}
