//! `cairn filter inspect`.

use cairn_tests::component;

use super::{json, no_filters, on, probe};

const LIMITS: &str = r#"{"limits": [{"name": "all", "requests": 5}]}"#;

#[test]
fn a_filter_is_described_with_its_grants_and_the_schema_of_its_configuration() {
    let Some(file) = component("local-rate-limit") else {
        return;
    };
    let output = on("inspect", &file, &[]);
    assert_eq!(output.code, Some(0), "{}", output.text);
    for part in [
        "world       cairn:filter/filter@0.1.0",
        "made with   wit-component ",
        "no bound of its own",
        "exports     cairn:filter/hooks@0.1.0",
        "always there: cairn:filter@0.1.0 (types, exchanges, ",
        "needs a grant: cairn:filter/shared@0.1.0, with the annotation `filters.cairn.io/grants: shared`",
        "lead nowhere: wasi:io@0.2.",
        "hooks       not known: it refuses its configuration: pluginConfig",
        "give one with --config",
        "config      its JSON schema:\n{",
        r#""title": "local-rate-limit""#,
    ] {
        assert!(output.text.contains(part), "{part}\n{}", output.text);
    }
    let output = on("inspect", &file, &["--config", LIMITS]);
    assert_eq!(output.code, Some(0), "{}", output.text);
    assert!(
        output.text.contains("hooks       on-request-head ("),
        "{}",
        output.text
    );
}

#[test]
fn programs_are_told_the_same() {
    let Some(file) = component("local-rate-limit") else {
        return;
    };
    let told = json(&on("inspect", &file, &["--config", LIMITS, "-o", "json"]));
    assert_eq!(
        (&told["package"], &told["version"], &told["world"]),
        (&"cairn:filter".into(), &"0.1.0".into(), &"filter".into())
    );
    assert_eq!(told["size"], std::fs::metadata(&file).unwrap().len());
    assert_eq!(told["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(told["configSchema"]["title"], "local-rate-limit");
    assert!(told["memories"][0]["minimum"].as_u64().unwrap() >= 65536);
    assert!(told["subscriptions"]["requestHead"].is_array());
    assert!(told["error"].is_null());
    let imports = told["imports"].as_array().unwrap();
    let needs = |need: &str| imports.iter().filter(|import| import["need"] == need).count();
    assert_eq!((needs("grant"), needs("unknown")), (1, 0), "{imports:?}");
    assert!(needs("given") > 3, "{imports:?}");

    let told = json(&on("inspect", &file, &["-o", "json"]));
    assert!(told["subscriptions"].is_null());
    assert!(
        told["error"]
            .as_str()
            .unwrap()
            .contains("refuses its configuration")
    );
}

#[test]
fn the_hooks_are_those_of_the_configuration() {
    let Some(file) = probe() else { return };
    let hooks = |config: &str| on("inspect", &file, &["--config", config]);
    let output = hooks("{}");
    assert!(
        output.text.contains("hooks       none: it is never called"),
        "{}",
        output.text
    );
    assert!(
        output.text.contains("cairn:filter/ticking-filter@0.1.0"),
        "{}",
        output.text
    );
    assert!(
        output.text.contains("`filters.cairn.io/outbound: HOST:PORT`"),
        "{}",
        output.text
    );
    assert!(
        output.text.contains("config      no JSON schema in it"),
        "{}",
        output.text
    );
    let output = hooks(
        r#"{"subscribe": {"request_head": ["x-a", ":path"], "request_body": 4096, "response_head": "all",
            "response_body": "stream", "done": true, "tick": 100}}"#,
    );
    for part in [
        "on-request-head (:path, x-a)",
        "on-request-body (the whole, of at most 4096 bytes)",
        "on-response-head (all lines)",
        "on-response-body (each part as it comes)",
        "on-done",
        "tick (every 100ms)",
    ] {
        assert!(output.text.contains(part), "{part}\n{}", output.text);
    }
    for (config, says) in [
        (
            r#"{"configure": "error"}"#,
            "not known: it refuses its configuration: configured to refuse",
        ),
        (
            r#"{"configure": "panic"}"#,
            "it would not load, for it does not start",
        ),
        (
            r#"{"subscribe": {"tick": 1}}"#,
            "subscribes to what cannot be: a `tick` of 1 ms",
        ),
        ("{", "--config { is not JSON"),
        ("@/nowhere", "cannot read /nowhere"),
    ] {
        let output = hooks(config);
        assert_eq!(output.code, Some(1), "{}", output.text);
        assert!(output.text.contains(says), "{says}\n{}", output.text);
    }
    let output = on("inspect", &file, &["--grants", "ticker"]);
    assert_eq!(output.code, Some(1));
    assert!(
        output.text.contains("which the plugin is not granted"),
        "{}",
        output.text
    );
}

#[test]
fn what_is_no_filter_is_said_in_one_sentence() {
    let Some(file) = probe() else { return };
    let good = std::fs::read(&file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (path, says) in no_filters(folder.path(), &good) {
        let output = on("inspect", &path, &[]);
        assert_eq!(output.code, Some(1), "{}", output.text);
        assert!(output.errors.contains(says), "{says}: {}", output.text);
        assert_eq!(output.errors.lines().count(), 1, "{}", output.errors);
    }
}

/// A filter that wants what no waypoint has is described, and fails.
#[test]
fn imports_that_nobody_gives_are_named() {
    let Some(file) = probe() else { return };
    let mut bytes = std::fs::read(&file).unwrap();
    let (old, new) = (b"cairn:filter/random@0.1.0", b"cairn:filter/rundom@0.1.0");
    let places: Vec<usize> = (0..bytes.len() - old.len())
        .filter(|place| bytes[*place..].starts_with(old))
        .collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + new.len()].copy_from_slice(new);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later.wasm");
    std::fs::write(&path, bytes).unwrap();
    let output = on("inspect", &path, &[]);
    assert_eq!(output.code, Some(1), "{}", output.text);
    let unknown = "unknown, so that it would not load: cairn:filter/rundom@0.1.0; it is of a later version";
    assert!(output.text.contains(unknown), "{}", output.text);
    assert!(
        output.text.contains("none: it would not load, for it imports"),
        "{}",
        output.text
    );
}
