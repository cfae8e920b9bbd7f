#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io;
use std::sync::Arc;

use cairn_hbone::ConnectError;
use cairn_identity::TlsError;
use cairn_mesh::{Refusal, Rejection};
use http::StatusCode;

use super::Failure;

fn connect() -> ConnectError {
    ConnectError::Connect(Arc::new(io::ErrorKind::ConnectionRefused.into()))
}

fn tunnel(error: ConnectError) -> Failure {
    Failure::Tunnel(error)
}

#[test]
fn flags_are_istios() {
    let denied = Rejection::Denied {
        policy: "a/b".to_owned(),
        reason: "explicitly denied by: a/b".to_owned(),
    };
    for (failure, flags) in [
        (Failure::from(denied), "DENY"),
        (Failure::PolicyChanged, "DENY"),
        (tunnel(ConnectError::Status(StatusCode::UNAUTHORIZED)), "DENY"),
        (
            tunnel(ConnectError::Status(StatusCode::SERVICE_UNAVAILABLE)),
            "CONNECT",
        ),
        (tunnel(connect()), "CONNECT"),
        (Failure::Refused(Refusal::NoHealthyUpstream), "CONNECT"),
        (Failure::Tls(TlsError::Timeout), "TLS_FAILURE"),
        (
            tunnel(ConnectError::Tls(Arc::new(TlsError::Timeout))),
            "TLS_FAILURE",
        ),
        (tunnel(ConnectError::HandshakeTimeout), "H2_HANDSHAKE_FAILURE"),
        (Failure::Drained, "-"),
    ] {
        assert_eq!(failure.flags(), flags, "{failure}");
    }
}

#[test]
fn another_endpoint_is_tried_where_it_may_do_better() {
    assert!(tunnel(connect()).may_pass_elsewhere());
    assert!(tunnel(ConnectError::Tls(Arc::new(TlsError::Timeout))).may_pass_elsewhere());
    assert!(tunnel(ConnectError::Status(StatusCode::SERVICE_UNAVAILABLE)).may_pass_elsewhere());
    for status in [StatusCode::UNAUTHORIZED, StatusCode::BAD_REQUEST] {
        assert!(!tunnel(ConnectError::Status(status)).may_pass_elsewhere());
    }
    assert!(!Failure::Drained.may_pass_elsewhere());
    assert!(!Failure::Denied(String::new()).may_pass_elsewhere());
}

#[test]
fn a_rejection_keeps_its_status() {
    let mismatch = Rejection::AddressMismatch {
        asked: "127.0.0.1".parse().unwrap(),
        received_on: "127.0.0.2".parse().unwrap(),
    };
    assert_eq!(Failure::from(mismatch).status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        Failure::from(Rejection::OwnPort(15008)).status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(Failure::PolicyChanged.status(), StatusCode::UNAUTHORIZED);
}
