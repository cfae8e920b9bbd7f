#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use arc_swap::ArcSwap;
use cairn_hbone::DrainWatch;
use cairn_http::serve::STREAM_IDLE;
use cairn_telemetry::metrics::{Format, Registry};
use cairn_telemetry::traffic::{HttpMetrics, Interned, SeriesOptions, TcpMetrics};
use cairn_telemetry::{AccessLog, Sink};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::*;
use crate::compile::Compiler;
use crate::downstream::Target;
use crate::mirror;
use crate::protocol;
use crate::upstream::Dialer;

/// A waypoint of one service with one plain endpoint, and the connections of one client.
struct Scene {
    proxy: Arc<Proxy>,
    lines: mpsc::Receiver<String>,
    registry: Registry,
    endpoint: TcpListener,
    compiler: Compiler,
}

const MESH: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    accessLogFile: /dev/stdout
    accessLogFormat: "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% \
      %UPSTREAM_LOCAL_ADDRESS%"
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: default}
spec:
  gatewayClassName: istio-waypoint
  addresses: [{type: IPAddress, value: 127.9.0.30}]
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: default, labels: {istio.io/use-waypoint: waypoint}}
spec:
  clusterIP: 127.9.0.10
  selector: {app: app}
  ports: [{name: http, port: 80, targetPort: PORT}, {name: tcp, port: 90, targetPort: PORT}, {name: any, port: 70, targetPort: PORT}]
---
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: default, labels: {app: app, istio.io/dataplane-mode: none}}
spec: {serviceAccountName: app, containers: [{name: app}]}
status: {podIP: 127.0.0.1}
"#;

impl Scene {
    async fn new(more: &str) -> Scene {
        let endpoint = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialer = Arc::new(Dialer::offline());
        let mut compiler = Compiler::new(
            cairn_api::meta::Key::new("default", "waypoint"),
            Arc::clone(&dialer),
            Arc::default(),
            Arc::new(crate::names::Names::offline()),
            Arc::default(),
        );
        let plans = plans(&mut compiler, &endpoint, 1, more);
        let (sender, lines) = mpsc::channel(16);
        let registry = Registry::new();
        let proxy = Arc::new(Proxy {
            version: tokio::sync::watch::channel(plans.version).0,
            plans: ArcSwap::from_pointee(plans),
            dialer,
            slots: Arc::default(),
            tokens: Arc::default(),
            mirrored: Arc::new(Semaphore::new(mirror::UNDER_WAY)),
            access_log: AccessLog::new(Sink::Channel(sender)).unwrap(),
            http: HttpMetrics::register(&registry, SeriesOptions::default()),
            tcp: TcpMetrics::register(&registry, SeriesOptions::default()),
            unknown: Interned::default(),
            no_service: Interned::default(),
        });
        Scene {
            proxy,
            lines,
            registry,
            endpoint,
            compiler,
        }
    }

    /// Puts another configuration in force.
    fn change(&mut self, version: u64, more: &str) {
        let plans = plans(&mut self.compiler, &self.endpoint, version, more);
        self.proxy.plans.store(Arc::new(plans));
        self.proxy.version.send_replace(version);
    }

    /// A connection of the client to the service.
    fn connect(&self) -> DuplexStream {
        self.connect_to(80)
    }

    fn connect_to(&self, port: u16) -> DuplexStream {
        let (client, near) = duplex(64 * 1024);
        let plans = self.proxy.plans.load_full();
        let service = plans.mesh.services_at([127, 9, 0, 10].into()).next().unwrap();
        let downstream = Downstream::new(
            &plans.mesh,
            "spiffe://cluster.local/ns/default/sa/sleep".parse().unwrap(),
            SocketAddr::from(([127, 9, 0, 11], 40000)),
            SocketAddr::from(([127, 9, 0, 10], port)),
            Target::Service(Arc::clone(&service.id), port),
            DrainWatch::never(),
        );
        let downstream = Arc::new(downstream.unwrap());
        let proxy = Arc::clone(&self.proxy);
        tokio::spawn(async move { protocol::serve(&proxy, &downstream, near).await });
        client
    }
}

fn plans(compiler: &mut Compiler, endpoint: &TcpListener, version: u64, more: &str) -> crate::plan::Plans {
    let port = endpoint.local_addr().unwrap().port();
    let yaml = format!("{}---{more}", MESH.replace("PORT", &port.to_string()));
    let state = cairn_config::from_str(&yaml, Path::new("mesh.yaml"));
    let objects = cairn_mesh::controllers::complete(&state.objects);
    let mut state = cairn_config::State::from_objects(objects);
    state.version = version;
    compiler.compile(&state).0
}

/// Forbids everybody to use the service with `method`; all there is, with none.
fn deny(method: Option<&str>) -> String {
    let rule = method.map_or("{}".to_owned(), |method| {
        format!("{{to: [{{operation: {{methods: [{method}]}}}}]}}")
    });
    format!(
        r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: deny, namespace: default}}
spec:
  targetRefs: [{{kind: Service, group: "", name: app}}]
  action: DENY
  rules: [{rule}]
"#
    )
}

/// Reads until `text` has come.
async fn read_to(stream: &mut (impl tokio::io::AsyncRead + Unpin), text: &str) -> String {
    let mut read = String::new();
    while !read.contains(text) {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap() == 0 {
            panic!("closed after {read:?}");
        }
        read.push(char::from(byte[0]));
    }
    read
}

async fn is_closed(stream: &mut DuplexStream) {
    let mut byte = [0];
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut byte)).await;
    assert_eq!(ended.expect("in time").unwrap_or(0), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_its_request_is_told_so() {
    let mut scene = Scene::new("").await;
    let mut client = scene.connect();
    client
        .write_all(b"POST /a HTTP/1.1\r\nHost: app\r\nContent-Length: 10\r\n\r\nhalf")
        .await
        .unwrap();
    let (mut endpoint, _) = scene.endpoint.accept().await.unwrap();
    read_to(&mut endpoint, "half").await;
    let began = Instant::now();
    let mut answer = String::new();
    let answered = tokio::time::timeout(10 * STREAM_IDLE, client.read_to_string(&mut answer)).await;
    answered.expect("no answer").unwrap();
    assert!(began.elapsed() >= STREAM_IDLE && began.elapsed() < 2 * STREAM_IDLE);
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("\r\n\r\nstream timeout"),
        "{answer:?}"
    );
    let line = scene.lines.recv().await.unwrap();
    assert!(line.starts_with("POST /a 408 SI stream_idle_timeout "), "{line}");
}

/// Every request that is refused leaves a line, not the first of a connection alone.
#[tokio::test]
async fn refused_requests_of_http_2_are_logged_one_by_one() {
    let mut scene = Scene::new("").await;
    let (sender, connection) = h2::client::handshake(scene.connect()).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    for (path, host, line) in [
        ("/1", "other", "GET /1 400 DPE http1.codec_error -"),
        ("/2", "another", "GET /2 400 DPE http1.codec_error -"),
    ] {
        let request = Request::get(format!("http://app{path}")).header("host", host);
        let (response, _) = sender.send_request(request.body(()).unwrap(), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 400);
        let written = tokio::time::timeout(Duration::from_secs(10), scene.lines.recv()).await;
        assert_eq!(written.expect("a line in time").unwrap(), line);
    }
}

#[tokio::test]
async fn messages_of_grpc_are_counted() {
    let mut scene = Scene::new("").await;
    let (sender, connection) = h2::client::handshake(scene.connect()).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let request = Request::post("http://app/s/m").header("content-type", "application/grpc");
    let (response, mut stream) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    // Two messages in three pieces, and three in one.
    for (piece, last) in [
        (&b"\0\0\0"[..], false),
        (b"\0\x02h", false),
        (b"i\0\0\0\0\0", true),
    ] {
        stream.send_data(Bytes::from_static(piece), last).unwrap();
    }
    let (endpoint, _) = scene.endpoint.accept().await.unwrap();
    tokio::spawn(async move {
        let mut endpoint = h2::server::handshake(endpoint).await.unwrap();
        while let Some(accepted) = endpoint.accept().await {
            let (mut request, mut respond) = accepted.unwrap();
            tokio::spawn(async move {
                while request.body_mut().data().await.is_some() {}
                let response = Response::builder().header("content-type", "application/grpc");
                let mut body = respond.send_response(response.body(()).unwrap(), false).unwrap();
                body.send_data(Bytes::from_static(&[0; 15]), false).unwrap();
                let trailers = [("grpc-status".parse().unwrap(), "0".parse().unwrap())];
                body.send_trailers(trailers.into_iter().collect()).unwrap();
            });
        }
    });
    let mut body = response.await.unwrap().into_body();
    while body.data().await.is_some() {}
    scene.lines.recv().await.unwrap();
    let text = scene.registry.encode(Format::Text);
    for (name, count) in [("request", 2), ("response", 3)] {
        let name = format!("istio_{name}_messages_total{{");
        let line = text.lines().find(|line| line.starts_with(&name)).expect(&name);
        assert!(line.ends_with(&format!("}} {count}")), "{line}");
    }
}

#[tokio::test]
async fn the_near_end_of_a_plain_connection_is_logged() {
    let mut scene = Scene::new("").await;
    let mut client = scene.connect();
    let request = b"GET /a HTTP/1.1\r\nHost: app\r\n\r\n";
    client.write_all(request).await.unwrap();
    let (mut endpoint, near) = scene.endpoint.accept().await.unwrap();
    // The second request goes over the connection of the first.
    for _ in 0..2 {
        read_to(&mut endpoint, "\r\n\r\n").await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        endpoint.write_all(answer).await.unwrap();
        read_to(&mut client, "\r\n\r\nok").await;
        let line = scene.lines.recv().await.unwrap();
        assert_eq!(line, format!("GET /a 200 - via_upstream {near}"));
        client.write_all(request).await.unwrap();
    }
}

/// What a policy allowed as a GET must not reach anybody as something else.
#[tokio::test]
async fn only_a_websocket_is_carried_by_extended_connect() {
    let mut scene = Scene::new("").await;
    let (sender, connection) = h2::client::handshake(scene.connect()).await.unwrap();
    let mut sender = sender.ready().await.unwrap();
    let connection = tokio::spawn(connection);
    while !sender.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let request = Request::builder()
        .method("CONNECT")
        .uri("http://app/a")
        .extension(h2::ext::Protocol::from_static("connect-udp"));
    let (response, _) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    assert_eq!(response.await.unwrap().status(), 403);
    let line = scene.lines.recv().await.unwrap();
    assert_eq!(line, "CONNECT /a 403 - upgrade_failed -");
    connection.abort();
}

/// Of both versions of HTTP the endpoint sees the authority of the route, not the client's.
#[tokio::test]
async fn an_authority_is_rewritten_in_http_2() {
    let route = r#"
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app, namespace: default}
spec:
  hosts: [app]
  http:
  - rewrite: {authority: other.example}
    route: [{destination: {host: app}}]
"#;
    let scene = Scene::new(route).await;
    let (sender, connection) = h2::client::handshake(scene.connect_to(70)).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let request = Request::get("http://app/a").body(()).unwrap();
    let (response, _) = sender.send_request(request, true).unwrap();
    let (endpoint, _) = scene.endpoint.accept().await.unwrap();
    let mut endpoint = h2::server::handshake(endpoint).await.unwrap();
    let (request, mut respond) = endpoint.accept().await.unwrap().unwrap();
    assert_eq!(request.uri().authority().unwrap(), "other.example");
    assert_eq!(request.headers()["x-envoy-original-host"], "app");
    respond.send_response(Response::new(()), true).unwrap();
    tokio::spawn(async move { while endpoint.accept().await.is_some() {} });
    assert_eq!(response.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_websocket_ends_when_a_policy_comes_to_forbid_it() {
    let mut scene = Scene::new("").await;
    let mut client = scene.connect();
    let request = b"GET /a HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.write_all(request).await.unwrap();
    let (mut endpoint, _) = scene.endpoint.accept().await.unwrap();
    read_to(&mut endpoint, "\r\n\r\n").await;
    let answer =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello";
    endpoint.write_all(answer).await.unwrap();
    read_to(&mut client, "hello").await;
    // One that speaks of other requests leaves it alone.
    scene.change(2, &deny(Some("POST")));
    client.write_all(b"still here").await.unwrap();
    read_to(&mut endpoint, "still here").await;
    scene.change(3, &deny(Some("GET")));
    is_closed(&mut client).await;
    let line = scene.lines.recv().await.unwrap();
    let details = "rbac_access_denied_matched_policy[ns[default]-policy[deny]-rule[0]]";
    assert!(line.starts_with(&format!("GET /a 101 - {details} ")), "{line}");
}

#[tokio::test]
async fn a_connection_that_is_not_http_ends_when_a_policy_comes_to_forbid_it() {
    let mut scene = Scene::new("").await;
    let mut client = scene.connect_to(90);
    client.write_all(b"hello").await.unwrap();
    let (mut endpoint, _) = scene.endpoint.accept().await.unwrap();
    read_to(&mut endpoint, "hello").await;
    scene.change(2, "");
    client.write_all(b"still here").await.unwrap();
    read_to(&mut endpoint, "still here").await;
    scene.change(3, &deny(None));
    is_closed(&mut client).await;
    let line = scene.lines.recv().await.unwrap();
    assert!(line.contains(" rbac_access_denied_matched_policy["), "{line}");
}

/// The endpoint takes no more than its window, so the request never comes to its end.
#[tokio::test(start_paused = true)]
async fn a_timeout_also_ends_what_the_endpoint_does_not_read() {
    let route = r#"
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app, namespace: default}
spec:
  hosts: [app]
  http:
  - timeout: 2s
    route: [{destination: {host: app}}]
"#;
    let mut scene = Scene::new(route).await;
    let (sender, connection) = h2::client::handshake(scene.connect_to(70)).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let request = Request::post("http://app/a").body(()).unwrap();
    let (response, mut body) = sender.send_request(request, false).unwrap();
    body.send_data(Bytes::from(vec![0; 200_000]), true).unwrap();
    let (endpoint, _) = scene.endpoint.accept().await.unwrap();
    let mut endpoint = h2::server::handshake(endpoint).await.unwrap();
    let (_unread, _respond) = endpoint.accept().await.unwrap().unwrap();
    tokio::spawn(async move { while endpoint.accept().await.is_some() {} });
    let began = Instant::now();
    let answered = tokio::time::timeout(Duration::from_secs(60), response).await;
    assert_eq!(answered.expect("in time").unwrap().status(), 504);
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    let line = scene.lines.recv().await.unwrap();
    assert!(line.starts_with("POST /a 504 UT response_timeout "), "{line}");
}

/// As in Istio: what the port is declared to speak is what the endpoint is spoken to in.
#[tokio::test]
async fn a_port_that_is_declared_as_http_gets_http_1_of_http_2_clients() {
    let scene = Scene::new("").await;
    let (sender, connection) = h2::client::handshake(scene.connect()).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let request = Request::get("http://app/a").body(()).unwrap();
    let (response, _) = sender.send_request(request, true).unwrap();
    let (mut endpoint, _) = scene.endpoint.accept().await.unwrap();
    let head = read_to(&mut endpoint, "\r\n\r\n").await;
    assert!(head.starts_with("GET /a HTTP/1.1\r\n"), "{head}");
    endpoint
        .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(response.await.unwrap().status(), 204);
}
