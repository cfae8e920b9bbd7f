//! One call from pod to pod, and all that is told of it.

use cairn_tests::{AccessLine, Backend, Echo, Sample, samples};
use http::{Request, StatusCode};

use crate::flow::Talk;
use crate::scene::{self, POD, SERVICE, SLEEP, WAYPOINT};

const SLEEP_ID: &str = "spiffe://cluster.local/ns/default/sa/sleep";
const APP_ID: &str = "spiffe://cluster.local/ns/default/sa/app";
const WAYPOINT_ID: &str = "spiffe://cluster.local/ns/default/sa/waypoint";

const HOST: &str = "app.default.svc.cluster.local";

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_from_ztunnel_to_waypoint_to_ztunnel_to_the_application() {
    let mesh = scene::start(&[]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let waypoint = mesh.waypoint("waypoint");
    let service = mesh.network.socket(SERVICE, 80);
    let request = Request::post("/some/path?a=b&c")
        .header("x-mine", "kept")
        .header("user-agent", "test/1")
        .body("twelve bytes")
        .unwrap();
    let answer = mesh.send(SLEEP, service, request).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "backend app: twelve bytes")
    );
    assert_eq!(answer.header("server"), "istio-envoy");

    let seen = backend.last();
    assert_eq!(
        seen.peer.ip(),
        mesh.network.ip(WAYPOINT),
        "the waypoint calls the application, as itself"
    );
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/some/path?a=b&c")
    );
    assert_eq!(seen.authority, service.to_string());
    assert_eq!(seen.headers["x-mine"], "kept");
    assert_eq!(seen.headers["x-forwarded-proto"], "http");
    let id = seen.headers["x-request-id"].to_str().unwrap().to_owned();
    for hop in ["baggage", "forwarded", "traceparent", "connection"] {
        assert!(
            !seen.headers.contains_key(hop),
            "{hop} of a tunnel reaches the application"
        );
    }

    // The waypoint's line, word by word; START_TIME and what took how long are not to be foreseen.
    let start = "\"POST /some/path?a=b&c HTTP/1.1\" 200 - via_upstream - \"-\" 12 25 ";
    waypoint.wait_for_text(start);
    let text = waypoint.text();
    let line = text.lines().find(|line| line.contains(start)).unwrap();
    let (duration, rest) = line.split_once(start).unwrap().1.split_once(" \"").unwrap();
    assert!(
        duration.split(' ').count() == 2 && duration.split(' ').all(|number| number.parse::<u32>().is_ok()),
        "DURATION and X-ENVOY-UPSTREAM-SERVICE-TIME: {line}"
    );
    let rest: Vec<&str> = rest.split(' ').collect();
    let upstream = mesh.network.socket(POD, 8080);
    let expected = [
        "-\"".to_owned(),
        "\"test/1\"".to_owned(),
        format!("\"{id}\""),
        format!("\"{service}\""),
        format!("\"{upstream}\""),
        format!("inbound-vip|80|http|{HOST}"),
    ];
    assert_eq!(rest[..expected.len()], expected, "{line}");
    assert_eq!(rest[7], service.to_string(), "DOWNSTREAM_LOCAL_ADDRESS: {line}");
    assert!(
        rest[8].starts_with(&format!("{}:", mesh.network.ip(SLEEP))),
        "DOWNSTREAM_REMOTE_ADDRESS: {line}"
    );
    assert_eq!(
        rest[9..],
        ["-", "default"],
        "REQUESTED_SERVER_NAME and ROUTE_NAME: {line}"
    );
}

/// The names of a line's fields, in Istio's order.
const FIELDS: [&str; 16] = [
    "src.addr",
    "src.workload",
    "src.namespace",
    "src.identity",
    "src.cluster",
    "dst.addr",
    "dst.hbone_addr",
    "dst.service",
    "dst.workload",
    "dst.namespace",
    "dst.identity",
    "dst.cluster",
    "direction",
    "bytes_sent",
    "bytes_recv",
    "duration",
];

#[tokio::test(flavor = "multi_thread")]
async fn both_ztunnels_and_the_metrics_tell_of_a_call() {
    let mesh = scene::start(&[]);
    let backend = Backend::start(mesh.network.socket(POD, 8080), "app").await;
    let _waypoint = mesh.waypoint("waypoint");
    let service = mesh.network.socket(SERVICE, 80);
    let request = Request::post("/").body("twelve bytes").unwrap();
    mesh.send(SLEEP, service, request).await.unwrap();
    // Ends the connection that the waypoint keeps.
    drop(backend);

    let outbound = mesh.line(&[("direction", "outbound")]);
    assert_eq!(
        (outbound.level.as_str(), outbound.message.as_str()),
        ("info", "connection complete")
    );
    assert_eq!(outbound.names(), FIELDS);
    let (sleep, app) = (mesh.network.ip(SLEEP), mesh.network.socket(POD, 8080));
    let waypoint = mesh.network.ip(WAYPOINT);
    assert!(
        outbound
            .field("src.addr")
            .unwrap()
            .starts_with(&format!("{sleep}:")),
        "{outbound:?}"
    );
    for (name, value) in [
        ("src.workload", "sleep"),
        ("src.namespace", "default"),
        ("src.identity", SLEEP_ID),
        ("src.cluster", "Kubernetes"),
        ("dst.addr", &format!("{waypoint}:15008")),
        ("dst.hbone_addr", &service.to_string()),
        ("dst.service", HOST),
        ("dst.workload", "waypoint"),
        ("dst.namespace", "default"),
        ("dst.identity", WAYPOINT_ID),
        ("dst.cluster", "Kubernetes"),
    ] {
        assert_eq!(outbound.field(name), Some(value), "{name} of {outbound:?}");
    }

    let inbound = mesh.line(&[("direction", "inbound")]);
    assert_eq!(
        (inbound.level.as_str(), inbound.message.as_str()),
        ("info", "connection complete")
    );
    assert_eq!(inbound.names(), FIELDS);
    assert!(
        inbound
            .field("src.addr")
            .unwrap()
            .starts_with(&format!("{waypoint}:")),
        "{inbound:?}"
    );
    for (name, value) in [
        ("src.workload", "waypoint"),
        ("src.namespace", "default"),
        ("src.identity", WAYPOINT_ID),
        ("src.cluster", "Kubernetes"),
        ("dst.addr", &format!("{}:15008", app.ip())),
        ("dst.hbone_addr", &app.to_string()),
        ("dst.service", HOST),
        ("dst.workload", "app"),
        ("dst.namespace", "default"),
        ("dst.identity", APP_ID),
        ("dst.cluster", "Kubernetes"),
    ] {
        assert_eq!(inbound.field(name), Some(value), "{name} of {inbound:?}");
    }

    // A request is shorter than its response here, so the directions cannot be mistaken for each other.
    let number = |line: &AccessLine, name: &str| line.field(name).unwrap().parse::<f64>().unwrap();
    assert!(
        number(&outbound, "bytes_sent") > 12.0
            && number(&outbound, "bytes_recv") > number(&outbound, "bytes_sent")
    );
    assert!(
        number(&inbound, "bytes_recv") > number(&outbound, "bytes_sent"),
        "headers are added on the way"
    );
    for line in [&outbound, &inbound] {
        let duration = line.field("duration").unwrap().strip_suffix("ms").unwrap();
        assert!(duration.parse::<u64>().is_ok(), "{line:?}");
    }

    let found = mesh.samples().await;
    let source = [
        ("reporter", "source"),
        ("source_workload", "sleep"),
        ("source_workload_namespace", "default"),
        ("source_principal", SLEEP_ID),
        ("source_app", "sleep"),
        ("destination_service", HOST),
        ("destination_service_name", "app"),
        ("destination_service_namespace", "default"),
        ("destination_principal", WAYPOINT_ID),
        ("request_protocol", "tcp"),
        ("response_flags", "-"),
        ("connection_security_policy", "mutual_tls"),
    ];
    let destination = [
        ("reporter", "destination"),
        ("source_principal", WAYPOINT_ID),
        ("destination_service", HOST),
        ("destination_workload", "app"),
        ("destination_app", "app"),
        ("destination_version", "v1"),
        ("destination_canonical_revision", "v1"),
        ("destination_principal", APP_ID),
        ("request_protocol", "tcp"),
        ("response_flags", "-"),
        ("connection_security_policy", "mutual_tls"),
    ];
    let value = |name: &str, labels: &[(&str, &str)]| {
        let of_metric: Vec<&Sample> = found.iter().filter(|sample| sample.is(name, labels)).collect();
        assert_eq!(
            of_metric.len(),
            1,
            "{name} {labels:?}: {of_metric:?} in {found:#?}"
        );
        of_metric[0].value
    };
    for (labels, line, received, sent) in [
        (&source[..], &outbound, "bytes_sent", "bytes_recv"),
        (&destination[..], &inbound, "bytes_recv", "bytes_sent"),
    ] {
        assert_eq!(value("istio_tcp_connections_opened_total", labels), 1.0);
        assert_eq!(value("istio_tcp_connections_closed_total", labels), 1.0);
        // Istio counts from the destination's view, whoever reports.
        assert_eq!(
            value("istio_tcp_received_bytes_total", labels),
            number(line, received)
        );
        assert_eq!(value("istio_tcp_sent_bytes_total", labels), number(line, sent));
    }

    let of_waypoint = samples(mesh.network.socket(WAYPOINT, 15020)).await;
    let labels = [
        ("reporter", "waypoint"),
        ("source_workload", "sleep"),
        ("source_principal", SLEEP_ID),
        ("destination_workload", "app"),
        ("destination_principal", APP_ID),
        ("destination_service", HOST),
        ("request_protocol", "http"),
        ("response_code", "200"),
        ("response_flags", "-"),
        ("connection_security_policy", "mutual_tls"),
    ];
    let requests: Vec<_> = of_waypoint
        .iter()
        .filter(|sample| sample.is("istio_requests_total", &labels))
        .collect();
    assert_eq!(requests.len(), 1, "{of_waypoint:#?}");
    assert_eq!(requests[0].value, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_connection_is_counted_until_it_ends() {
    let mesh = scene::start(&[]);
    let _backend = Echo::start(mesh.network.socket(POD, 8090)).await;
    let _waypoint = mesh.waypoint("waypoint");
    let open = mesh
        .client(SLEEP)
        .connect(mesh.network.socket(SERVICE, 90))
        .await
        .unwrap();
    let mut open = Talk::new(open);
    open.say("hello").await.unwrap();
    let sockets = async |reporter| {
        let found = mesh.samples().await;
        let found = found
            .iter()
            .find(|sample| sample.is("istio_tcp_sockets_open", &[("reporter", reporter)]));
        found.map_or(0.0, |sample| sample.value)
    };
    assert_eq!(
        (sockets("source").await, sockets("destination").await),
        (1.0, 1.0)
    );
    drop(open);
    for direction in ["outbound", "inbound"] {
        let line = mesh.line(&[("direction", direction)]);
        assert_eq!(
            (line.field("bytes_sent"), line.field("bytes_recv")),
            (Some("5"), Some("5")),
            "{line:?}"
        );
    }
    assert_eq!(
        (sockets("source").await, sockets("destination").await),
        (0.0, 0.0)
    );
}
