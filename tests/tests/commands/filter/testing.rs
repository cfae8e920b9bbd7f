//! `cairn filter test`.

use std::path::Path;

use cairn_tests::{Output, component};

use super::{json, no_filters, on, probe};

/// Time is not what most of these are about: on a machine that is busy, 10 ms pass with little done.
fn configured(file: &Path, config: &str, more: &[&str]) -> Output {
    let mut arguments = vec!["--cpu", "1000", "--config", config];
    arguments.extend(more);
    on("test", file, &arguments)
}

#[track_caller]
fn says(output: &Output, parts: &[&str]) {
    for part in parts {
        assert!(output.text.contains(part), "{part}\n{}", output.text);
    }
}

#[test]
fn without_more_it_shows_what_a_filter_does_with_an_ordinary_request() {
    let Some(file) = probe() else { return };
    let output = on("test", &file, &[]);
    assert_eq!(output.code, Some(0), "{}", output.text);
    says(
        &output,
        &[
            "granted for this test: filters.cairn.io/grants: shared",
            "subscribes to nothing",
            "defines counter probe_calls{label}",
            "GET app.default.svc.cluster.local/ from spiffe://cluster.local/ns/default/sa/client",
            "the client gets, from the service:",
            r#""Hello.\n" (7 bytes)"#,
        ],
    );
}

#[test]
fn each_hook_shows_what_it_did() {
    let Some(file) = probe() else { return };
    let config = r#"{
        "request_head": {"do": "all", "actions": [
            {"do": "set", "name": ":path", "value": "/new"},
            {"do": "append", "name": "x-a", "value": "2"},
            {"do": "remove", "name": "x-b"},
            {"do": "attribute", "path": "source.namespace", "into": "x-from"},
            {"do": "attribute", "path": "weather", "into": "x-weather"},
            {"do": "log", "text": "hello"},
            {"do": "metrics", "sets": 1},
            {"do": "metadata_set", "key": "k", "value": "v"},
            {"do": "state_append", "text": "abc"},
            {"do": "shared_add", "key": "n", "by": 2, "into": "x-sum"},
            {"do": "call", "target": "auth:80", "path": "/x", "into": "x-answer"}]},
        "response_head": {"do": "state_get", "into": "x-state"},
        "response_body": {"do": "replace"},
        "done": {"do": "log", "text": "the end"}}"#;
    let arguments = [
        "--request",
        "GET /old",
        "-H",
        "x-a: 1",
        "-H",
        "x-b: 1",
        "--response-status",
        "404",
        "--response-body",
        "nothing",
        "--identity",
        "spiffe://a.b/ns/shop/sa/cart",
        "--attribute",
        "weather=fine",
        "--outbound",
        "auth:80=200:yes",
    ];
    let output = configured(&file, config, &arguments);
    assert_eq!(output.code, Some(0), "{}", output.text);
    says(
        &output,
        &[
            "on-request-head: next",
            "of CPU, ",
            "KiB",
            "~ :path: /old → /new",
            "+ x-a: 2",
            "- x-b: 1",
            "+ x-from: shop",
            "+ x-weather: fine",
            "+ x-sum: 2",
            "+ x-answer: 200 yes",
            "call GET auth:80/x → 200",
            "metadata k = \"v\"",
            "metric counter probe_calls{label=\"set-1\"} +1",
            "metric histogram probe_values 1 observed, sum +1",
            "log info  hello 1",
            "keeps 3 bytes",
            "404 Not Found from the service",
            "on-response-head: next",
            "+ x-state: abc",
            "on-response-body of 7 bytes, the last: replace",
            "body becomes \"NOTHING\" (7 bytes)",
            "on-done: ok",
            "log info  the end 1",
        ],
    );
    let mut arguments = arguments.to_vec();
    arguments.extend(["-o", "json"]);
    let told = json(&configured(&file, config, &arguments));
    let names: Vec<&str> = told["hooks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hook| hook["hook"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "on-request-head",
            "on-response-head",
            "on-response-body",
            "on-done"
        ]
    );
    let first = &told["hooks"][0];
    assert_eq!(first["verdict"], "next");
    assert_eq!(first["metadata"]["k"], "v");
    assert_eq!(first["calls"][0]["target"], "auth:80");
    assert_eq!(first["log"][0]["text"], "hello 1");
    assert!(first["cpuMicroseconds"].as_f64().unwrap() > 0.0);
    assert!(first["memoryBytes"].as_u64().unwrap() > 65536);
    assert_eq!(told["response"]["body"], "NOTHING");
    assert_eq!(
        (&told["failed"], &told["responseBy"]),
        (&false.into(), &"the service".into())
    );
}

#[test]
fn bodies_go_by_the_rules_of_the_waypoint() {
    let Some(file) = probe() else { return };
    let body = ["--request", "POST /", "--body", "abcdef", "--parts", "4"];
    // Held until the end, then released with what came before.
    let hold = r#"{"request_head": {"do": "hold"}, "request_body": {"do": "release"}}"#;
    let output = configured(&file, hold, &body);
    says(
        &output,
        &[
            "on-request-head: hold",
            "on-request-body of 4 bytes: hold",
            "on-request-body of 6 bytes, the last: release",
            "+ x-length: 6",
            r#""abcdef" (6 bytes)"#,
        ],
    );
    let sent = json(&configured(&file, hold, &[&body[..], &["-o", "json"]].concat()));
    let head = sent["request"]["head"].to_string();
    assert!(
        head.contains(r#"["x-length","6"]"#) && !head.contains("content-length"),
        "{head}"
    );
    // Without holding the head it is too late for the same.
    let late = configured(&file, r#"{"request_body": {"do": "release"}}"#, &body);
    assert_eq!(late.code, Some(1), "{}", late.text);
    says(
        &late,
        &["failed, illegal_edit: changes a head that has gone on already"],
    );
    // As a whole, or not at all.
    let whole = r#"{"subscribe": {"request_body": 6}, "request_body": {"do": "replace", "body": "z"}}"#;
    says(
        &configured(&file, whole, &body),
        &["on-request-body of 6 bytes, the last: replace", r#""z" (1 byte)"#],
    );
    let output = configured(&file, &whole.replace('6', "5"), &body);
    says(
        &output,
        &["the service gets nothing", "from the waypoint:", ":status: 413"],
    );
    let output = configured(&file, r#"{"subscribe": {"response_body": 2}}"#, &[]);
    says(&output, &["from the waypoint:", ":status: 500"]);
    // Trailers come after a last part that is empty.
    let trailers =
        r#"{"request_body": {"do": "next"}, "request_trailers": {"do": "set", "name": "x-t", "value": "2"}}"#;
    let output = configured(&file, trailers, &["--body", "ab", "--trailer", "x-t: 1"]);
    says(
        &output,
        &[
            "on-request-body of 2 bytes: pass",
            "on-request-body of 0 bytes, the last: pass",
            "on-request-trailers: ok",
            "~ x-t: 1 → 2",
            "x-t: 2  (trailer)",
        ],
    );
}

#[test]
fn a_filter_may_end_it() {
    let Some(file) = probe() else { return };
    let reply = r#"{"request_head": {"do": "reply", "status": 418, "body": "tea", "details": "tea", "headers": {"x-pot": "1"}},
        "response_head": {"do": "next"}, "done": {"do": "log"}}"#;
    let output = configured(&file, reply, &[]);
    assert_eq!(output.code, Some(0), "{}", output.text);
    says(
        &output,
        &[
            "on-request-head: reply 418 (tea)",
            "the service gets nothing",
            "on-done",
            "from the filter:",
            ":status: 418",
            "x-pot: 1",
            r#""tea""#,
        ],
    );
    assert!(!output.text.contains("on-response-head:"), "{}", output.text);
    let done = r#"{"request_head": {"do": "done"}, "request_body": {"do": "panic"}, "response_head": {"do": "panic"}, "done": {"do": "panic"}}"#;
    let output = configured(&file, done, &["--body", "a"]);
    assert_eq!(output.code, Some(0), "{}", output.text);
    says(&output, &["on-request-head: done"]);
}

#[test]
fn a_hook_that_fails_is_a_failure() {
    let Some(file) = probe() else { return };
    for (action, reason) in [
        (r#"{"do": "panic"}"#, "failed, trap: "),
        (r#"{"do": "spin"}"#, "failed, cpu: used more than 1s of CPU"),
        (
            r#"{"do": "allocate"}"#,
            "failed, memory: wanted more than 16777216 bytes",
        ),
        (r#"{"do": "recurse"}"#, "failed, trap: "),
        (
            r#"{"do": "hold"}"#,
            "holds a head without having subscribed to its body",
        ),
        (
            r#"{"do": "set", "name": "content-length", "value": "3"}"#,
            "failed, illegal_edit: `content-length`",
        ),
        (
            r#"{"do": "reply", "status": 99}"#,
            "failed, illegal_reply: status 99",
        ),
        (r#"{"do": "state_size", "bytes": 70000}"#, "state beyond 64 KiB"),
    ] {
        let output = configured(&file, &format!(r#"{{"request_head": {action}}}"#), &[]);
        assert_eq!(output.code, Some(1), "{}", output.text);
        says(&output, &[reason, "the service gets nothing", ":status: 503"]);
    }
    for hook in ["response_head", "response_body", "done"] {
        let output = configured(
            &file,
            &format!(r#"{{"{hook}": {{"do": "panic"}}}}"#),
            &["-o", "json"],
        );
        assert_eq!(output.code, Some(1), "{}", output.text);
        let told = json(&output);
        assert_eq!(told["failed"], true);
        assert_eq!(told["hooks"][0]["failure"]["reason"], "trap");
    }
    let tick = r#"{"subscribe": {"tick": 50}, "tick": {"do": "panic"}}"#;
    let output = configured(&file, tick, &[]);
    assert_eq!(output.code, Some(1), "{}", output.text);
    says(&output, &["tick: failed, trap"]);
}

#[test]
fn a_filter_that_does_not_load_says_why() {
    let Some(file) = probe() else { return };
    for (more, reason) in [
        (
            &["--config", r#"{"configure": "error"}"#][..],
            "refuses its configuration: configured to refuse",
        ),
        (
            &["--config", r#"{"no_such": 1}"#],
            "refuses its configuration: pluginConfig.no_such",
        ),
        (&["--config", r#"{"configure": "spin"}"#], "does not start: cpu"),
        (&["--grants", "none"], "which the plugin is not granted"),
        (
            &["--grants", "shared,ticker"],
            "here, with --grants or --outbound",
        ),
    ] {
        let output = on("test", &file, more);
        assert_eq!(output.code, Some(1), "{}", output.text);
        assert!(output.errors.contains(reason), "{reason}\n{}", output.text);
    }
    let Some(limit) = component("local-rate-limit") else {
        return;
    };
    let output = on("test", &limit, &[]);
    assert_eq!(output.code, Some(1));
    assert!(
        output.errors.contains("give one with --config"),
        "{}",
        output.text
    );
    let folder = tempfile::tempdir().unwrap();
    for (path, says) in no_filters(folder.path(), &std::fs::read(&file).unwrap()) {
        let output = on("test", &path, &[]);
        assert_eq!(output.code, Some(1), "{}", output.text);
        assert!(output.errors.contains(says), "{says}: {}", output.text);
    }
}

#[test]
fn services_answer_what_they_are_told_to() {
    let Some(file) = probe() else { return };
    let config = r#"{"request_head": {"do": "call", "target": "auth:80", "path": "/", "into": "x-answer"}}"#;
    for (service, answer) in [
        (Some("auth:80=503"), "+ x-answer: 503"),
        (Some("auth:80=timeout"), "Timeout"),
        (Some("auth:80=refused"), "connection refused"),
        (Some("other:80=200"), "auth:80 is not granted"),
        (None, "auth:80 is not granted"),
    ] {
        let arguments: Vec<&str> = service
            .into_iter()
            .flat_map(|service| ["--outbound", service])
            .collect();
        let output = configured(&file, config, &arguments);
        assert_eq!(output.code, Some(0), "{}", output.text);
        says(&output, &["+ x-answer: ", answer]);
    }
}

#[test]
fn requests_come_from_files_too_and_nonsense_is_refused() {
    let Some(file) = probe() else { return };
    let folder = tempfile::tempdir().unwrap();
    let request = folder.path().join("request.http");
    std::fs::write(
        &request,
        "PUT /a HTTP/1.1\r\nhost: reviews:9080\r\nx-a: 1\r\n\r\nbody",
    )
    .unwrap();
    let at = format!("@{}", request.display());
    let output = configured(
        &file,
        r#"{"request_body": {"do": "replace"}}"#,
        &["--request", &at],
    );
    says(&output, &["PUT reviews:9080/a", "x-a: 1", r#""BODY""#]);
    std::fs::write(&request, "hello\n").unwrap();
    for arguments in [
        ["--request", at.as_str()],
        ["--request", "GET"],
        ["-H", "no colon"],
        ["--response-status", "9"],
        ["--identity", "cluster.local/ns/a/sa/b"],
        ["--attribute", "a"],
        ["--outbound", "auth"],
        ["--parts", "0"],
        ["--grants", "everything"],
        ["--memory", "9999"],
        ["--cpu", "0"],
    ] {
        let output = on("test", &file, &arguments);
        assert_eq!(output.code, Some(2), "{arguments:?}: {}", output.text);
    }
}
