//! One waypoint as its own process: what it makes of requests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::{Duration, Instant};

use cairn_tests::{Client, Lone};
use http::{Request, StatusCode};

const SPLIT: &str = r#"
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app]
  http:
  - name: exact
    match: [{uri: {exact: /v2}}]
    route: [{destination: {host: app, subset: v2}}]
  - name: rewritten
    match: [{uri: {prefix: /old/}}]
    rewrite: {uri: /new/}
    headers: {request: {set: {x-added: "1"}, remove: [x-removed]}, response: {add: {x-from: route}}}
    route: [{destination: {host: app, subset: v1}}]
  - name: header
    match: [{headers: {end-user: {exact: jason}}, method: {exact: GET}, queryParams: {a: {exact: b}}}]
    route: [{destination: {host: app, subset: v2}}]
  - name: elsewhere
    match: [{uri: {prefix: /redirect}}]
    redirect: {uri: /target, authority: other:81}
  - name: fixed
    match: [{uri: {exact: /direct}}]
    directResponse: {status: 418, body: {string: short and stout}}
  - name: nowhere
    match: [{uri: {exact: /nowhere}}]
    route: [{destination: {host: unknown.default.svc.cluster.local}}]
  - name: half
    match: [{authority: {exact: "half:80"}}]
    route:
    - {destination: {host: app, subset: v1}, weight: 50}
    - {destination: {host: app, subset: v2}, weight: 50}
  - name: rest
    match: [{uri: {prefix: /v1}}]
    route: [{destination: {host: app, subset: v1}}]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_reaches_the_backend_as_istio_would_send_it() {
    let mesh = Lone::start(&[]).await;
    let request = Request::post("/a?b=c")
        .header("x-forwarded-client-cert", "me")
        .body("hi")
        .unwrap();
    let answer = mesh.send(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        answer.body.starts_with("backend v") && answer.body.ends_with(": hi"),
        "{}",
        answer.body
    );
    assert_eq!(answer.header("server"), "istio-envoy");
    assert!(answer.headers.contains_key("x-envoy-upstream-service-time"));
    let seen = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).next().unwrap();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str(), seen.body.as_ref()),
        ("POST", "/a?b=c", &b"hi"[..])
    );
    assert_eq!(seen.headers["x-request-id"].len(), 36);
    assert_eq!(seen.headers["x-forwarded-proto"], "http");
    assert_eq!(seen.authority, mesh.service(80).to_string());
    assert!(!seen.headers.contains_key("x-forwarded-client-cert"));
    mesh.waypoint
        .wait_for_text("\"POST /a?b=c HTTP/1.1\" 200 - via_upstream - \"-\" 2 ");

    let metrics = Client::from(mesh.network.ip(1))
        .get(mesh.network.socket(30, 15020), "/stats/prometheus")
        .await;
    let metrics = metrics.unwrap().body;
    let sample = metrics
        .lines()
        .find(|line| line.starts_with("istio_requests_total{"))
        .unwrap()
        .to_owned();
    for label in [
        "reporter=\"waypoint\"",
        "source_workload=\"sleep\"",
        "source_principal=\"spiffe://cluster.local/ns/default/sa/sleep\"",
        "destination_principal=\"spiffe://cluster.local/ns/default/sa/app\"",
        "destination_service=\"app.default.svc.cluster.local\"",
        "request_protocol=\"http\"",
        "response_code=\"200\"",
        "response_flags=\"-\"",
        "connection_security_policy=\"mutual_tls\"",
    ] {
        assert!(sample.contains(label), "{label} is missing in {sample}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_lead_where_they_say() {
    let mesh = Lone::start(&[("routes.yaml", SPLIT)]).await;
    assert!(mesh.get("/v2").await.body.starts_with("backend v2"));
    assert!(mesh.get("/v1/x").await.body.starts_with("backend v1"));
    let jason = Request::get("/?a=b")
        .header("end-user", "jason")
        .body("")
        .unwrap();
    assert!(mesh.send(jason).await.body.starts_with("backend v2"));

    let answer = mesh
        .send(
            Request::get("/old/x?y=z")
                .header("x-removed", "1")
                .body("")
                .unwrap(),
        )
        .await;
    assert_eq!(answer.header("x-from"), "route");
    let seen = mesh.v1.last();
    assert_eq!(seen.target, "/new/x?y=z");
    assert_eq!(seen.headers["x-added"], "1");
    assert_eq!(seen.headers["x-envoy-original-path"], "/old/x?y=z");
    assert!(!seen.headers.contains_key("x-removed"));

    let answer = mesh.get("/redirect/this?a=b").await;
    assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY);
    assert_eq!(answer.header("location"), "http://other:81/target?a=b");
    let answer = mesh.get("/direct").await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (418, "short and stout")
    );

    let answer = mesh.get("/no-route").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NOT_FOUND, ""));
    mesh.waypoint.wait_for_text("404 NR route_not_found");
    let answer = mesh.get("/nowhere").await;
    assert!(answer.status.is_server_error(), "{}", answer.status);

    let mut v1 = 0;
    for _ in 0..60 {
        let half = Request::get("/").header("host", "half:80").body("").unwrap();
        v1 += i32::from(mesh.send(half).await.body.starts_with("backend v1"));
    }
    // Both sides of a fair coin: 0 or 60 of 60 have a chance of 2^-59.
    assert!((1..60).contains(&v1), "{v1} of 60 went to v1");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_delay_and_abort_what_they_match() {
    let faults = r#"
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app]
  http:
  - match: [{uri: {exact: /slow}}]
    fault: {delay: {fixedDelay: 1s, percentage: {value: 100}}}
    route: [{destination: {host: app}}]
  - match: [{uri: {exact: /broken}}]
    fault: {abort: {httpStatus: 503, percentage: {value: 100}}}
    route: [{destination: {host: app}}]
  - match: [{uri: {exact: /never}}]
    fault: {abort: {httpStatus: 503, percentage: {value: 0}}}
    route: [{destination: {host: app}}]
  - match: [{uri: {exact: /late}}]
    timeout: 200ms
    route: [{destination: {host: app}}]
  - route: [{destination: {host: app}}]
"#;
    let mesh = Lone::start(&[("faults.yaml", faults)]).await;
    let began = Instant::now();
    assert_eq!(mesh.get("/slow").await.status, StatusCode::OK);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    mesh.waypoint.wait_for_text("200 DI via_upstream");
    let answer = mesh.get("/broken").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "fault filter abort")
    );
    mesh.waypoint.wait_for_text("503 FI fault_filter_abort");
    assert_eq!(mesh.get("/never").await.status, StatusCode::OK);
    assert_eq!(mesh.get("/").await.status, StatusCode::OK);
    mesh.v1.stall();
    mesh.v2.stall();
    let answer = mesh.get("/late").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::GATEWAY_TIMEOUT, "upstream request timeout")
    );
    mesh.waypoint.wait_for_text("504 UT response_timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_decide_who_may_do_what() {
    let policies = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: allow-sleep}
spec:
  targetRefs: [{group: "", kind: Service, name: app}]
  action: ALLOW
  rules:
  - from: [{source: {principals: [cluster.local/ns/default/sa/sleep]}}]
    to: [{operation: {methods: [GET]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-admin}
spec:
  targetRefs: [{group: "", kind: Service, name: app}]
  action: DENY
  rules: [{to: [{operation: {paths: [/admin, /admin/*]}}]}]
"#;
    let mesh = Lone::start(&[("policies.yaml", policies)]).await;
    let denied = (StatusCode::FORBIDDEN, "RBAC: access denied".to_owned());
    let answer = |answer: cairn_tests::Answer| (answer.status, answer.body);
    let send = |account, request| mesh.send_as(account, request);
    assert_eq!(mesh.get("/").await.status, StatusCode::OK);
    assert_eq!(
        answer(send("notsleep", Request::get("/").body("").unwrap()).await),
        denied
    );
    assert_eq!(
        answer(send("sleep", Request::post("/").body("").unwrap()).await),
        denied
    );
    mesh.waypoint
        .wait_for_text("403 - rbac_access_denied_matched_policy[none]");
    for path in [
        "/admin",
        "/admin/x",
        "/a/../admin",
        "/%61dmin",
        "/a/%2e%2e/admin",
        "/./admin",
    ] {
        assert_eq!(answer(mesh.get(path).await), denied, "{path}");
    }
    mesh.waypoint
        .wait_for_text("rbac_access_denied_matched_policy[ns[default]-policy[no-admin]-rule[0]]");
    let absolute = Request::get("http://app/admin").body("").unwrap();
    assert_eq!(answer(mesh.send(absolute).await), denied);
    assert!(
        mesh.v1
            .seen()
            .iter()
            .chain(&mesh.v2.seen())
            .all(|seen| seen.target == "/")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_policy_denies_what_it_selects_and_nothing_else() {
    let broken = r#"
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: broken}
spec:
  targetRefs: [{group: "", kind: Service, name: app}]
  action: DENY
  rules: [{from: [{source: {ipBlocks: [not-an-address]}}]}]
"#;
    let mesh = Lone::start(&[("broken.yaml", broken)]).await;
    assert_eq!(mesh.get("/").await.status, StatusCode::FORBIDDEN);
    mesh.waypoint.wait_for_text("not-an-address");
    mesh.directory.remove("broken.yaml");
    mesh.until("/", |answer| answer.status == StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_edited_is_live_without_a_restart() {
    let mesh = Lone::start(&[("routes.yaml", SPLIT)]).await;
    assert!(mesh.get("/v1").await.body.starts_with("backend v1"));
    mesh.directory
        .write("routes.yaml", &SPLIT.replace("{prefix: /v1}", "{prefix: /v3}"));
    mesh.until("/v1", |answer| answer.status == StatusCode::NOT_FOUND)
        .await;
    // A broken edit changes nothing.
    mesh.directory.write("routes.yaml", "hosts: [app\n  http: }");
    mesh.waypoint.wait_for_text("routes.yaml");
    assert!(mesh.get("/v3").await.body.starts_with("backend v1"));
    mesh.directory.remove("routes.yaml");
    mesh.until("/v1", |answer| answer.status == StatusCode::OK).await;
}
