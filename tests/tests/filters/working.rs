//! What filters do when all goes well.

use cairn_tests::Client;
use http::{Request, StatusCode};

use crate::scene::{get, line, plugin, probe, start};

#[tokio::test(flavor = "multi_thread")]
async fn requests_pass_filters_by_phase_and_priority_and_responses_come_back_the_other_way() {
    let Some(probe) = probe() else { return };
    let mark = |name: &str, more: &str| {
        let config = format!(
            "{{request_head: {{do: append, name: x-order, value: {name}}}, response_head: {{do: append, name: x-order, value: \
             {name}}}}}"
        );
        plugin(name, &probe, &config, more)
    };
    let plugins = [
        mark("last", ""),
        mark("stats", "  phase: STATS"),
        mark("authz", "  phase: AUTHZ"),
        mark("authn-low", "  phase: AUTHN\n  priority: -1"),
        mark("authn-high", "  phase: AUTHN\n  priority: 10"),
        mark("elsewhere", "  match: [{ports: [{number: 91}]}]"),
    ];
    let plugins: Vec<&str> = plugins.iter().map(String::as_str).collect();
    let mesh = start(&plugins).await;
    let answer = mesh.send(get("/")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let order = |headers: &http::HeaderMap| {
        let values = headers.get_all("x-order").iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let there = ["authn-high", "authn-low", "authz", "stats", "last"];
    let seen = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).next().unwrap();
    assert_eq!(order(&seen.headers), there);
    let mut back = there;
    back.reverse();
    assert_eq!(order(&answer.headers), back);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_passes_the_filters_before_it_and_no_other() {
    let Some(probe) = probe() else { return };
    let mark = |name: &str, phase: &str| {
        let config = format!(
            "{{response_head: {{do: set, name: x-{name}, value: '1'}}, done: {{do: log, text: told-{name}}}}}"
        );
        plugin(name, &probe, &config, &format!("  phase: {phase}"))
    };
    let reply =
        "{request_head: {do: reply, status: 429, body: slow down, headers: {x-own: '1'}, details: limited}}";
    let plugins = [
        mark("first", "AUTHN"),
        plugin("reply", &probe, reply, "  phase: AUTHZ"),
        mark("never", "STATS"),
    ];
    let plugins: Vec<&str> = plugins.iter().map(String::as_str).collect();
    let mesh = start(&plugins).await;
    let answer = mesh.send(get("/")).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (429, "slow down"));
    assert_eq!(
        (
            answer.header("x-first"),
            answer.header("x-own"),
            answer.header("x-never")
        ),
        ("1", "1", "")
    );
    assert!(mesh.v1.seen().is_empty() && mesh.v2.seen().is_empty());
    line(&mesh, " 429 - limited ");
    // The end is told to those that the request has come to.
    line(&mesh, "told-first");
    assert!(!mesh.waypoint.text().contains("told-never"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_a_filter_changed_is_authorized_and_routed_again() {
    let Some(probe) = probe() else { return };
    let policy = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny}
spec:
  targetRefs: [{group: '', kind: Service, name: app}]
  action: DENY
  rules: [{to: [{operation: {paths: [/secret]}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app]
  http:
  - match: [{uri: {prefix: /v1}}]
    route: [{destination: {host: app, subset: v1}}]
  - route: [{destination: {host: app, subset: v2}}]
";
    let move_to = |path: &str| {
        let config = format!("{{request_head: {{do: set, name: ':path', value: {path}}}}}");
        plugin("move", &probe, &config, "")
    };
    let mesh = start(&[policy, &move_to("/secret")]).await;
    let answer = mesh.send(get("/open")).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.body),
        (403, "RBAC: access denied")
    );
    // Neither may a filter go round the form in which paths are compared.
    mesh.directory.write("plugin-1.yaml", &move_to("/x/../secret"));
    cairn_tests::eventually("the second generation", || {
        (mesh.waypoint.text().matches("filter in force").count() == 2).then_some(())
    });
    assert_eq!(mesh.send(get("/open")).await.status, StatusCode::FORBIDDEN);
    mesh.directory.write("plugin-1.yaml", &move_to("/v1/moved"));
    for _ in 0..200 {
        if mesh.send(get("/open")).await.status == StatusCode::OK {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(mesh.v1.seen()[0].target, "/v1/moved");
    assert!(mesh.v2.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_streamed_replaced_and_held() {
    let Some(probe) = probe() else { return };
    let config = "{only_marked: true, request_head: {do: hold}, request_body: {do: release}, response_body: {do: replace}}";
    let mesh = start(&[&plugin("body", &probe, config, "")]).await;
    let post = |hooks| Request::post("/").header("x-probe", hooks).body("hello").unwrap();
    let answer = mesh.send(post("response_body")).await;
    assert!(answer.body.starts_with("BACKEND V"), "{}", answer.body);
    let answer = mesh.send(post("request_head,request_body")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let seen = mesh.v1.seen().into_iter().chain(mesh.v2.seen());
    let held: Vec<_> = seen
        .filter(|seen| seen.headers.contains_key("x-length"))
        .collect();
    assert_eq!(
        (held.len(), &held[0].headers["x-length"], &held[0].body[..]),
        (1, &"5".parse().unwrap(), &b"hello"[..])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_to_be_gathered_is_refused() {
    let Some(probe) = probe() else { return };
    let config = "{subscribe: {request_body: 4}, request_body: {do: next}}";
    let mesh = start(&[&plugin("body", &probe, config, "")]).await;
    let post = |body| Request::post("/").body(body).unwrap();
    assert_eq!(mesh.send(post("four")).await.status, StatusCode::OK);
    assert_eq!(
        mesh.send(post("five!")).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    line(&mesh, " 413 - request_payload_too_large ");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_know_the_client_keep_state_share_values_and_call_services() {
    let Some(probe) = probe() else { return };
    let first = "{request_head: {do: all, actions: [{do: metadata_set, key: k, value: v}, {do: attribute, path: \
                 source.principal, into: x-peer}]}}";
    let second = "{request_head: {do: all, actions: [{do: metadata_get, filter: first, key: k, into: x-note}, {do: shared_add, \
                  key: n, by: 2, into: x-sum}, {do: state_append, text: kept}, {do: call, target: \
                  'app.default.svc.cluster.local:80', path: /called, timeout_ms: 5000, into: x-call}]}, response_head: {do: \
                  state_get, into: x-state}}";
    let plugins = [
        plugin("first", &probe, first, "  phase: AUTHN"),
        plugin("second", &probe, second, ""),
    ];
    let mesh = start(&[&plugins[0], &plugins[1]]).await;
    for sum in ["2", "4"] {
        let answer = mesh.send(get("/asked")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.header("x-state"), "kept");
        let seen: Vec<_> = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).collect();
        let asked = seen
            .iter()
            .find(|seen| seen.target == "/asked" && seen.headers["x-sum"] == sum)
            .unwrap();
        assert_eq!(asked.headers["x-peer"], "cluster.local/ns/default/sa/sleep");
        assert_eq!(asked.headers["x-note"], "v");
        let call = asked.headers["x-call"].to_str().unwrap();
        assert!(call.starts_with("200"), "{call}");
        assert!(seen.iter().any(|seen| seen.target == "/called"));
    }
    let stats = Client::from(mesh.network.ip(11))
        .get(mesh.network.socket(30, 15020), "/stats/prometheus")
        .await
        .unwrap();
    assert!(
        stats
            .body
            .contains("cairn_filter_calls_total{plugin=\"default/second\"} 4"),
        "{}",
        stats.body
    );
}

/// What a filter notes decides about policies and routes, and stands in the access log; that of a hook that fails does not.
#[tokio::test(flavor = "multi_thread")]
async fn what_filters_note_is_known_to_policies_routes_and_the_log() {
    let Some(probe) = probe() else { return };
    let rules = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: gold}
spec:
  targetRefs: [{group: '', kind: Service, name: app}]
  rules: [{when: [{key: 'experimental.envoy.filters.tagger[level]', values: [gold, silver]}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: app}
spec:
  hosts: [app]
  http:
  - match: [{headers: {'@filter.metadata[tagger][level]': {exact: silver}}}]
    route: [{destination: {host: app, subset: v2}}]
  - route: [{destination: {host: app, subset: v1}}]
";
    let tag = |level: &str, then: &str, more: &str| {
        let config = format!(
            "{{request_head: {{do: all, actions: [{{do: metadata_set, key: level, value: {level}}}{then}]}}}}"
        );
        plugin("p", &probe, &config, &format!("  pluginName: tagger\n{more}"))
    };
    let mesh = start(&[rules, &tag("gold", "", "  phase: AUTHZ")]).await;
    let mut config = std::fs::read_to_string(mesh.directory.path().join("mesh.yaml")).unwrap();
    let format = "accessLogFormat: 'level=%DYNAMIC_METADATA(tagger:level)%,'";
    config = config.replace(
        "data: {mesh: \"accessLogFile: /dev/stdout\"}",
        &format!("data: {{mesh: \"{{accessLogFile: /dev/stdout, {format}}}\"}}"),
    );
    mesh.directory.write("mesh.yaml", &config);
    let answer = mesh
        .until("/", |_| mesh.waypoint.text().contains("level=gold,"))
        .await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "backend v1: "));
    let change = |plugin: &str| mesh.directory.write("plugin-1.yaml", plugin);
    change(&tag("silver", "", "  phase: AUTHZ"));
    mesh.until("/", |answer| answer.body.starts_with("backend v2"))
        .await;
    change(&tag("tin", "", "  phase: AUTHZ"));
    mesh.until("/", |answer| answer.status == StatusCode::FORBIDDEN)
        .await;
    // After authorization it is too late for a first word; a later one is asked about again.
    change(&tag("gold", "", "  phase: STATS"));
    line(&mesh, "level=tin,");
    mesh.until("/", |_| {
        mesh.waypoint.text().matches("filter in force").count() == 4
    })
    .await;
    assert_eq!(mesh.get("/").await.status, StatusCode::FORBIDDEN);
    // A hook that fails has noted nothing, though its request goes on.
    change(&tag(
        "gold",
        ", {do: panic}",
        "  phase: AUTHZ\n  failStrategy: FAIL_OPEN",
    ));
    mesh.until("/", |_| {
        mesh.waypoint.text().matches("filter in force").count() == 5
    })
    .await;
    assert_eq!(mesh.get("/").await.status, StatusCode::FORBIDDEN);
    line(&mesh, "filter failed");
}
