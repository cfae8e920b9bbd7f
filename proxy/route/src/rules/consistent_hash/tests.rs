#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// `json!` values are written in place.
#![allow(clippy::needless_pass_by_value)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::rules::testing::compiled;

const RING_OF_1024: HashLayout = HashLayout::Ring { minimum_size: 1024 };
const MAGLEV_OF_65537: HashLayout = HashLayout::Maglev { size: 65_537 };

fn hash(form: Value) -> (Option<ConsistentHash>, Vec<String>) {
    compiled(form, ConsistentHash::new)
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = pairs
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}

fn key(form: Value) -> HashKey {
    let (hash, problems) = hash(form);
    assert_eq!(problems, Vec::<String>::new());
    hash.unwrap().key
}

fn of(key: &HashKey, headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    let value = key.of(headers, query, "10.0.0.7".parse().unwrap())?;
    Some(String::from_utf8(value.into_owned()).unwrap())
}

#[test]
fn a_header_is_hashed_whatever_the_order_of_its_values() {
    let key = key(json!({"httpHeaderName": "X-User"}));
    assert_eq!(of(&key, &headers(&[]), None), None);
    assert_eq!(of(&key, &headers(&[("x-user", "a")]), None).as_deref(), Some("a"));
    let both = of(&key, &headers(&[("x-user", "a"), ("x-user", "b")]), None);
    assert_eq!(
        both,
        of(&key, &headers(&[("x-user", "b"), ("x-user", "a")]), None)
    );
    assert_ne!(both, of(&key, &headers(&[("x-user", "ab")]), None));
}

#[test]
fn a_cookie_is_found_among_others() {
    let key = key(json!({"httpCookie": {"name": "user"}}));
    for (lines, value) in [
        (&[("cookie", "user=a")][..], Some("a")),
        (&[("cookie", "superuser=x; user=\"a b\";user=c")], Some("a b")),
        (
            &[("cookie", "other=1"), ("cookie", " user = 2; user=3")],
            Some("3"),
        ),
        (&[("cookie", "user")], None),
        (&[("cookie", "user=")], Some("")),
        (&[], None),
    ] {
        assert_eq!(of(&key, &headers(lines), None).as_deref(), value, "{lines:?}");
    }
}

#[test]
fn addresses_and_queries_are_hashed() {
    let source = key(json!({"useSourceIp": true}));
    assert_eq!(of(&source, &headers(&[]), None).as_deref(), Some("10.0.0.7"));
    let mapped = source
        .of(&HeaderMap::new(), None, "::ffff:10.0.0.7".parse().unwrap())
        .unwrap()
        .into_owned();
    assert_eq!(mapped, b"10.0.0.7");
    let query = key(json!({"httpQueryParameterName": "id"}));
    for (given, value) in [
        (Some("id=7"), Some("7")),
        (Some("a=1&id=7&id=8"), Some("7")),
        (Some("id"), Some("")),
        (Some("grid=7"), None),
        (None, None),
    ] {
        assert_eq!(of(&query, &headers(&[]), given).as_deref(), value, "{given:?}");
    }
}

#[test]
fn a_cookie_is_made_only_with_a_life_time() {
    let cookie = |form: Value| match key(json!({"httpCookie": form})) {
        HashKey::Cookie(cookie) => cookie,
        other => panic!("{other:?}"),
    };
    let made = |form: Value| {
        cookie(form)
            .issue("abc")
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(made(json!({"name": "user"})), None);
    assert_eq!(
        made(json!({"name": "user", "ttl": "0s"})).as_deref(),
        Some("user=\"abc\"; HttpOnly")
    );
    assert_eq!(
        made(json!({
            "name": "user", "path": "/p", "ttl": "90s",
            "attributes": [{"name": "Secure"}, {"name": "SameSite", "value": "Strict"}],
        }))
        .as_deref(),
        Some("user=\"abc\"; Max-Age=90; Path=/p; Secure; SameSite=Strict; HttpOnly")
    );
    let cookie = cookie(json!({"name": "user", "ttl": "0s"}));
    assert_eq!(cookie.issue("a;b"), None);
    assert_eq!(cookie.issue("a\"b"), None);
}

#[test]
fn layouts_have_their_sizes() {
    let layout = |mut form: Value| {
        form["useSourceIp"] = json!(true);
        let (hash, problems) = hash(form);
        (hash.unwrap().layout, problems)
    };
    let sound = |form: Value| {
        let (layout, problems) = layout(form);
        assert_eq!(problems, Vec::<String>::new());
        layout
    };
    assert_eq!(sound(json!({})), RING_OF_1024);
    assert_eq!(
        sound(json!({"minimumRingSize": 7})),
        HashLayout::Ring { minimum_size: 7 }
    );
    assert_eq!(sound(json!({"ringHash": {}, "minimumRingSize": 7})), RING_OF_1024);
    assert_eq!(
        sound(json!({"ringHash": {"minimumRingSize": 9}})),
        HashLayout::Ring { minimum_size: 9 }
    );
    assert_eq!(sound(json!({"maglev": {}})), MAGLEV_OF_65537);
    assert_eq!(
        sound(json!({"maglev": {"tableSize": 503}})),
        HashLayout::Maglev { size: 503 }
    );
    assert_eq!(
        layout(json!({"maglev": {"tableSize": 1000}})),
        (MAGLEV_OF_65537, vec!["error f.maglev.tableSize".to_owned()])
    );
    assert_eq!(
        layout(json!({"maglev": {"tableSize": 5_000_077}})),
        (MAGLEV_OF_65537, vec!["error f.maglev.tableSize".to_owned()])
    );
    assert_eq!(
        layout(json!({"ringHash": {"minimumRingSize": 8_388_609}})),
        (RING_OF_1024, vec!["error f.ringHash.minimumRingSize".to_owned()])
    );
    assert_eq!(
        layout(json!({"ringHash": {}, "maglev": {}})),
        (MAGLEV_OF_65537, vec!["error f".to_owned()])
    );
}

#[test]
fn without_an_attribute_nothing_is_hashed() {
    for (form, problem) in [
        (json!({}), "error f"),
        (json!({"useSourceIp": false}), "error f"),
        (json!({"httpHeaderName": "no name"}), "error f.httpHeaderName"),
        (json!({"httpHeaderName": ""}), "error f.httpHeaderName"),
        (
            json!({"httpQueryParameterName": ""}),
            "error f.httpQueryParameterName",
        ),
        (json!({"httpCookie": {"name": "a=b"}}), "error f.httpCookie.name"),
    ] {
        assert_eq!(hash(form.clone()), (None, vec![problem.to_owned()]), "{form}");
    }
    let (first, problems) = hash(json!({"useSourceIp": true, "httpHeaderName": "x-user"}));
    assert_eq!(
        first.unwrap().key,
        HashKey::Header(HeaderName::from_static("x-user"))
    );
    assert_eq!(problems, ["error f"]);
}

#[test]
fn what_cannot_stand_in_a_cookie_is_left_out() {
    let (read, problems) = hash(json!({"httpCookie": {
        "name": "user", "path": "/;x", "attributes": [{"name": "a b"}, {"name": "ok", "value": "1"}],
    }}));
    assert_eq!(
        problems,
        ["error f.httpCookie.path", "error f.httpCookie.attributes[0]"]
    );
    let HashKey::Cookie(cookie) = read.unwrap().key else {
        panic!("it is a cookie");
    };
    assert_eq!(cookie.path, "");
    assert_eq!(cookie.attributes, [("ok".to_owned(), "1".to_owned())]);
}

proptest! {
    /// Against the definition.
    #[test]
    fn primes_are_known(number in 0u64..5000) {
        let divisors = (1..=number).filter(|divisor| number % divisor == 0).count();
        prop_assert_eq!(is_prime(number), divisors == 2);
    }

    /// What is made is found again.
    #[test]
    fn a_made_cookie_is_read(name in "[a-zA-Z0-9_-]{1,10}", value in "[a-f0-9]{0,16}", other in "[a-z]{1,8}=[a-z]{0,8}") {
        prop_assume!(!other.starts_with(&format!("{name}=")));
        let cookie = HashCookie { name, path: String::new(), ttl: Some(Duration::ZERO), attributes: Vec::new() };
        let made = cookie.issue(&value).unwrap();
        let pair = made.to_str().unwrap().split(';').next().unwrap().to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, format!("{other}; {pair}").parse().unwrap());
        prop_assert_eq!(cookie.value(&headers), Some(value.as_bytes()));
    }
}
