//! What filters may use, and how long they are used.

use cairn_tests::{Lone, samples};
use http::StatusCode;

use crate::scene::{annotated, failures, get, line, marked, metric, plugin, probe, start, under_load};

/// Sees the declared port only; healthy requests go to the other.
const HERE: &str = "  match: [{ports: [{number: 80}]}]";

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_logs_without_end_is_cut_short() {
    let Some(probe) = probe() else { return };
    let flood = |count: u32, text: &str| {
        format!("{{only_marked: true, request_head: {{do: log, count: {count}, text: {text}}}}}")
    };
    let plugins = [
        annotated(
            &plugin("chatty", &probe, &flood(1000, "chatter"), ""),
            "filters.cairn.io/log-lines: '7', filters.cairn.io/cpu: 1s",
        ),
        annotated(
            &plugin("endless", &probe, &flood(u32::MAX, "babble"), ""),
            "filters.cairn.io/log-lines: '7', filters.cairn.io/cpu: 50ms",
        ),
    ];
    let mesh = start(&[&plugins[0], &plugins[1]]).await;
    under_load(&mesh, 80, async {
        let answer = mesh.send(marked("/", "chatty.request_head")).await;
        assert_eq!(answer.status, StatusCode::OK);
        let answer = mesh.send(marked("/", "endless.request_head")).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    })
    .await;
    line(&mesh, "wasm_fail_stream{default/endless:cpu}");
    let written = |text: &str| mesh.waypoint.text().matches(text).count();
    let dropped = metric(&mesh, "cairn_filter_dropped_log_lines_total", "chatty", &[]).await;
    assert!((7..=70).contains(&written("chatter ")), "{}", written("chatter "));
    assert_eq!(
        f64::from(u32::try_from(written("chatter ")).unwrap()) + dropped,
        1000.0
    );
    assert!((7..=70).contains(&written("babble ")), "{}", written("babble "));
    line(
        &mesh,
        &format!("{dropped} lines of the filter were dropped: it may write 7 in a second"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_counts_without_bound_has_bounded_series() {
    let Some(probe) = probe() else { return };
    let config = "{only_marked: true, request_head: {do: metrics, sets: 10000}}";
    let mesh = start(&[&annotated(
        &plugin("counts", &probe, config, ""),
        "filters.cairn.io/cpu: 1s",
    )])
    .await;
    under_load(&mesh, 80, async {
        assert_eq!(
            mesh.send(marked("/", "request_head")).await.status,
            StatusCode::OK
        );
    })
    .await;
    let samples = samples(mesh.network.socket(30, 15020)).await;
    let counted = samples
        .iter()
        .filter(|sample| sample.name == "cairn_filter_probe_calls_total");
    assert_eq!(counted.count(), 257);
    let other = metric(
        &mesh,
        "cairn_filter_probe_calls_total",
        "counts",
        &[("label", "other")],
    )
    .await;
    assert_eq!(other, 9744.0);
    line(&mesh, "metric `probe_calls` has more than 256 sets of labels");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_an_instance_is_bounded() {
    let Some(probe) = probe() else { return };
    let call =
        "do: call, target: 'app.default.svc.cluster.local:91', path: /call, timeout_ms: 20000, into: x-call";
    let config = format!("{{only_marked: true, request_head: {{{call}}}}}");
    let one = "filters.cairn.io/instances: '1', filters.cairn.io/wait: 50ms, filters.cairn.io/timeout: 20s";
    let one = |more: &str| {
        let plugin = plugin("one", &probe, &config, &format!("{HERE}\n{more}"));
        annotated(&plugin.replace("cluster.local:80'", "cluster.local:91'"), one)
    };
    let mesh = start(&[&one("")]).await;
    let occupied = |mesh: &Lone| mesh.v1.waiting() + mesh.v2.waiting() > 0;
    for (strategy, status) in [("", 503), ("  failStrategy: FAIL_OPEN", 200)] {
        if !strategy.is_empty() {
            mesh.directory.write("plugin-0.yaml", &one(strategy));
            mesh.until("/", |_| {
                mesh.waypoint.text().matches("filter in force").count() == 2
            })
            .await;
        }
        mesh.v1.stall();
        mesh.v2.stall();
        let occupying = mesh.try_send(80, marked("/slow", "request_head"));
        let refused = async {
            while !occupied(&mesh) {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            if status == 200 {
                // It goes on without the filter, and waits for its endpoint with the other.
                let answer = mesh.try_send(80, get("/busy"));
                let resume = async {
                    while mesh.v1.waiting() + mesh.v2.waiting() < 2 {
                        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    }
                    mesh.v1.resume();
                    mesh.v2.resume();
                };
                return tokio::join!(answer, resume).0;
            }
            let answer = mesh.try_send(80, get("/busy")).await;
            mesh.v1.resume();
            mesh.v2.resume();
            answer
        };
        let (slow, busy) = tokio::join!(occupying, refused);
        assert_eq!(
            (slow.unwrap().status.as_u16(), busy.unwrap().status.as_u16()),
            (200, status)
        );
    }
    line(&mesh, " 503 - wasm_fail_stream{default/one:busy} ");
    line(&mesh, "none of 1 instances became free in 50ms");
    assert_eq!(failures(&mesh, "one", "busy").await, 2.0);
}

/// What a guest keeps in its memory is there for the next request, until the instance has served its time.
#[tokio::test(flavor = "multi_thread")]
async fn instances_are_used_so_often_and_no_more() {
    let Some(probe) = probe() else { return };
    let config = "{response_head: {do: count, into: x-count}}";
    for (annotations, expected) in [
        ("filters.cairn.io/isolation: request", "1 1 1 1 1 1 1"),
        ("filters.cairn.io/uses: '3'", "1 2 3 1 2 3 1"),
        ("filters.cairn.io/uses: '1000'", "1 2 3 4 5 6 7"),
    ] {
        let mesh = start(&[&annotated(&plugin("counts", &probe, config, ""), annotations)]).await;
        let mut counts = Vec::new();
        for _ in 0..7 {
            counts.push(mesh.send(get("/")).await.header("x-count").to_owned());
        }
        assert_eq!(counts.join(" "), expected, "{annotations}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticker_runs_with_its_grant_and_not_without() {
    let Some(probe) = probe() else { return };
    let config = "{subscribe: {tick: 10}, tick: {do: metrics}}";
    let granted = plugin("granted", &probe, config, "");
    let denied = plugin("denied", &probe, config, HERE).replace("'shared, ticker'", "shared");
    let mesh = start(&[&granted, &denied]).await;
    line(&mesh, "imports `tick`, which the plugin is not granted");
    assert_eq!(mesh.send(get("/")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let ticks = async |plugin| {
        metric(
            &mesh,
            "cairn_filter_probe_calls_total",
            plugin,
            &[("label", "set-1")],
        )
        .await
    };
    while ticks("granted").await < 3.0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(ticks("denied").await, 0.0);
}
