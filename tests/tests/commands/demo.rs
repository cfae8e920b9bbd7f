//! `cairn demo`, on the addresses of the example.

use cairn_tests::{Exclusive, Output, Process, binary, eventually};

/// Runs the demo; somebody at work on this machine may have one running.
fn demo() -> Output {
    eventually("nobody else runs a demo", || {
        let output = Process::start(&binary("cairn"), &["demo", "--once"]).wait();
        (!output.errors.contains("address already in use")).then_some(output)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_what_it_promises() {
    let _addresses = Exclusive::take().await;
    let output = demo();
    assert_eq!(output.code, Some(0), "{}", output.text);
    assert_eq!(output.errors, "", "{}", output.text);
    let lines: Vec<&str> = output.text.lines().collect();
    // What, expected, observed, how long.
    for (what, expected, observed, took) in [
        (
            "sleep GET /hello",
            "200 from v1 or v2, by waypoint",
            ", by waypoint",
            "ms",
        ),
        ("sleep GET /hello", "200 after 5 s", "200", "s"),
        ("sleep GET /health", "200 at once", "200", ""),
        (
            "sleep GET /hello",
            "503 fault filter abort",
            "503 fault filter abort",
            "",
        ),
        (
            "sleep GET /hello, 200 x",
            "154 to 197 from v1, else v2",
            " from v1, ",
            "",
        ),
        (
            "notsleep GET /hello",
            "403 RBAC: access denied",
            "403 RBAC: access denied",
            "",
        ),
        (
            "sleep POST /hello",
            "403 RBAC: access denied",
            "403 RBAC: access denied",
            "",
        ),
        ("allow-sleep.yaml edited", "live within 1 s", "live", "s"),
        (
            "sleep GET /hello, ", // and how many a second there were
            "200, then 403; none lost",
            " x 403",
            "",
        ),
        (
            "sleep GET /hello",
            "ztunnel, waypoint, ztunnel",
            "ztunnel, waypoint, ztunnel",
            "s",
        ),
    ] {
        let is_line = |line: &str| {
            let rest = line.trim_start().strip_prefix("ok").map(str::trim_start);
            let (before, after) = rest
                .and_then(|rest| rest.split_once(expected))
                .unwrap_or_default();
            before.starts_with(what) && after.contains(observed) && after.ends_with(took)
        };
        assert!(
            lines.iter().any(|line| is_line(line)),
            "{what} → {expected} → {observed}:\n{}",
            output.text
        );
    }
    // The three lines of one request, in the order in which it passes.
    let at = |start: &str, contains: &str| {
        let found = lines
            .iter()
            .position(|line| line.trim_start().starts_with(start) && line.contains(contains));
        found.unwrap_or_else(|| panic!("{start} with {contains}:\n{}", output.text))
    };
    let outbound = at("ztunnel |", "direction=\"outbound\"");
    let waypoint = at(
        "waypoint default/namespace |",
        "\"GET /hello HTTP/1.1\" 200 - via_upstream",
    );
    let inbound = at("ztunnel |", "direction=\"inbound\"");
    assert!(outbound < waypoint && waypoint < inbound, "{}", output.text);
    assert!(output.text.contains("checks came as expected"), "{}", output.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_cannot_start_says_why() {
    let _addresses = Exclusive::take().await;
    let held = std::net::TcpListener::bind("127.0.10.1:5000");
    let output = Process::start(&binary("cairn"), &["demo", "--once"]).wait();
    drop(held);
    assert_eq!(output.code, Some(1), "{}", output.text);
    assert_eq!(output.errors.lines().count(), 1, "{}", output.text);
    assert!(
        output
            .errors
            .starts_with("cairn: the demo does not start (is another one running?): cannot listen on 127.0."),
        "{}",
        output.errors
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_stays_up_and_says_what_to_try() {
    let _addresses = Exclusive::take().await;
    let demo = eventually("nobody else runs a demo", || {
        let mut demo = Process::start(&binary("cairn"), &["demo"]);
        eventually("it is up, or cannot be", || {
            let up = demo.text().contains("Ctrl-C stops the mesh");
            (up || !demo.is_running()).then_some(())
        });
        demo.is_running().then_some(demo)
    });
    let text = demo.text();
    assert!(text.contains("checks came as expected"), "{text}");
    let sleep = "--interface 127.0.20.3 http://127.0.10.1:5000/hello";
    assert!(text.contains(sleep), "{text}");
    let client = cairn_tests::Client::from("127.0.20.3".parse().unwrap());
    let answer = client
        .get("127.0.10.1:5000".parse().unwrap(), "/hello")
        .await
        .unwrap();
    assert!(answer.body.starts_with("Hello version: v"), "{}", answer.body);
    demo.terminate();
    assert_eq!(demo.wait().code, Some(0));
}
