//! Bodies and trailers: held, released, too large, and broken by what filters do to them.

use cairn_tests::Answer;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::scene::{annotated, failures, get, line, metric, plugin, posted, probe, start, under_load};

/// More than comes with one read.
fn large() -> String {
    "x".repeat(1 << 20)
}

/// HTTP/2 all the way.
const GRPC_PORT: u16 = 92;

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static("x-sent"), HeaderValue::from_static("1"))])
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass_filters_in_both_directions() {
    let Some(probe) = probe() else { return };
    let config = "{request_trailers: {do: set, name: x-there, value: '1'}, response_trailers: {do: all, actions: [{do: remove, \
                  name: x-sent}, {do: append, name: x-back, value: '1'}]}}";
    let mesh = start(&[&plugin("trailers", &probe, config, "")]).await;
    let answer = mesh.try_http2(GRPC_PORT, posted("/", "", "hello"), trailers());
    let answer = answer.await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let has = |name| answer.trailers.contains_key(name);
    assert_eq!(
        (has("x-there"), has("x-sent"), has("x-back")),
        (true, false, true)
    );
    let seen = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).next().unwrap();
    assert!(seen.headers.contains_key("x-sent") && seen.headers.contains_key("x-there"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_fails_at_trailers_takes_its_own_exchange() {
    let Some(probe) = probe() else { return };
    let config = |misdeed: &str| {
        format!("{{only_marked: true, request_trailers: {misdeed}, response_trailers: {misdeed}}}")
    };
    let plugins = [
        plugin("panics", &probe, &config("{do: panic}"), ""),
        plugin(
            "frames",
            &probe,
            &config("{do: set, name: content-length, value: '5'}"),
            "",
        ),
        plugin(
            "heads",
            &probe,
            &config("{do: set, name: ':status', value: '200'}"),
            "",
        ),
    ];
    let mesh = start(&[&plugins[0], &plugins[1], &plugins[2]]).await;
    under_load(&mesh, 80, async {
        for (name, reason) in [
            ("panics", "trap"),
            ("frames", "illegal_edit"),
            ("heads", "illegal_edit"),
        ] {
            let send = async |hook: &str| {
                let mark = format!("{name}.{hook}");
                mesh.try_http2(GRPC_PORT, posted("/", &mark, "hello"), trailers())
                    .await
            };
            let answer = send("request_trailers").await.unwrap();
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{name}");
            // The response has begun, and must not look whole.
            assert_reset(send("response_trailers").await);
            assert_eq!(failures(&mesh, name, reason).await, 2.0);
        }
    })
    .await;
    line(&mesh, " 503 - wasm_fail_stream{default/panics:trap} ");
    line(&mesh, " 200 - wasm_fail_stream{default/panics:trap} ");
}

fn assert_reset(answer: anyhow::Result<Answer>) {
    let error = answer
        .map(|answer| (answer.status, answer.body.len()))
        .unwrap_err();
    let error = format!("{error:?}");
    assert!(
        error.contains("stream error") || error.contains("reset"),
        "{error}"
    );
}

/// Whatever comes in the way of a response that has begun: what the client has got does not look whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_a_filter_breaks_off_is_never_whole() {
    let Some(probe) = probe() else { return };
    let misdeeds = [
        ("panics", "{do: panic}"),
        ("spins", "{do: spin}"),
        (
            "replies",
            "{do: reply, status: 200, body: second, details: second}",
        ),
    ];
    let plugins = misdeeds.map(|(name, misdeed)| {
        let config = format!("{{only_marked: true, response_body: {{do: later, action: {misdeed}}}}}");
        plugin(name, &probe, &config, "")
    });
    let mesh = start(&[&plugins[0], &plugins[1], &plugins[2]]).await;
    let body = large();
    under_load(&mesh, 80, async {
        for (name, _) in misdeeds {
            let mark = format!("{name}.response_body");
            let answer = mesh.try_send(80, posted("/", &mark, &body)).await;
            assert!(answer.is_err(), "{name}");
            assert_reset(
                mesh.try_http2(GRPC_PORT, posted("/", &mark, &body), HeaderMap::new())
                    .await,
            );
        }
    })
    .await;
    line(&mesh, " 200 - wasm_fail_stream{default/panics:trap} ");
    line(&mesh, " 200 - wasm_fail_stream{default/spins:cpu} ");
    assert_eq!(failures(&mesh, "panics", "trap").await, 2.0);
}

/// What policies and routes have been asked about is what is sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_has_gone_on_cannot_be_changed() {
    let Some(probe) = probe() else { return };
    let policy = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny}
spec:
  targetRefs: [{group: '', kind: Service, name: app}]
  action: DENY
  rules: [{when: [{key: 'request.headers[x-admin]', values: ['*']}]}]
";
    let admin = "{do: set, name: x-admin, value: '1'}";
    // The second waits for the body, and so lets the first see it before the head is sent.
    let late = format!("{{only_marked: true, request_body: {admin}}}");
    let held = format!("{{only_marked: true, request_head: {{do: hold}}, request_body: {admin}}}");
    let twice =
        "{only_marked: true, request_head: {do: hold}, request_body: {do: set, name: x-a, value: '1'}}";
    let waits = "{only_marked: true, request_head: {do: hold}, request_body: {do: hold}}";
    let plugins = [
        plugin("late", &probe, &late, "  priority: 2"),
        plugin("twice", &probe, twice, "  priority: 1"),
        plugin("held", &probe, &held, "  priority: 1"),
        plugin("waits", &probe, waits, ""),
    ];
    let mesh = start(&[policy, &plugins[0], &plugins[1], &plugins[2], &plugins[3]]).await;
    let body = large();
    under_load(&mesh, 80, async {
        let waits = "waits.request_head,waits.request_body";
        let late = format!("late.request_body,{waits}");
        let answer = mesh.send(posted("/", &late, "hello")).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let held = "held.request_head,held.request_body";
        let answer = mesh.send(posted("/", held, "hello")).await;
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::FORBIDDEN, "RBAC: access denied")
        );
        // Released with the first part, and with the next.
        let twice = "twice.request_head,twice.request_body";
        let answer = mesh.send(posted("/", twice, &body)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    })
    .await;
    let seen = mesh.v1.seen().into_iter().chain(mesh.v2.seen());
    assert!(seen.into_iter().all(|seen| !seen.headers.contains_key("x-admin")));
    line(&mesh, " 503 - wasm_fail_stream{default/late:illegal_edit} ");
    line(&mesh, " 503 - wasm_fail_stream{default/twice:illegal_edit} ");
    line(&mesh, "changes a head that has gone on already");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_bounded() {
    let Some(probe) = probe() else { return };
    let config = "{only_marked: true, request_head: {do: hold}, request_body: {do: hold}, response_head: {do: hold}, \
                  response_body: {do: hold}}";
    let mesh = start(&[&annotated(
        &plugin("holds", &probe, config, ""),
        "filters.cairn.io/buffer: 64Ki",
    )])
    .await;
    let body = large();
    under_load(&mesh, 80, async {
        let answer = mesh.send(posted("/", "request_head,request_body", &body)).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        let answer = mesh.send(posted("/", "response_head,response_body", &body)).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        let all = "request_head,request_body,response_head,response_body";
        let answer = mesh.send(posted("/", all, "little")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.body.ends_with(": little"), "{}", answer.body);
    })
    .await;
    line(&mesh, " 413 - request_payload_too_large ");
    line(&mesh, " 500 - response_payload_too_large ");
}

/// Whether the response came, or the client went away before, even while a hook was under way.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_exchange_is_told_once() {
    let Some(probe) = probe() else { return };
    let call =
        "do: call, target: 'app.default.svc.cluster.local:91', path: /call, timeout_ms: 5000, into: x-call";
    let config = format!("{{only_marked: true, request_head: {{{call}}}, done: {{do: metrics}}}}");
    let end = plugin("end", &probe, &config, "").replace("cluster.local:80'", "cluster.local:91'");
    let mesh = start(&[&end]).await;
    let told = async || {
        let count = metric(
            &mesh,
            "cairn_filter_probe_calls_total",
            "end",
            &[("label", "set-1")],
        )
        .await;
        let failed = failures(&mesh, "end", "limit").await;
        (count, failed)
    };
    for _ in 0..3 {
        assert_eq!(
            mesh.send(posted("/", "done", "hello")).await.status,
            StatusCode::OK
        );
    }
    until(async || told().await == (3.0, 0.0)).await;
    mesh.v1.stall();
    mesh.v2.stall();
    for (mark, so_far) in [("done", 4.0), ("request_head,done", 5.0)] {
        {
            let mut gone = std::pin::pin!(mesh.try_send(80, posted("/", mark, "hello")));
            let before = mesh.v1.waiting() + mesh.v2.waiting();
            let waiting = async || mesh.v1.waiting() + mesh.v2.waiting() > before;
            tokio::select! {
                answer = &mut gone => panic!("{answer:?}"),
                () = until(waiting) => {}
            }
        }
        until(async || told().await == (so_far, 0.0)).await;
    }
    mesh.v1.resume();
    mesh.v2.resume();
    assert_eq!(mesh.send(get("/")).await.status, StatusCode::OK);
    assert_eq!(told().await, (5.0, 0.0));
}

async fn until(mut so: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("what was waited for has not come");
}
