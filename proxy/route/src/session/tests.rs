#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use proptest::prelude::*;

use super::{Carrier, EndpointMark, Session, SessionPersistence};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn mark(name: &str) -> EndpointMark {
    EndpointMark::of(name)
}

fn by_cookie(permanent: bool) -> SessionPersistence {
    SessionPersistence {
        carrier: Carrier::Cookie {
            name: "cart".to_owned(),
            permanent,
        },
        absolute: None,
        idle: None,
    }
}

fn by_header() -> SessionPersistence {
    SessionPersistence {
        carrier: Carrier::Header(HeaderName::from_static("x-cart")),
        absolute: None,
        idle: None,
    }
}

fn limited(absolute: Option<u64>, idle: Option<u64>) -> SessionPersistence {
    SessionPersistence {
        absolute: absolute.map(Duration::from_secs),
        idle: idle.map(Duration::from_secs),
        ..by_header()
    }
}

/// The header fields of the next request of a client that keeps what it was told.
fn kept(told: &(HeaderName, HeaderValue)) -> HeaderMap {
    let (name, value) = told;
    let mut headers = HeaderMap::new();
    if *name == SET_COOKIE {
        let value = value.to_str().unwrap().split(';').next().unwrap();
        headers.append(COOKIE, "a=b; cartoon=1".parse().unwrap());
        headers.append(COOKIE, format!("c=d;  {value} ;e=f").parse().unwrap());
    } else {
        headers.insert(name, value.clone());
    }
    headers
}

fn header(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static("x-cart"), value.parse().unwrap())])
}

#[test]
fn a_session_stays_with_its_endpoint() {
    for persistence in [by_cookie(false), by_header()] {
        assert_eq!(persistence.read(&HeaderMap::new(), at(0)), None);
        let told = persistence.issue(mark("one"), None, at(0)).unwrap();
        let session = persistence.read(&kept(&told), at(9_999)).unwrap();
        assert_eq!(session.endpoint, mark("one"));
        assert_ne!(session.endpoint, mark("two"));
        assert_eq!(persistence.issue(mark("one"), Some(&session), at(9_999)), None);
        // The endpoint is gone: another one took the request, and has the session from now on.
        let told = persistence
            .issue(mark("two"), Some(&session), at(10_000))
            .unwrap();
        let session = persistence.read(&kept(&told), at(10_001)).unwrap();
        assert_eq!(session.endpoint, mark("two"));
    }
}

#[test]
fn tokens_are_the_same_in_every_waypoint() {
    let (name, value) = by_header()
        .issue(mark("Kubernetes//Pod/a/b"), None, at(0))
        .unwrap();
    assert_eq!(name, "x-cart");
    assert_eq!(value, "13a434f58df7e482e0dd96492.6553f100.6553f100");
}

#[test]
fn sessions_end() {
    let read = |persistence: &SessionPersistence, begun: u64, seen: u64, now: u64| {
        let session = Session {
            endpoint: mark("one"),
            begun: 1_700_000_000 + begun,
            seen: 1_700_000_000 + seen,
        };
        persistence.read(&header(&session.to_string()), at(now)).is_some()
    };
    let absolute = limited(Some(100), None);
    assert!(read(&absolute, 0, 0, 99));
    assert!(!read(&absolute, 0, 99, 100));
    let idle = limited(None, Some(10));
    assert!(read(&idle, 0, 90, 99));
    assert!(!read(&idle, 0, 90, 100));
    let both = limited(Some(100), Some(10));
    assert!(read(&both, 50, 95, 100));
    assert!(!read(&both, 0, 95, 100));
    assert!(!read(&both, 50, 80, 100));
    // Another waypoint's clock may go before; a time far ahead is made up.
    assert!(read(&absolute, 60, 60, 0));
    assert!(!read(&absolute, 61, 0, 0));
    assert!(!read(&idle, 0, 61, 0));
    // Less than a second is one.
    let short = SessionPersistence {
        idle: Some(Duration::from_millis(5)),
        ..by_header()
    };
    assert!(read(&short, 0, 7, 7));
    assert!(!read(&short, 0, 7, 8));
}

#[test]
fn idle_sessions_are_renewed_and_no_others() {
    let persistence = limited(Some(100), Some(10));
    let first = persistence.issue(mark("one"), None, at(0)).unwrap();
    let session = persistence.read(&kept(&first), at(9)).unwrap();
    let renewed = persistence.issue(mark("one"), Some(&session), at(9)).unwrap();
    let session = persistence.read(&kept(&renewed), at(18)).unwrap();
    assert_eq!(
        (session.begun, session.seen),
        (1_700_000_000, 1_700_000_009),
        "it goes on, and began when it began"
    );
    assert_eq!(persistence.issue(mark("one"), Some(&session), at(9)), None);
    // A new one begins with a new endpoint.
    let moved = persistence.issue(mark("two"), Some(&session), at(18)).unwrap();
    assert_eq!(
        persistence.read(&kept(&moved), at(18)).unwrap().begun,
        1_700_000_018
    );
}

#[test]
fn cookies_live_as_long_as_is_said() {
    let rest = |persistence: &SessionPersistence, session: Option<&Session>, now: u64| {
        let (name, value) = persistence.issue(mark("one"), session, at(now)).unwrap();
        assert_eq!(name, SET_COOKIE);
        let (pair, rest) = value.to_str().unwrap().split_once("; ").unwrap();
        assert!(pair.starts_with("cart=1"), "{pair}");
        rest.to_owned()
    };
    let mut persistence = SessionPersistence {
        absolute: Some(Duration::from_secs(100)),
        idle: Some(Duration::from_secs(50)),
        ..by_cookie(false)
    };
    assert_eq!(rest(&persistence, None, 0), "Path=/; HttpOnly");
    persistence.carrier = by_cookie(true).carrier;
    assert_eq!(rest(&persistence, None, 0), "Max-Age=100; Path=/; HttpOnly");
    let told = persistence.issue(mark("one"), None, at(0)).unwrap();
    let session = persistence.read(&kept(&told), at(40)).unwrap();
    assert_eq!(
        rest(&persistence, Some(&session), 40),
        "Max-Age=60; Path=/; HttpOnly"
    );
}

#[test]
fn what_is_no_token_is_no_session() {
    let mark = "0123456789abcdef01234567";
    for token in [
        "",
        "1",
        "2",
        &format!("1{mark}"),
        &format!("1{mark}.1"),
        &format!("1{mark}.1.1.1"),
        &format!("2{mark}.1.1"),
        &format!("1{mark}..1"),
        &format!("1{mark}.+1.1"),
        &format!("1{mark}.1.100000000"),
        &format!("1{}.1.1", &mark[1..]),
        &format!("1{}.1.1", "é".repeat(12)),
        &format!("1g{}.1.1", &mark[1..]),
    ] {
        assert_eq!(Session::parse(token), None, "{token}");
    }
    assert!(Session::parse(&format!("1{mark}.1.1")).is_some());
    let cookies = |text: &str| {
        let headers = HeaderMap::from_iter([(COOKIE, text.parse().unwrap())]);
        by_cookie(false).read(&headers, at(0)).is_some()
    };
    assert!(cookies(&format!("cart=\"1{mark}.1.1\"")));
    assert!(cookies(&format!("cart=1{mark}.1.1; cart=x")), "the first");
    assert!(!cookies(&format!("cart=x; cart=1{mark}.1.1")));
    assert!(!cookies(&format!("mycart=1{mark}.1.1")));
    assert!(!cookies(&format!("cart2=1{mark}.1.1")));
}

proptest! {
    #[test]
    fn every_token_is_read_as_it_was_written(uid in ".*", begun: u32, seen: u32) {
        let session = Session {
            endpoint: EndpointMark::of(&uid),
            begun: u64::from(begun),
            seen: u64::from(seen),
        };
        let text = session.to_string();
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.'));
        prop_assert_eq!(Session::parse(&text), Some(session));
    }

    #[test]
    fn no_text_is_too_strange(token in ".*") {
        if let Some(session) = Session::parse(&token) {
            prop_assert!(session.to_string().len() <= token.len() || token.contains(char::is_uppercase));
        }
    }
}
