//! Policies that leave the decision to a server.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::{BufMut as _, Bytes, BytesMut};
use cairn_api::ext_authz as messages;
use cairn_tests::{Answer, Backend, Load, Lone, Misfortune};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use tokio::net::TcpListener;

/// The server's service, and a policy that asks it about paths under /asked.
const FILES: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: authz}
spec:
  hosts: [authz.example]
  addresses: [NET.50]
  resolution: STATIC
  endpoints: [{address: NET.43}]
  ports: [{number: 9000, name: PROTOCOL, targetPort: 8080}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask}
spec:
  action: CUSTOM
  provider: {name: authz}
  targetRefs: [{group: '', kind: Service, name: app}]
  rules: [{to: [{operation: {paths: ['/asked*']}}]}]
";

async fn mesh(provider: &str, protocol: &str) -> Lone {
    let settings = format!("extensionProviders:\n- {{name: authz, {provider}}}");
    let files = FILES.replace("PROTOCOL", protocol);
    Lone::start_in(&settings, &[("authz.yaml", &files)]).await
}

async fn post(mesh: &Lone, target: &str, body: &'static str) -> Answer {
    let request = Request::post(target)
        .header("x-user", "me")
        .header("authorization", "Basic eA==");
    mesh.send(request.body(body).unwrap()).await
}

fn seen(mesh: &Lone) -> usize {
    mesh.v1.seen().len() + mesh.v2.seen().len()
}

const HTTP: &str = "envoyExtAuthzHttp: {service: authz.example, port: 9000, pathPrefix: /check, timeout: 5s, \
    includeRequestHeadersInCheck: [x-user], headersToUpstreamOnAllow: ['endpoint-*'], headersToDownstreamOnAllow: [endpoint-load-metrics]";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_decides_over_http() {
    let provider =
        format!("{HTTP}, includeRequestBodyInCheck: {{maxRequestBytes: 10, allowPartialMessage: true}}}}");
    let mesh = mesh(&provider, "http").await;
    let server = Backend::start(mesh.network.socket(43, 8080), "authz").await;
    server.tell(Load::Head("from the server"));
    // What no rule matches is nobody's question.
    assert_eq!(post(&mesh, "/free", "").await.status, 200);
    assert!(server.seen().is_empty());

    let answer = post(&mesh, "/asked?x=1", "a body of more than ten bytes").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.ends_with("a body of more than ten bytes"),
        "{}",
        answer.body
    );
    assert_eq!(answer.header("endpoint-load-metrics"), "from the server");
    let question = server.last();
    assert_eq!(
        (&*question.target, &*question.body),
        ("/check/asked?x=1", &b"a body of "[..])
    );
    assert_eq!(
        (question.method.as_str(), &*question.authority),
        ("POST", &*mesh.network.socket(10, 80).to_string())
    );
    assert_eq!(
        (&question.headers["x-user"], &question.headers["authorization"]),
        (&"me".parse().unwrap(), &"Basic eA==".parse().unwrap())
    );
    let reached = [mesh.v1.seen(), mesh.v2.seen()]
        .concat()
        .into_iter()
        .find(|seen| seen.target == "/asked?x=1")
        .unwrap();
    assert_eq!(reached.headers["endpoint-load-metrics"], "from the server");

    let before = seen(&mesh);
    server.befall(&[Misfortune::Status(401)]);
    let refused = post(&mesh, "/asked", "").await;
    assert_eq!(
        (refused.status.as_u16(), &*refused.body),
        (401, "backend authz: ")
    );
    mesh.waypoint.wait_for_text(" 401 UAEX ext_authz_denied ");
    server.befall(&[Misfortune::Status(503)]);
    let failed = post(&mesh, "/asked", "").await;
    assert_eq!((failed.status.as_u16(), &*failed.body), (403, ""));
    mesh.waypoint.wait_for_text(" 403 UAEX ext_authz_error ");
    assert_eq!(seen(&mesh), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_or_away_holds_up_nobody_else() {
    let provider = HTTP.replace("timeout: 5s", "timeout: 0.3s, statusOnError: '503'") + "}";
    let mesh = mesh(&provider, "http").await;
    // Nobody is there.
    assert_eq!(post(&mesh, "/asked", "").await.status, 503);
    let server = Backend::start(mesh.network.socket(43, 8080), "authz").await;
    server.stall();
    let (asked, free) = tokio::join!(post(&mesh, "/asked", ""), post(&mesh, "/free", ""));
    assert_eq!((asked.status.as_u16(), free.status.as_u16()), (503, 200));
    server.resume();
    let mut status = 0;
    for _ in 0..100 {
        status = post(&mesh, "/asked", "").await.status.as_u16();
        if status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_fail_open_does_and_what_has_no_server_does_not() {
    let open = HTTP.replace("timeout: 5s", "timeout: 5s, failOpen: true") + "}";
    let passing = mesh(&open, "http").await;
    assert_eq!(post(&passing, "/asked", "").await.status, 200);

    let mesh = mesh(&open.replace("authz.example", "nobody.example"), "http").await;
    let denied = post(&mesh, "/asked", "").await;
    assert_eq!(
        (denied.status.as_u16(), &*denied.body),
        (403, "RBAC: access denied")
    );
    mesh.waypoint
        .wait_for_text("rbac_access_denied_matched_policy[ns[default]-policy[ask]-rule[0]]");
    assert_eq!(post(&mesh, "/free", "").await.status, 200);
}

/// What a server of gRPC has been asked, and what it answers.
#[derive(Clone, Default)]
struct Server {
    asked: Arc<Mutex<Vec<messages::CheckRequest>>>,
    answer: Arc<Mutex<messages::CheckResponse>>,
}

impl Server {
    async fn start(mesh: &Lone) -> Server {
        let listener = TcpListener::bind(mesh.network.socket(43, 8080)).await.unwrap();
        let server = Server::default();
        let own = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = own.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| server.clone().answer(request));
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        server
    }

    async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>, Infallible> {
        assert_eq!(request.uri().path(), "/envoy.service.auth.v3.Authorization/Check");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        self.asked
            .lock()
            .unwrap()
            .push(messages::CheckRequest::decode(&body[5..]).unwrap());
        let message = self.answer.lock().unwrap().encode_to_vec();
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).unwrap());
        framed.put_slice(&message);
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            http::HeaderValue::from_static("0"),
        )]);
        let body = Full::new(framed.freeze()).with_trailers(async { Some(Ok(trailers)) });
        Ok(Response::builder()
            .header("content-type", "application/grpc")
            .body(body.boxed())
            .unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_decides_over_grpc() {
    let mesh = mesh(
        "envoyExtAuthzGrpc: {service: authz.example, port: 9000, timeout: 5s}",
        "grpc",
    )
    .await;
    let server = Server::start(&mesh).await;
    let field = |key: &str, value: &str| messages::HeaderValueOption {
        header: Some(messages::HeaderValue {
            key: key.to_owned(),
            value: value.to_owned().into(),
            ..messages::HeaderValue::default()
        }),
        ..messages::HeaderValueOption::default()
    };
    *server.answer.lock().unwrap() = messages::CheckResponse {
        status: Some(messages::Status {
            code: 0,
            ..Default::default()
        }),
        http_response: Some(messages::HttpResponse::Ok(messages::OkHttpResponse {
            headers: vec![field("x-user", "checked")],
            headers_to_remove: vec!["authorization".into()],
            ..Default::default()
        })),
        ..Default::default()
    };
    assert_eq!(post(&mesh, "/asked", "hi").await.status, 200);
    let reached = [mesh.v1.seen(), mesh.v2.seen()].concat().pop().unwrap();
    assert_eq!(reached.headers["x-user"], "checked");
    assert!(!reached.headers.contains_key("authorization"));
    let asked = server.asked.lock().unwrap().pop().unwrap();
    let attributes = asked.attributes.unwrap();
    let http = attributes.request.unwrap().http.unwrap();
    assert_eq!((&*http.method, &*http.path), ("POST", "/asked"));
    assert_eq!(
        attributes.source.unwrap().principal,
        "spiffe://cluster.local/ns/default/sa/sleep"
    );

    *server.answer.lock().unwrap() = messages::CheckResponse {
        status: Some(messages::Status {
            code: 7,
            ..Default::default()
        }),
        http_response: Some(messages::HttpResponse::Denied(messages::DeniedHttpResponse {
            status: Some(messages::HttpStatus { code: 451 }),
            headers: vec![field("x-why", "law")],
            body: "not here".into(),
        })),
        ..Default::default()
    };
    let before = seen(&mesh);
    let refused = post(&mesh, "/asked", "hi").await;
    assert_eq!(
        (refused.status.as_u16(), &*refused.body, refused.header("x-why")),
        (451, "not here", "law")
    );
    assert_eq!(seen(&mesh), before);
}
