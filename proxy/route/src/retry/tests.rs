#![allow(clippy::unwrap_used)]

use super::*;

fn on(names: &[&str], statuses: &[u16]) -> Retry {
    let conditions = names.iter().map(|name| RetryOn::named(name).unwrap());
    Retry {
        on: conditions.fold(RetryOn::default(), RetryOn::and),
        statuses: statuses
            .iter()
            .map(|status| StatusCode::from_u16(*status).unwrap())
            .collect(),
        ..Retry::default()
    }
}

const UNSENT: Lost = Lost::Reset { unsent: true };
const SENT: Lost = Lost::Reset { unsent: false };

#[test]
fn what_is_lost_is_tried_again_for_what_the_conditions_name() {
    for (name, again) in [
        ("connect-failure", vec![Lost::Connect]),
        ("refused-stream", vec![Lost::Refused]),
        ("reset-before-request", vec![Lost::Connect, UNSENT]),
        ("reset", vec![Lost::Connect, Lost::Refused, UNSENT, SENT]),
        ("5xx", vec![Lost::Connect, Lost::Refused, UNSENT, SENT]),
        ("gateway-error", vec![Lost::Connect, Lost::Refused, UNSENT, SENT]),
        ("retriable-4xx", vec![]),
        ("unavailable", vec![]),
    ] {
        let retry = on(&[name], &[]);
        for lost in [Lost::Connect, Lost::Refused, UNSENT, SENT] {
            assert_eq!(retry.after(lost), again.contains(&lost), "{name} after {lost:?}");
        }
    }
}

#[test]
fn answers_are_asked_for_again_for_what_the_conditions_name() {
    let none = HeaderMap::new();
    for (names, statuses, again, not) in [
        (vec!["5xx"], vec![], vec![500, 503, 599], vec![409, 429, 200]),
        (vec!["gateway-error"], vec![], vec![502, 503, 504], vec![500, 501]),
        (vec!["retriable-4xx"], vec![], vec![409], vec![404, 500]),
        (vec!["retriable-status-codes"], vec![418], vec![418], vec![503]),
        (vec!["connect-failure"], vec![503], vec![], vec![503]),
    ] {
        let retry = on(&names, &statuses);
        for (statuses, wanted) in [(again, true), (not, false)] {
            for status in statuses {
                let status = StatusCode::from_u16(status).unwrap();
                assert_eq!(retry.instead_of(status, &none), wanted, "{names:?}: {status}");
            }
        }
    }
    let limited = HeaderMap::from_iter([(RATE_LIMITED, "true".parse().unwrap())]);
    assert!(on(&["envoy-ratelimited"], &[]).instead_of(StatusCode::TOO_MANY_REQUESTS, &limited));
    let status = |code: &str| HeaderMap::from_iter([(GRPC_STATUS, code.parse().unwrap())]);
    for (name, code) in [
        ("cancelled", "1"),
        ("deadline-exceeded", "4"),
        ("resource-exhausted", "8"),
        ("internal", "13"),
        ("unavailable", "14"),
    ] {
        let retry = on(&[name], &[]);
        assert!(retry.instead_of(StatusCode::OK, &status(code)), "{name}");
        assert!(!retry.instead_of(StatusCode::OK, &status("2")), "{name}");
    }
}

#[test]
fn bodies_are_kept_where_they_may_be_needed_again() {
    let mesh = Retry::default();
    assert!(!mesh.keeps_body(false) && mesh.keeps_body(true));
    assert!(on(&["5xx"], &[]).keeps_body(false));
    assert!(on(&["retriable-status-codes"], &[503]).keeps_body(false));
    assert!(!on(&["retriable-status-codes", "reset-before-request"], &[]).keeps_body(false));
    assert!(!Retry::none().keeps_body(true));
}

#[test]
fn pauses_double_up_to_ten_times_the_first() {
    let retry = Retry::default();
    let longest: Vec<_> = (0..6)
        .map(|retries| retry.pause(retries, 1.0).as_millis())
        .collect();
    assert_eq!(longest, [25, 50, 100, 200, 250, 250]);
    assert_eq!(retry.pause(3, 0.0), Duration::ZERO);
}

#[test]
fn localities_are_left_after_every_other_failure() {
    let retry = Retry {
        remote_localities: true,
        ..Retry::default()
    };
    let leaves: Vec<u32> = (0..7).filter(|failed| retry.leaves_localities(*failed)).collect();
    assert_eq!(leaves, [2, 4, 6]);
    assert!(!Retry::default().leaves_localities(2));
}
