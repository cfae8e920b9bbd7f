#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

fn failed(failure: pool::Failure<DialError>) -> SendError<DialError> {
    SendError {
        failure,
        reused: false,
        request: Some(Box::new(Request::new(Body::empty()))),
    }
}

/// What the client has done wrong and what its destination cannot do are different answers.
#[test]
fn a_limit_of_the_upstream_is_not_the_clients_mistake() {
    let missed = super::missed(failed(pool::Failure::Unsupported("no RFC 8441".into())), 0);
    let reply = missed.failure.reply();
    assert_eq!(
        (reply.status.as_u16(), reply.flags.to_string(), &*reply.details),
        (
            503,
            "UR".into(),
            "upstream_reset_before_response_started{remote_reset}"
        )
    );
    assert!(!reply.close && missed.lost.is_none());
    let missed = super::missed(failed(pool::Failure::Unsendable("no authority".into())), 0);
    assert_eq!(missed.failure, Failure::BadTarget);
    assert!(missed.lost.is_none());
}

/// A connection that was closed while it rested is no connection; one that is closed as soon as it is made is a failure.
#[test]
fn what_nobody_has_seen_depends_on_the_connection() {
    for (reused, lost) in [(true, Lost::Connect), (false, Lost::Reset { unsent: true })] {
        let missed = super::missed(
            SendError {
                reused,
                request: None,
                ..failed(pool::Failure::Unseen("closed".into()))
            },
            0,
        );
        assert_eq!(missed.lost, Some(lost));
        assert!(missed.is_termination());
        assert_eq!(missed.failure.reply().flags.to_string(), "UC");
    }
}
