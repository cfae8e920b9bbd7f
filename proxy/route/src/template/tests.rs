#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Facts, Quotable, Template, TemplateError};

fn facts() -> Facts<'static> {
    Facts {
        method: "PUT",
        path: "/a?b=c",
        authority: "reviews:9080",
        scheme: "http",
        protocol: "HTTP/2",
        downstream_remote: "10.0.0.1:5000".parse().unwrap(),
        downstream_local: "[fd00::1]:9080".parse().unwrap(),
        downstream_peer: Some("spiffe://cluster.local/ns/default/sa/sleep"),
        start: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        route_name: "main",
        upstream_host: Some("10.0.0.3:80".parse().unwrap()),
        response_code: Some(StatusCode::NOT_FOUND),
    }
}

fn rendered(source: &str) -> String {
    let mut request = HeaderMap::new();
    request.insert("x-user", HeaderValue::from_static("jason"));
    let mut response = HeaderMap::new();
    response.insert("x-pod", HeaderValue::from_static("v2-abc"));
    let quotable = Quotable {
        request: &request,
        response: Some(&response),
    };
    String::from_utf8(Template::parse(source).unwrap().render(quotable, &facts())).unwrap()
}

#[test]
fn text_stays_and_doubled_percent_signs_are_one() {
    assert_eq!(Template::parse("100%% sure").unwrap().fixed(), Some("100% sure"));
    assert_eq!(Template::parse("").unwrap().fixed(), Some(""));
    assert_eq!(Template::parse("%PROTOCOL%").unwrap().fixed(), None);
    assert_eq!(rendered("a%%PROTOCOL%%b"), "a%PROTOCOL%b");
    assert_eq!(rendered("%%%PROTOCOL%%%"), "%HTTP/2%");
}

#[test]
fn variables_stand_for_the_facts() {
    for (source, value) in [
        ("%PROTOCOL%", "HTTP/2"),
        ("%DOWNSTREAM_REMOTE_ADDRESS%", "10.0.0.1:5000"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "10.0.0.1"),
        ("%DOWNSTREAM_LOCAL_ADDRESS%", "[fd00::1]:9080"),
        ("%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "fd00::1"),
        ("%DOWNSTREAM_LOCAL_PORT%", "9080"),
        (
            "%DOWNSTREAM_PEER_URI_SAN%",
            "spiffe://cluster.local/ns/default/sa/sleep",
        ),
        ("%START_TIME%", "2023-11-14T22:13:20.123Z"),
        ("t=%START_TIME(%s.%3f)%;", "t=1700000000.123;"),
        (
            "%START_TIME(%Y/%m/%d %H:%M:%S.%f)%",
            "2023/11/14 22:13:20.123000000",
        ),
        ("%DOWNSTREAM_REMOTE_PORT%", "5000"),
        ("%ROUTE_NAME%", "main"),
        ("%UPSTREAM_HOST%", "10.0.0.3:80"),
        ("%UPSTREAM_REMOTE_ADDRESS%", "10.0.0.3:80"),
        ("%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "10.0.0.3"),
        ("%UPSTREAM_REMOTE_PORT%", "80"),
        ("%RESPONSE_CODE%", "404"),
        ("%REQ(X-User)%", "jason"),
        ("%REQ(X-User):3%", "jas"),
        ("%REQ(X-User):30%", "jason"),
        ("%REQ(x-none?x-user)%", "jason"),
        ("%REQ(x-none)%", ""),
        (
            "%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(:SCHEME)%",
            "PUT /a?b=c reviews:9080 http",
        ),
        ("%RESP(X-POD)%", "v2-abc"),
        ("%RESP(:STATUS)%", "404"),
        ("<%REQ(x-user)%|%PROTOCOL%>", "<jason|HTTP/2>"),
    ] {
        assert_eq!(rendered(source), value, "{source}");
    }
}

#[test]
fn mistakes_have_names() {
    let error = |source| Template::parse(source).unwrap_err();
    assert_eq!(error("100%"), TemplateError::Unterminated);
    assert_eq!(error("%PROTOCOL"), TemplateError::Unterminated);
    assert_eq!(error("%WHO%"), TemplateError::UnknownVariable("WHO".to_owned()));
    assert_eq!(
        error("%REQ(a?b?c)%"),
        TemplateError::UnknownVariable("REQ(a?b?c)".to_owned())
    );
    assert_eq!(
        error("%REQ(a):x%"),
        TemplateError::UnknownVariable("REQ(a):x".to_owned())
    );
    assert_eq!(
        error("%REQ(a%"),
        TemplateError::UnknownVariable("REQ(a".to_owned())
    );
    assert_eq!(
        error("%START_TIME(%!)%"),
        TemplateError::UnknownVariable("START_TIME(%!)".to_owned())
    );
    assert_eq!(error("%REQ(a b)%"), TemplateError::HeaderName("a b".to_owned()));
}

#[test]
fn quoting_a_header_of_the_request_is_known() {
    assert!(Template::parse("a %REQ(x-user)%").unwrap().quotes_request());
    assert!(
        !Template::parse("%REQ(:path)% %RESP(a)%")
            .unwrap()
            .quotes_request()
    );
}
