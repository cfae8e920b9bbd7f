//! What bad filters do: nothing to anybody but their own request.

use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;

use crate::scene::{annotated, failures, line, marked, metric, plugin, probe, start, status, under_load};
use crate::scene::{get, posted};

/// What a filter may do wrong at a hook, the word for it, and what the log says of it.
const MISDEEDS: [(&str, &str, &str, &str); 31] = [
    ("request_head", "{do: panic}", "trap", "unreachable"),
    ("request_head", "{do: spin}", "cpu", "of CPU"),
    ("request_head", "{do: allocate}", "memory", "bytes of memory"),
    ("request_head", "{do: recurse}", "trap", "wasm trap"),
    (
        "request_head",
        "{do: set, name: x-a, value: \"1\\r\\nx-b: 2\"}",
        "illegal_edit",
        "`x-a`",
    ),
    (
        "request_head",
        "{do: append, name: x-a, value: \"1\\nx-b: 2\"}",
        "illegal_edit",
        "`x-a`",
    ),
    (
        "request_head",
        "{do: set, name: x-a, value: \"\\0\"}",
        "illegal_edit",
        "`x-a`",
    ),
    (
        "request_head",
        "{do: set, name: \"x-a: 1\\r\\nx-b\", value: '2'}",
        "illegal_edit",
        "a name is not that of a field",
    ),
    (
        "request_head",
        "{do: set, name: '', value: '2'}",
        "illegal_edit",
        "a name is not that of a field",
    ),
    (
        "request_head",
        "{do: set, name: ':protocol', value: websocket}",
        "illegal_edit",
        "`:protocol`",
    ),
    (
        "request_head",
        "{do: set, name: ':status', value: '200'}",
        "illegal_edit",
        "`:status`",
    ),
    (
        "request_head",
        "{do: append, name: ':path', value: /b}",
        "illegal_edit",
        "`:path`",
    ),
    (
        "request_head",
        "{do: set, name: ':path', value: no-slash}",
        "illegal_edit",
        "`:path`",
    ),
    (
        "request_head",
        "{do: set, name: ':path', value: \"/a HTTP/1.1\\r\\nx: y\"}",
        "illegal_edit",
        "`:path`",
    ),
    (
        "request_head",
        "{do: set, name: ':authority', value: 'user@app'}",
        "illegal_edit",
        "`:authority`",
    ),
    (
        "request_head",
        "{do: set, name: ':method', value: HEAD}",
        "illegal_edit",
        "HEAD",
    ),
    (
        "request_head",
        "{do: set, name: content-length, value: '5'}",
        "illegal_edit",
        "`content-length`",
    ),
    (
        "request_head",
        "{do: set, name: transfer-encoding, value: chunked}",
        "illegal_edit",
        "`transfer-encoding`",
    ),
    (
        "request_head",
        "{do: set, name: host, value: other}",
        "illegal_edit",
        "`:authority`",
    ),
    (
        "request_head",
        "{do: reply, status: 99}",
        "illegal_reply",
        "status 99",
    ),
    (
        "request_head",
        "{do: reply, status: 204, body: x}",
        "illegal_reply",
        "no body",
    ),
    (
        "request_head",
        "{do: reply, status: 200, headers: {content-length: '5'}}",
        "illegal_reply",
        "`content-length`",
    ),
    (
        "request_head",
        "{do: reply, status: 200, headers: {x-a: \"1\\r\\n\\r\\nx\"}}",
        "illegal_reply",
        "`x-a`",
    ),
    (
        "request_head",
        "{do: reply, status: 200, details: 'a b'}",
        "illegal_reply",
        "details",
    ),
    ("request_head", "{do: hold}", "limit", "without having subscribed"),
    (
        "request_head",
        "{do: metadata_size, bytes: 20000}",
        "limit",
        "metadata beyond",
    ),
    (
        "request_head",
        "{do: state_size, bytes: 70000}",
        "limit",
        "state beyond",
    ),
    ("request_body", "{do: panic}", "trap", "unreachable"),
    ("response_head", "{do: panic}", "trap", "unreachable"),
    (
        "response_head",
        "{do: set, name: content-length, value: '1'}",
        "illegal_edit",
        "`content-length`",
    ),
    (
        "response_head",
        "{do: set, name: ':status', value: '204'}",
        "illegal_edit",
        "`:status`",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_fails_takes_its_own_request_and_no_other() {
    let Some(probe) = probe() else { return };
    let plugins: Vec<_> = (0..)
        .zip(MISDEEDS)
        .map(|(number, (hook, misdeed, reason, _))| {
            let name = format!("bad-{number}");
            let config = format!("{{only_marked: true, {hook}: {misdeed}}}");
            // Little memory enough, and time enough, to reach the end of the one before that of the other.
            let limits = match reason {
                "memory" => "filters.cairn.io/memory: 2Mi, filters.cairn.io/cpu: 900ms",
                "cpu" => "filters.cairn.io/cpu: 20ms",
                _ => "filters.cairn.io/cpu: 900ms",
            };
            annotated(&plugin(&name, &probe, &config, ""), limits)
        })
        .collect();
    let plugins: Vec<&str> = plugins.iter().map(String::as_str).collect();
    let mesh = start(&plugins).await;
    under_load(&mesh, 80, async {
        for (number, (hook, misdeed, ..)) in (0..).zip(MISDEEDS) {
            let mark = format!("bad-{number}.{hook}");
            for _ in 0..2 {
                let answer = mesh.send(posted("/bad", &mark, "hello")).await;
                assert_eq!((answer.status.as_u16(), &*answer.body), (503, ""), "{misdeed}");
            }
        }
    })
    .await;
    for (number, (_, misdeed, reason, said)) in (0..).zip(MISDEEDS) {
        let name = format!("bad-{number}");
        line(
            &mesh,
            &format!(" 503 - wasm_fail_stream{{default/{name}:{reason}}} "),
        );
        let logged = line(&mesh, &format!("filter failed: {reason}: "));
        assert!(!logged.is_empty());
        let text = mesh.waypoint.text();
        let of_it = format!("plugin=\"default/{name}\"");
        let told = |line: &str| {
            line.contains(said) && (line.contains(&of_it) || line.contains(&format!("plugin=default/{name}")))
        };
        assert!(text.lines().any(told), "{misdeed}: {said}");
        assert_eq!(failures(&mesh, &name, reason).await, 2.0, "{misdeed}");
        assert_eq!(status(&mesh, &name).await["failures"][reason], 2, "{misdeed}");
    }
    let seen = mesh.v1.seen().into_iter().chain(mesh.v2.seen());
    let bad: Vec<_> = seen.filter(|seen| seen.headers.contains_key("x-b")).collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_open_leaves_out_the_filter_for_the_request_that_failed_and_for_no_other() {
    let Some(probe) = probe() else { return };
    let config = "{request_head: {do: all, actions: [{do: set, name: x-seen, value: '1'}, {do: field, name: x-crash, into: \
                  x-crash-was}]}, response_head: {do: panic}}";
    let mesh = start(&[&plugin("open", &probe, config, "  failStrategy: FAIL_OPEN")]).await;
    for count in 1..=5 {
        assert_eq!(mesh.send(get("/")).await.status, StatusCode::OK);
        let seen: Vec<_> = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).collect();
        assert_eq!(seen.len(), count);
        assert!(seen.iter().all(|seen| seen.headers.contains_key("x-seen")));
    }
}

/// A filter that fails is not passed by in silence, and it is asked again each time.
#[tokio::test(flavor = "multi_thread")]
async fn that_a_filter_fails_often_is_said() {
    let Some(probe) = probe() else { return };
    let config = "{only_marked: true, request_head: {do: panic}}";
    let mesh = start(&[&plugin("frail", &probe, config, "  failStrategy: FAIL_OPEN")]).await;
    assert_eq!(status(&mesh, "frail").await["failsOften"], false);
    under_load(&mesh, 80, async {
        for _ in 0..30 {
            assert_eq!(
                mesh.send(marked("/", "request_head")).await.status,
                StatusCode::OK
            );
        }
    })
    .await;
    line(&mesh, "the filter fails often: ");
    let said = mesh.waypoint.text().matches("the filter fails often: ").count();
    assert!(said <= 2, "once a minute, and not {said} times");
    let status = status(&mesh, "frail").await;
    assert_eq!(
        (&status["failsOften"], &status["status"]),
        (&true.into(), &"ready".into())
    );
    assert_eq!(status["failuresInLastMinute"], 30);
    assert_eq!(failures(&mesh, "frail", "trap").await, 30.0);
    assert_eq!(metric(&mesh, "cairn_filter_failing", "frail", &[]).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_try_is_made_in_a_fresh_instance_and_no_third() {
    let Some(probe) = probe() else { return };
    let config = "{only_marked: true, request_head: {do: count, into: x-count}, response_head: {do: panic}}";
    let mesh = start(&[&plugin("again", &probe, config, "  failStrategy: FAIL_RELOAD")]).await;
    under_load(&mesh, 80, async {
        for count in 1..=3 {
            let answer = mesh.send(marked("/again", "request_head,response_head")).await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(failures(&mesh, "again", "trap").await, f64::from(2 * count));
        }
    })
    .await;
    line(&mesh, " 503 - wasm_fail_stream{default/again:trap} ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_spins_delays_nobody() {
    let Some(probe) = probe() else { return };
    let config = "{only_marked: true, request_head: {do: spin}}";
    // The waypoint has one thread, and a filter that may keep it for half a second.
    let spin = annotated(&plugin("spin", &probe, config, ""), "filters.cairn.io/cpu: 500ms");
    let mesh = start(&[&spin]).await;
    let over = AtomicBool::new(false);
    let healthy = async {
        let mut answered = 0;
        while !over.load(Ordering::Relaxed) {
            assert_eq!(mesh.send(get("/healthy")).await.status, StatusCode::OK);
            answered += 1;
        }
        answered
    };
    let spins = async {
        let answer = mesh.send(marked("/spin", "request_head")).await;
        over.store(true, Ordering::Relaxed);
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    };
    let (answered, ()) = tokio::join!(healthy, spins);
    assert!(
        answered >= 10,
        "{answered} requests were answered while the filter was spinning"
    );
    line(&mesh, "wasm_fail_stream{default/spin:cpu}");
}

/// One that is told of the end, and one that is told of the time.
#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_no_request_waits_for_fail_alone() {
    let Some(probe) = probe() else { return };
    let end = plugin("end", &probe, "{only_marked: true, done: {do: panic}}", "");
    let tick = plugin("tick", &probe, "{subscribe: {tick: 20}, tick: {do: panic}}", "");
    let mesh = start(&[&end, &tick]).await;
    under_load(&mesh, 80, async {
        assert_eq!(mesh.send(marked("/", "done")).await.status, StatusCode::OK);
    })
    .await;
    line(&mesh, "filter failed: trap");
    assert_eq!(failures(&mesh, "end", "trap").await, 1.0);
    line(&mesh, "tick failed: trap");
    while failures(&mesh, "tick", "trap").await < 12.0 {
        assert_eq!(mesh.send(get("/")).await.status, StatusCode::OK);
    }
    let said = mesh.waypoint.text().matches("tick failed").count();
    assert!(said <= 2, "once a minute, and not {said} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_never_answered_ends_in_time() {
    let Some(probe) = probe() else { return };
    let call = "do: call, target: 'app.default.svc.cluster.local:90', path: /silent, into: x-call";
    // The first is answered with an error, and the request goes on. The other makes calls until its hook has taken too long.
    let patient = format!("{{only_marked: true, request_head: {{{call}, timeout_ms: 300}}}}");
    let calls = vec![format!("{{{call}, timeout_ms: 600}}"); 5].join(", ");
    let stubborn = format!("{{only_marked: true, request_head: {{do: all, actions: [{calls}]}}}}");
    let ours = |plugin: String| plugin.replace("cluster.local:80'", "cluster.local:90'");
    let plugins = [
        ours(plugin("patient", &probe, &patient, "")),
        annotated(
            &ours(plugin("stubborn", &probe, &stubborn, "")),
            "filters.cairn.io/timeout: 1s",
        ),
    ];
    let mesh = start(&[&plugins[0], &plugins[1]]).await;
    // They take connections and say nothing.
    let silent = [21, 22].map(|host| std::net::TcpListener::bind(mesh.network.socket(host, 8090)).unwrap());
    under_load(&mesh, 80, async {
        let answer = mesh.send(marked("/asked", "patient.request_head")).await;
        assert_eq!(answer.status, StatusCode::OK);
        let answer = mesh.send(marked("/asked", "stubborn.request_head")).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    })
    .await;
    let seen: Vec<_> = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).collect();
    let asked = seen.iter().find(|seen| seen.target == "/asked").unwrap();
    assert!(
        asked.headers["x-call"].to_str().unwrap().contains("Timeout"),
        "{asked:?}"
    );
    drop(silent);
    line(&mesh, " 503 - wasm_fail_stream{default/stubborn:timeout} ");
    assert_eq!(failures(&mesh, "stubborn", "timeout").await, 1.0);
}
