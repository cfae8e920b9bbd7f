#![allow(clippy::unwrap_used)]

use http::header::AUTHORIZATION;
use http::{HeaderName, Method};

use super::{HeaderPlace, Place, without_params};
use crate::Request;
use crate::fixtures::{headers, lines};

fn header(name: &str, prefix: &str) -> Place {
    Place::Header(HeaderPlace {
        name: HeaderName::try_from(name).unwrap(),
        prefix: prefix.into(),
    })
}

fn found(place: &Place, query: Option<&str>, given: &[(&str, &str)]) -> Vec<String> {
    let headers = headers(given);
    let request = Request {
        method: &Method::GET,
        scheme: "http",
        authority: "a",
        path: "/",
        query,
        headers: &headers,
    };
    let mut tokens = Vec::new();
    place.collect(&request, &mut tokens);
    tokens
        .iter()
        .map(|token| String::from_utf8_lossy(token).into_owned())
        .collect()
}

#[test]
fn tokens_follow_the_prefix_of_their_header() {
    let bearer = header("authorization", "Bearer ");
    for (line, token) in [
        ("Bearer a.b.c", Some("a.b.c")),
        ("bearer a.b.c", Some("a.b.c")),
        ("BEARER  a.b.c", Some("a.b.c")),
        ("Basic x, Bearer a.b.c", Some("a.b.c")),
        ("Bearer \"a.b.c\"", Some("a.b.c\"")),
        ("Bearer a.b.c d", Some("a.b.c d")),
        ("Bearer !", Some("Bearer !")),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic YTpi", None),
        ("", None),
    ] {
        let expected: Vec<&str> = token.into_iter().collect();
        assert_eq!(
            found(&bearer, None, &[("authorization", line)]),
            expected,
            "{line:?}"
        );
    }
    let plain = header("x-jwt", "");
    assert_eq!(found(&plain, None, &[("x-jwt", "a b")]), ["a b"]);
    assert_eq!(found(&plain, None, &[("x-jwt", "")]), [""]);
    assert!(found(&plain, None, &[("x-other", "a")]).is_empty());
    // Elsewhere prefixes are what they are.
    let own = header("x-jwt", "JWT:");
    assert_eq!(found(&own, None, &[("x-jwt", "JWT:a")]), ["a"]);
    assert!(found(&own, None, &[("x-jwt", "jwt:a")]).is_empty());
}

#[test]
fn each_line_parameter_and_cookie_counts() {
    let bearer = header("authorization", "Bearer ");
    let two = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    assert_eq!(found(&bearer, None, &two), ["a", "b"]);
    let param = Place::Param("t".into());
    let query = "t=a&x=t&T=c&t=b%2Ed&%74=e&t&t=&u=t=1";
    assert_eq!(found(&param, Some(query), &[]), ["a", "b.d", "e", "", ""]);
    assert!(found(&param, None, &[]).is_empty());
    let cookie = Place::Cookie("t".into());
    let given = [
        ("cookie", "a=b; t=1;t=\"2\"; tt=3; T=4"),
        ("cookie", "t = 5; t; t="),
    ];
    assert_eq!(found(&cookie, None, &given), ["1", "2", "5", ""]);
}

#[test]
fn tokens_are_taken_out() {
    let given = [
        ("authorization", "Basic x"),
        ("authorization", "Bearer a"),
        ("cookie", "a=b; t=1; c=d"),
        ("cookie", "t=2"),
        ("x-jwt", "Basic x"),
    ];
    let mut left = headers(&given);
    header("authorization", "Bearer ").remove(&mut left);
    header("x-jwt", "Bearer ").remove(&mut left);
    Place::Cookie("t".into()).remove(&mut left);
    assert!(left.get(AUTHORIZATION).is_none());
    assert_eq!(lines(&left), ["cookie: a=b; c=d", "x-jwt: Basic x"]);
    let before = headers(&[("cookie", "a=b;c=d"), ("cookie", "tt=2")]);
    let mut after = before.clone();
    Place::Cookie("t".into()).remove(&mut after);
    assert_eq!(after, before);
}

#[test]
fn queries_lose_parameters_by_name() {
    let without = |query: &str| without_params(query, &["t", "u"].into_iter());
    assert_eq!(without("a=1&b=2"), None);
    assert_eq!(without(""), None);
    assert_eq!(without("t=1").as_deref(), Some(""));
    assert_eq!(without("a=%20&t=1&b&u=2&%74=3&t").as_deref(), Some("a=%20&b"));
}
