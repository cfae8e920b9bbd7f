#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use super::testing::facts;
use super::{Facts, Quotable, Template, TemplateError, Trace, UpstreamFacts};

fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = list
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
    pairs.collect()
}

/// The value on a response.
fn rendered(source: &str) -> String {
    rendered_of(source, &facts())
}

fn rendered_of(source: &str, facts: &Facts<'_>) -> String {
    let quotable = Quotable {
        request: &fields(&[
            ("x-user", "jason"),
            ("x-query", "/a?b"),
            ("x-request-id", "id-1"),
            ("content-type", "application/grpc+proto"),
            ("x-envoy-original-path", "/before?x=y"),
            ("x-envoy-original-host", "before"),
        ]),
        response: Some(&fields(&[("x-pod", "v2-abc"), ("grpc-status", "5")])),
    };
    String::from_utf8(Template::parse(source).unwrap().render(quotable, facts)).unwrap()
}

/// The value on a request of which nothing more is known yet.
fn rendered_early(source: &str) -> String {
    let facts = Facts {
        downstream_peer: None,
        identity: None,
        request_ended: None,
        response_began: None,
        upstream: UpstreamFacts::default(),
        response_code: None,
        response_code_details: None,
        ..facts()
    };
    let quotable = Quotable {
        request: &HeaderMap::new(),
        response: None,
    };
    String::from_utf8(Template::parse(source).unwrap().render(quotable, &facts)).unwrap()
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
fn addresses_and_their_parts() {
    let tried = ["10.0.0.2:80".parse().unwrap(), "10.0.0.3:80".parse().unwrap()];
    let facts = Facts {
        upstream: UpstreamFacts {
            local: Some("10.0.0.9:40000".parse().unwrap()),
            tried: &tried,
            ..facts().upstream
        },
        ..facts()
    };
    for (source, value) in [
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(16)%", "10.0.0.0/16"),
        ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", "10.0.0.1:5000"),
        ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "10.0.0.1"),
        ("%DOWNSTREAM_DIRECT_REMOTE_PORT%", "5000"),
        ("%DOWNSTREAM_DIRECT_LOCAL_PORT%", "9080"),
        ("%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(8)%", "fd00::/8"),
        // Of an address of 32 bits there are no 64.
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(64)%", ""),
        ("%UPSTREAM_LOCAL_ADDRESS%", "10.0.0.9:40000"),
        ("%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "10.0.0.9"),
        ("%UPSTREAM_LOCAL_PORT%", "40000"),
        ("%UPSTREAM_HOST_NAME%", "10.0.0.3:80"),
        ("%UPSTREAM_HOST_NAME_WITHOUT_PORT%", "10.0.0.3"),
        ("%UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID%", "10.0.0.3:80"),
        ("%UPSTREAM_HOSTS_ATTEMPTED%", "10.0.0.2:80,10.0.0.3:80"),
        (
            "%UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT%",
            "10.0.0.2,10.0.0.3",
        ),
        ("%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "2"),
    ] {
        assert_eq!(rendered_of(source, &facts), value, "{source}");
    }
}

#[test]
fn times_and_what_has_passed() {
    for (source, value) in [
        ("%START_TIME_LOCAL%", "2023-11-14T22:13:20.123+0000"),
        ("%START_TIME(%FT%T%z)%", "2023-11-14T22:13:20+0000"),
        ("%START_TIME(%6f)%", "123000"),
        ("%EMIT_TIME%", "2023-11-14T22:13:20.168Z"),
        ("%EMIT_TIME(%s.%6f)%", "1700000000.168678"),
        ("%EMIT_TIME_LOCAL%", "2023-11-14T22:13:20.168+0000"),
        ("%DURATION%", "45"),
        ("%REQUEST_DURATION%", "7"),
        ("%RESPONSE_DURATION%", "40"),
        ("%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)%", "40000"),
        ("%COMMON_DURATION(US_RX_BEG:DS_RX_END:ms)%", "-33"),
        ("%COMMON_DURATION(DS_RX_BEG:DS_RX_END:ns)%", "7000000"),
        ("%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ms)%", ""),
        ("%RESPONSE_TX_DURATION%", ""),
    ] {
        assert_eq!(rendered(source), value, "{source}");
    }
}

#[test]
fn what_came_of_the_request() {
    let facts = Facts {
        response_flags: "URX,UT",
        response_code_details: Some("upstream_reset {connection failure}"),
        upstream: UpstreamFacts {
            protocol: Some("HTTP/1.1"),
            failure: Some("connection refused"),
            ..facts().upstream
        },
        ..facts()
    };
    for (source, value) in [
        ("%RESPONSE_FLAGS%", "URX,UT"),
        (
            "%RESPONSE_FLAGS_LONG%",
            "UpstreamRetryLimitExceeded,UpstreamRequestTimeout",
        ),
        ("%RESPONSE_CODE_DETAILS%", "upstream_reset_{connection_failure}"),
        (
            "%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%",
            "upstream_reset {connection failure}",
        ),
        ("%UPSTREAM_TRANSPORT_FAILURE_REASON%", "connection_refused"),
        ("%UPSTREAM_PROTOCOL%", "HTTP/1.1"),
        (
            "%UPSTREAM_CLUSTER%",
            "inbound-vip|9080|http|reviews.default.svc.cluster.local",
        ),
        (
            "%UPSTREAM_CLUSTER_RAW%",
            "inbound-vip|9080|http|reviews.default.svc.cluster.local",
        ),
        ("%GRPC_STATUS%", "NotFound"),
        ("%GRPC_STATUS(SNAKE_STRING)%", "NOT_FOUND"),
        ("%GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%", "5 5"),
        ("%BYTES_RECEIVED% %BYTES_SENT%", "12 0"),
        // :status404, x-pod: v2-abc, grpc-status: 5
        ("%RESPONSE_HEADERS_BYTES%", "33"),
        ("%HOSTNAME%", "waypoint-1"),
    ] {
        assert_eq!(rendered_of(source, &facts), value, "{source}");
    }
    assert_eq!(rendered("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%"), "- -");
    let none = Facts {
        response_flags: "-",
        ..facts
    };
    assert_eq!(
        rendered_of("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", &none),
        "- -"
    );
    assert_eq!(
        rendered("%UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_HOSTS_ATTEMPTED%"),
        "1 10.0.0.3:80"
    );
}

#[test]
fn before_there_is_an_answer() {
    for (source, value) in [
        ("%RESPONSE_CODE%", "0"),
        ("%RESPONSE_FLAGS%", "-"),
        ("%RESPONSE_HEADERS_BYTES%", "0"),
        ("%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "0"),
        // :methodPUT, :path/a?b=c, :authorityreviews:9080, :schemehttp
        ("%REQUEST_HEADERS_BYTES%", "54"),
        (
            "<%UPSTREAM_HOST%%UPSTREAM_CLUSTER%%RESPONSE_CODE_DETAILS%%RESP(x-pod)%%GRPC_STATUS%>",
            "<>",
        ),
        (
            "<%REQUEST_DURATION%%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:ms)%%UPSTREAM_PROTOCOL%>",
            "<>",
        ),
        (
            "<%DOWNSTREAM_PEER_URI_SAN%%FILTER_STATE(io.istio.peer_principal)%%TRACE_ID%%STREAM_ID%>",
            "<>",
        ),
    ] {
        assert_eq!(rendered_early(source), value, "{source}");
    }
}

#[test]
fn parts_of_the_target() {
    for (source, value) in [
        ("%PATH%", "/before?x=y"),
        ("%PATH(NQ)%", "/before"),
        ("%PATH(NQ:PATH):1%", "/"),
        ("%PATH(WQ:PATH)%", "/a?b=c"),
        ("%PATH(:ORIG)%", "/before?x=y"),
        ("%REQ_WITHOUT_QUERY(:path)%", "/a"),
        ("%REQ_WITHOUT_QUERY(x-none?x-query)%", "/a"),
        ("%QUERY_PARAM(b)%", "c"),
        ("%QUERY_PARAM(none)%", ""),
        ("%QUERY_PARAMS%", "b=c"),
        ("%REQUESTED_SERVER_NAME%", ""),
        ("%REQUESTED_SERVER_NAME(SNI_ONLY)%", ""),
        ("%REQUESTED_SERVER_NAME(SNI_FIRST)%", "before"),
        ("%REQUESTED_SERVER_NAME(HOST_FIRST:HOST)%", "reviews:9080"),
        ("%REQUEST_HEADER(x-user)% %RESPONSE_HEADER(x-pod):2%", "jason v2"),
        ("%STREAM_ID%", "id-1"),
    ] {
        assert_eq!(rendered(source), value, "{source}");
    }
    assert_eq!(rendered_early("%PATH% %PATH(NQ)% %PATH(WQ:ORIG)%"), "/a?b=c /a ");
    let odd = Facts {
        path: "/?a%20b=%41%2f%zz&a%20b=2&c",
        ..facts()
    };
    assert_eq!(
        rendered_of("%QUERY_PARAM(a b)%|%QUERY_PARAM(a b):2%|%QUERY_PARAM(c)%", &odd),
        "A/%zz|A/|"
    );
    assert_eq!(rendered_of("%QUERY_PARAMS(ORIG):5%", &odd), "a%20b");
    assert_eq!(rendered_of("%QUERY_PARAMS(DECODED)%", &odd), "a b=A/%zz&a b=2&c");
}

#[test]
fn what_filters_have_noted_and_connections_keep() {
    let note = |filter: &str, key: &str, value: &str| (Arc::from(filter), key.into(), value.into());
    let noted = [
        note("a", "k", "one"),
        note("a", "list", "1"),
        note("a", "list", "2"),
        note("b", "k:x", "deep"),
    ];
    let facts = Facts {
        noted: &noted,
        trace: Some(Trace { id: "t1", span: "s1" }),
        unique: || u128::MAX,
        ..facts()
    };
    for (source, value) in [
        ("%DYNAMIC_METADATA(a:k)%", "one"),
        ("%DYNAMIC_METADATA(a:k):2%", "on"),
        ("%METADATA(DYNAMIC:a:k)%", "one"),
        ("%DYNAMIC_METADATA(a:list)%", r#"["1","2"]"#),
        ("%DYNAMIC_METADATA(a)%", r#"{"k":"one","list":["1","2"]}"#),
        ("%DYNAMIC_METADATA(b:k:x)%", "deep"),
        ("<%DYNAMIC_METADATA(c)%%DYNAMIC_METADATA(a:none)%>", "<>"),
        (
            "%FILTER_STATE(io.istio.peer_principal:PLAIN)%",
            "spiffe://cluster.local/ns/default/sa/sleep",
        ),
        (
            "%FILTER_STATE(io.istio.peer_principal)%",
            r#""spiffe://cluster.local/ns/default/sa/sleep""#,
        ),
        ("%FILTER_STATE(io.istio.local_principal:PLAIN):9%", "spiffe://"),
        (
            "%FILTER_STATE(io.istio.connect_authority:PLAIN)%",
            "[fd00::1]:9080",
        ),
        (
            "%DOWNSTREAM_LOCAL_URI_SAN%",
            "spiffe://cluster.local/ns/default/sa/waypoint",
        ),
        ("%TRACE_ID%-%SPAN_ID%", "t1-s1"),
        ("%UNIQUE_ID%", "ffffffff-ffff-4fff-bfff-ffffffffffff"),
    ] {
        assert_eq!(rendered_of(source, &facts), value, "{source}");
    }
}

#[test]
fn the_first_that_says_something() {
    let value = rendered(
        r#"%COALESCE({"operators": ["REQUESTED_SERVER_NAME", {"command": "REQ", "param": ":authority"}]})%"#,
    );
    assert_eq!(value, "reviews:9080");
    let value = rendered(
        r#"<%COALESCE({"operators": [{"command": "REQ", "param": "x-user", "max_length": 4}, "HOSTNAME"]}):3%>"#,
    );
    assert_eq!(value, "<jas>");
    assert_eq!(
        rendered(r#"<%COALESCE({"operators": ["TRACE_ID", "SPAN_ID"]})%>"#),
        "<>"
    );
}

#[test]
fn what_is_not_told_is_named() {
    let untold = |source: &str| -> Vec<String> {
        let template = Template::parse(source).unwrap();
        assert_eq!(rendered(source), "");
        template.untold().into_iter().map(str::to_owned).collect()
    };
    assert_eq!(untold("%CEL(request.path):10%"), ["CEL(request.path):10"]);
    assert_eq!(
        untold("%CONNECTION_ID%%ENVIRONMENT(PATH)%"),
        ["CONNECTION_ID", "ENVIRONMENT(PATH)"]
    );
    assert_eq!(untold("%FILTER_STATE(downstream_peer:FIELD:namespace)%").len(), 1);
    assert_eq!(untold("%METADATA(ROUTE:istio:config)%").len(), 1);
    assert_eq!(
        untold(r#"%COALESCE({"operators": ["CONNECTION_ID"]})%"#),
        ["CONNECTION_ID"]
    );
    // What Envoy leaves empty in a waypoint as well is not spoken of.
    for nothing in [
        "DOWNSTREAM_TLS_VERSION",
        "DOWNSTREAM_PEER_CERT_V_END(%s)",
        "TRAILER(grpc-status):3",
        "VIRTUAL_CLUSTER_NAME",
        "UPSTREAM_PEER_SUBJECT",
        "CONNECTION_TERMINATION_DETAILS",
        "UPSTREAM_FILTER_STATE(a)",
    ] {
        assert_eq!(untold(&format!("%{nothing}%")), Vec::<String>::new(), "{nothing}");
    }
}

#[test]
fn mistakes_have_names() {
    let error = |source: &str| Template::parse(source).unwrap_err();
    assert_eq!(error("100%"), TemplateError::Unterminated);
    assert_eq!(error("%PROTOCOL"), TemplateError::Unterminated);
    for unknown in [
        "WHO",
        "REQ(a):x",
        "REQ(a",
        "REQ(a)b",
        "PROTOCOL:x",
        "WHO(a):1",
        "DOWNSTREAM_REMOTE_NAME",
    ] {
        assert_eq!(
            error(&format!("%{unknown}%")),
            TemplateError::UnknownVariable(unknown.to_owned())
        );
    }
    for wrong in [
        "REQ",
        "REQ(a?b?c)",
        "PROTOCOL(a)",
        "PROTOCOL:3",
        "DURATION:3",
        "CONNECTION_ID(a)",
        "CONNECTION_ID:1",
        "DOWNSTREAM_TLS_VERSION(a)",
        "UPSTREAM_HOST(16)",
        "UPSTREAM_LOCAL_PORT(16)",
        "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(129)",
        "START_TIME(%!)",
        "START_TIME(%s):3",
        "COMMON_DURATION(DS_RX_BEG:US_RX_BEG)",
        "COMMON_DURATION(DS_RX_BEG:US_RX_BEG:s)",
        "RESPONSE_CODE_DETAILS(SPACES)",
        "GRPC_STATUS(LOUD)",
        "DYNAMIC_METADATA",
        "DYNAMIC_METADATA()",
        "DYNAMIC_METADATA(a:)",
        "METADATA(a:b)",
        "FILTER_STATE(:PLAIN)",
        "FILTER_STATE(a:RAW)",
        "FILTER_STATE(a:FIELD:)",
        "REQUESTED_SERVER_NAME(FIRST)",
        "REQUESTED_SERVER_NAME(SNI_FIRST:X)",
        "QUERY_PARAM()",
        "QUERY_PARAMS(RAW)",
        "PATH(Q)",
        "PATH(NQ:X)",
        "COALESCE({})",
        r#"COALESCE({"operators": []})"#,
        r#"COALESCE({"operators": [1]})"#,
        r#"COALESCE({"operators": ["COALESCE"]})"#,
        r#"COALESCE({"operators": [{"command": "REQ", "param": "a", "max_length": -1}]})"#,
    ] {
        let error = error(&format!("%{wrong}%"));
        assert!(
            matches!(&error, TemplateError::Argument { variable, .. } if variable == wrong),
            "{wrong}: {error:?}"
        );
    }
    assert_eq!(error("%REQ(a b)%"), TemplateError::HeaderName("a b".to_owned()));
}

#[test]
fn depending_on_the_request_is_known() {
    for source in [
        "a %REQ(x-user)%",
        "%PATH%",
        "%GRPC_STATUS%",
        "%STREAM_ID%",
        "%REQUESTED_SERVER_NAME(HOST_FIRST)%",
    ] {
        assert!(Template::parse(source).unwrap().quotes_request(), "{source}");
    }
    for source in [
        "%REQ(:path)% %RESP(a)%",
        "%PATH(NQ:PATH)%",
        "%REQUESTED_SERVER_NAME(HOST_FIRST:HOST)%",
    ] {
        assert!(!Template::parse(source).unwrap().quotes_request(), "{source}");
    }
    let inside = r#"%COALESCE({"operators": [{"command": "REQ", "param": "x-user"}]})%"#;
    assert!(Template::parse(inside).unwrap().quotes_request());
}

proptest::proptest! {
    /// Whatever is written, it is a value or a mistake, and a value is never longer than it is to be.
    #[test]
    fn anything_may_be_written(source in "[%A-Z_():?0-9a-z ]{0,40}", limit in 0..8usize) {
        let _ = Template::parse(&source);
        let value = rendered(&format!("%REQ(x-user):{limit}%"));
        assert!(value.len() <= limit && "jason".starts_with(&value));
    }
}
