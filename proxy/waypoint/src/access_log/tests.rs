#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

fn record() -> Record {
    Record {
        start: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        method: Some(http::Method::GET),
        path: Some(PathAndQuery::from_static("/hello?a=b")),
        authority: Some(Authority::from_static("helloworld:5000")),
        protocol: Some(http::Version::HTTP_11),
        code: 200,
        flags: Flags::DELAY_INJECTED,
        details: "via_upstream".into(),
        received: 3,
        sent: 60,
        duration: Duration::from_millis(5001),
        upstream_service_time: Some(1),
        upstream_host: Some("127.0.20.1:5000".parse().unwrap()),
        upstream_cluster: "inbound-vip|5000|http|helloworld.default.svc.cluster.local".into(),
        route_name: "default".into(),
        server_name: None,
        ..Record::new(
            "127.0.10.1:5000".parse().unwrap(),
            "127.0.20.3:40000".parse().unwrap(),
        )
    }
}

fn line(format: &Format, record: &Record) -> String {
    let mut line = Vec::new();
    format.write(record, &mut line);
    String::from_utf8(line).unwrap()
}

fn with_headers(format: &Format, headers: &[(&'static str, &str)]) -> Record {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    }
    Record {
        captured: format.capture_request(&map),
        response_captured: format.capture_response(&map),
        ..record()
    }
}

#[test]
fn istio_default_line() {
    let format = Format::istio();
    let record = with_headers(&format, &[("user-agent", "curl/8"), ("x-request-id", "id-1")]);
    assert_eq!(
        line(&format, &record),
        "[2026-01-02T03:04:05.678Z] \"GET /hello?a=b HTTP/1.1\" 200 DI via_upstream - \"-\" 3 60 5001 1 \"-\" \
         \"curl/8\" \"id-1\" \"helloworld:5000\" \"127.0.20.1:5000\" \
         inbound-vip|5000|http|helloworld.default.svc.cluster.local - 127.0.10.1:5000 127.0.20.3:40000 - default\n"
    );
}

#[test]
fn json_line_parses_and_holds_every_member() {
    let format = Format::istio_json();
    let record = with_headers(&format, &[("user-agent", "a \"quoted\" agent")]);
    let value: serde_json::Value = serde_json::from_str(&line(&format, &record)).unwrap();
    assert_eq!(value["response_code"], 200);
    assert_eq!(value["user_agent"], "a \"quoted\" agent");
    assert_eq!(value["x_forwarded_for"], serde_json::Value::Null);
    assert_eq!(value.as_object().unwrap().len(), ISTIO_JSON.len());
}

#[test]
fn a_client_cannot_forge_a_line() {
    let (format, unknown) = Format::text("%REQ(X-A)%|%ROUTE_NAME%\n");
    assert!(unknown.is_empty());
    let mut map = HeaderMap::new();
    map.insert("x-a", HeaderValue::from_bytes(b"a\"\tb").unwrap());
    let record = Record {
        captured: format.capture_request(&map),
        ..record()
    };
    assert_eq!(line(&format, &record), "a\\x22\\x09b|default\n");
}

#[test]
fn unknown_operators_are_named_and_lengths_cut() {
    let (format, unknown) = Format::text("%NO_SUCH%-%REQ(:AUTHORITY):4%-100%%\n");
    assert_eq!(unknown, ["%NO_SUCH%"]);
    assert_eq!(
        line(&format, &record()),
        "---hell-100%\n".replacen("---", "--", 1)
    );
}

#[test]
fn the_near_end_of_a_tunnel_is_what_envoy_calls_it() {
    let (format, _) = Format::text("%UPSTREAM_LOCAL_ADDRESS%");
    for (local, text) in [
        (None, "-"),
        (Some(UpstreamLocal::Tunnel), "envoy://internal_client_address/"),
        (
            Some(UpstreamLocal::Address("127.0.0.1:4000".parse().unwrap())),
            "127.0.0.1:4000",
        ),
    ] {
        let record = Record {
            upstream_local: local,
            ..record()
        };
        assert_eq!(line(&format, &record), text);
    }
}
