//! What bad filters do: nothing to anybody but their own request.

use cairn_tests::Lone;
use http::StatusCode;

use crate::scene::{get, line, marked, plugin, probe, start};

/// What a filter may do wrong at the head of a request, and the word for it.
const MISDEEDS: [(&str, &str); 8] = [
    ("{do: panic}", "trap"),
    ("{do: spin}", "cpu"),
    ("{do: allocate}", "memory"),
    ("{do: recurse}", "trap"),
    ("{do: set, name: content-length, value: '5'}", "illegal_edit"),
    ("{do: set, name: x-a, value: \"1\\r\\nx-b: 2\"}", "illegal_edit"),
    ("{do: set, name: ':path', value: no-slash}", "illegal_edit"),
    ("{do: reply, status: 99}", "illegal_reply"),
];

async fn is_unharmed(mesh: &Lone) {
    for _ in 0..5 {
        let answer = mesh.send(get("/healthy")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_fails_takes_its_own_request_and_no_other() {
    let Some(probe) = probe() else { return };
    for (misdeed, reason) in MISDEEDS {
        let config = format!("{{only_marked: true, request_head: {misdeed}}}");
        let mut bad = plugin("bad", &probe, &config, "");
        if reason == "memory" {
            // Little enough to reach its end before that of the CPU time.
            let less = "annotations: {filters.cairn.io/memory: 2Mi, filters.cairn.io/cpu: 500ms, ";
            bad = bad.replace("annotations: {", less);
        }
        let mesh = start(&[&bad]).await;
        for _ in 0..3 {
            let answer = mesh.send(marked("/bad", "request_head")).await;
            assert_eq!((answer.status.as_u16(), &*answer.body), (503, ""), "{misdeed}");
            is_unharmed(&mesh).await;
        }
        line(
            &mesh,
            &format!(" 503 - wasm_fail_stream{{default/bad:{reason}}} "),
        );
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_spins_delays_nobody() {
    let Some(probe) = probe() else { return };
    let config = "{only_marked: true, request_head: {do: spin}}";
    let mesh = start(&[&plugin("spin", &probe, config, "")]).await;
    let spinning = async {
        for _ in 0..10 {
            let answer = mesh.send(marked("/spin", "request_head")).await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    let healthy = async {
        for _ in 0..100 {
            assert_eq!(mesh.send(get("/healthy")).await.status, StatusCode::OK);
        }
    };
    tokio::join!(spinning, healthy);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_fails_in_the_response_takes_the_response() {
    let Some(probe) = probe() else { return };
    let config = "{only_marked: true, response_head: {do: panic}}";
    let mesh = start(&[&plugin("bad", &probe, config, "")]).await;
    let answer = mesh.send(marked("/", "response_head")).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (503, ""));
    is_unharmed(&mesh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_fails_in_the_body_takes_its_own_exchange() {
    let Some(probe) = probe() else { return };
    let config = "{only_marked: true, request_body: {do: panic}}";
    let mesh = start(&[&plugin("bad", &probe, config, "")]).await;
    let post = http::Request::post("/")
        .header("x-probe", "request_body")
        .body("hello")
        .unwrap();
    let answer = mesh.send(post).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.body);
    line(&mesh, "wasm_fail_stream{default/bad:trap}");
    is_unharmed(&mesh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_never_answered_ends_in_time() {
    let Some(probe) = probe() else { return };
    let config = "{only_marked: true, request_head: {do: call, target: 'app.default.svc.cluster.local:80', path: /stall, \
                  timeout_ms: 300, into: x-call}}";
    let mesh = start(&[&plugin("call", &probe, config, "")]).await;
    mesh.v1.stall();
    mesh.v2.stall();
    let asked = async {
        let answer = mesh.send(marked("/asked", "request_head"));
        tokio::time::timeout(std::time::Duration::from_secs(20), answer).await
    };
    let release = async {
        // The call has been given up when the request itself reaches a backend.
        for _ in 0..400 {
            let seen = mesh.v1.seen().into_iter().chain(mesh.v2.seen());
            if seen.into_iter().any(|seen| seen.target == "/asked") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        mesh.v1.resume();
        mesh.v2.resume();
    };
    let (answer, ()) = tokio::join!(asked, release);
    assert_eq!(answer.expect("in time").status, StatusCode::OK);
    let seen: Vec<_> = mesh.v1.seen().into_iter().chain(mesh.v2.seen()).collect();
    let asked = seen.iter().find(|seen| seen.target == "/asked").unwrap();
    assert!(
        asked.headers["x-call"].to_str().unwrap().contains("Timeout"),
        "{asked:?}"
    );
}
