#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Accepted, AnswerError, GRACE, KeySource, Keys, LAST_RETRY_WITH, LAST_RETRY_WITHOUT};
use crate::fixtures::{P256, RSA, set};
use crate::key_set::KeySetError;

const TIMEOUT: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn at(url: &str) -> Keys {
    let url = url.into();
    Keys::new(KeySource::Url {
        url,
        timeout: TIMEOUT,
    })
    .0
}

fn one() -> String {
    set(&[P256.jwk(&json!({"kid": "1"}))])
}

fn two() -> String {
    set(&[P256.jwk(&json!({"kid": "1"})), RSA.jwk(&json!({"kid": "2"}))])
}

fn version(keys: &Keys) -> Option<u64> {
    keys.current().as_ref().map(|set| set.version())
}

#[test]
fn inline_keys_are_there_at_once_and_never_due() {
    let now = Instant::now();
    let (keys, result) = Keys::new(KeySource::Inline(one().into()));
    assert_eq!(result, Ok(()));
    assert!(version(&keys).is_some() && !keys.is_remote());
    assert_eq!((keys.due(now), keys.next_due(now)), (None, None));
    assert!(!keys.unknown_kid(now));
    let (keys, result) = Keys::new(KeySource::Inline("{}".into()));
    assert_eq!(result, Err(KeySetError::NoKeys));
    assert_eq!(version(&keys), None);
}

#[test]
fn keys_are_fetched_once_and_again_ahead_of_their_end() {
    let (now, keys) = (Instant::now(), at("https://a/jwks"));
    assert_eq!(keys.next_due(now), Some(now));
    let fetch = keys.due(now).unwrap();
    assert_eq!(
        (&*fetch.url, fetch.timeout, fetch.max_bytes),
        ("https://a/jwks", TIMEOUT, 1 << 20)
    );
    // One at a time.
    assert_eq!(keys.due(now), None);
    assert_eq!(keys.due(now + TIMEOUT + GRACE - SECOND), None);
    assert_eq!(keys.next_due(now), Some(now + TIMEOUT + GRACE));
    assert_eq!(keys.accept(one().as_bytes(), None, now), Ok(Accepted::NewKeys));
    let due = keys.next_due(now).unwrap() - now;
    assert!((15 * MINUTE..=18 * MINUTE).contains(&due), "{due:?}");
    assert_eq!(keys.due(now + 14 * MINUTE), None);
    assert!(keys.due(now + 18 * MINUTE).is_some());
}

#[test]
fn a_fetch_that_is_never_reported_on_is_made_again() {
    let (now, keys) = (Instant::now(), at("https://a/jwks"));
    assert!(keys.due(now).is_some());
    assert!(keys.due(now + TIMEOUT + GRACE).is_some());
}

#[test]
fn servers_say_how_long_keys_are_good_within_bounds() {
    for (said, least, most) in [
        (0, 45, 54),
        (60, 45, 54),
        (600, 450, 540),
        (1_000_000, 2_700, 3_240),
    ] {
        let (now, keys) = (Instant::now(), at("https://a/jwks"));
        keys.accept(one().as_bytes(), Some(said * SECOND), now).unwrap();
        let due = (keys.next_due(now).unwrap() - now).as_secs_f64();
        assert!(
            (f64::from(least)..=f64::from(most)).contains(&due),
            "{said}: {due}"
        );
    }
}

#[test]
fn the_same_keys_keep_what_was_verified_by_them() {
    let (now, keys) = (Instant::now(), at("https://a/jwks"));
    keys.accept(one().as_bytes(), None, now).unwrap();
    let before = version(&keys);
    assert_eq!(keys.accept(one().as_bytes(), None, now), Ok(Accepted::SameKeys));
    assert_eq!(version(&keys), before);
    assert_eq!(keys.accept(two().as_bytes(), None, now), Ok(Accepted::NewKeys));
    assert_ne!(version(&keys), before);
}

#[test]
fn keys_stay_while_their_server_is_away() {
    let (mut now, keys) = (Instant::now(), at("https://a/jwks"));
    keys.accept(one().as_bytes(), None, now).unwrap();
    let before = version(&keys);
    let mut delays = Vec::new();
    for attempt in 1..=20 {
        now = keys.next_due(now).unwrap();
        assert!(keys.due(now).is_some(), "{attempt}");
        if attempt % 2 == 0 {
            keys.failed(now);
        } else {
            let error = keys.accept(b"<html>", None, now).unwrap_err();
            assert_eq!(error, AnswerError::KeySet(KeySetError::NotJson));
        }
        assert_eq!((version(&keys), keys.failures()), (before, attempt));
        delays.push(keys.next_due(now).unwrap() - now);
    }
    assert!(delays[0] <= SECOND && delays[0] >= SECOND / 2, "{delays:?}");
    assert!(delays[3] <= 8 * SECOND && delays[3] >= 4 * SECOND, "{delays:?}");
    let last = &delays[10..];
    assert!(
        last.iter()
            .all(|delay| (LAST_RETRY_WITH / 2..=LAST_RETRY_WITH).contains(delay)),
        "{delays:?}"
    );
    // Jitter: not the same each time.
    assert!(last.windows(2).any(|pair| pair[0] != pair[1]), "{delays:?}");
    assert!(keys.due(keys.next_due(now).unwrap()).is_some());
    keys.accept(one().as_bytes(), None, now).unwrap();
    assert_eq!(keys.failures(), 0);
}

#[test]
fn keys_that_were_never_there_are_asked_for_more_often() {
    let (now, keys) = (Instant::now(), at("https://a/jwks"));
    for _ in 0..40 {
        keys.failed(now);
    }
    let delay = keys.next_due(now).unwrap() - now;
    assert!(delay <= LAST_RETRY_WITHOUT, "{delay:?}");
    assert_eq!(version(&keys), None);
}

#[test]
fn unknown_kids_make_one_fetch_a_minute() {
    let (now, keys) = (Instant::now(), at("https://a/jwks"));
    keys.due(now).unwrap();
    keys.accept(one().as_bytes(), None, now).unwrap();
    assert_eq!(keys.due(now), None);
    assert!(keys.unknown_kid(now));
    assert!(!keys.unknown_kid(now));
    assert!(keys.due(now).is_some());
    // Neither while it is fetched, nor soon after.
    assert!(!keys.unknown_kid(now));
    keys.accept(one().as_bytes(), None, now).unwrap();
    assert!(!keys.unknown_kid(now + MINUTE - SECOND));
    assert_eq!(keys.due(now + MINUTE - SECOND), None);
    assert!(keys.unknown_kid(now + MINUTE));
    assert!(keys.due(now + MINUTE).is_some());
    // A server that is away is not asked more often for it.
    keys.failed(now + MINUTE);
    assert!(!keys.unknown_kid(now + 5 * MINUTE));
}

#[test]
fn discovery_says_where_the_keys_are() {
    let url = "https://a/.well-known/openid-configuration";
    let now = Instant::now();
    let keys = Keys::new(KeySource::Discovery {
        url: url.into(),
        timeout: TIMEOUT,
    })
    .0;
    assert_eq!(&*keys.due(now).unwrap().url, url);
    for document in [
        "",
        "{}",
        r#"{"jwks_uri":1}"#,
        r#"{"jwks_uri":"file:///etc/x"}"#,
        r#"{"jwks_uri":"/x"}"#,
    ] {
        let answer = keys.accept(document.as_bytes(), None, now);
        assert_eq!(answer, Err(AnswerError::Discovery), "{document}");
    }
    let now = keys.next_due(now).unwrap();
    assert!(keys.due(now).is_some());
    let answer = keys.accept(br#"{"jwks_uri":"https://b/keys","issuer":"x"}"#, None, now);
    assert_eq!(answer, Ok(Accepted::Discovered));
    // At once, and from then on.
    for _ in 0..2 {
        let now = keys.next_due(now).unwrap();
        assert_eq!(&*keys.due(now).unwrap().url, "https://b/keys");
        keys.accept(one().as_bytes(), None, now).unwrap();
    }
    // They may have moved.
    for _ in 0..3 {
        keys.failed(now);
    }
    let now = keys.next_due(now).unwrap();
    assert_eq!(&*keys.due(now).unwrap().url, url);
    assert!(version(&keys).is_some());
}
