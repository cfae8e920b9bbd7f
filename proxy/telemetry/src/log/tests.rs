#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::field::Empty;
use tracing::{debug, error, info, info_span, warn};

use super::{LogError, LogFormat, LogHandle, LogOptions, LogOutput, build, install};

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that `emit` logs.
fn logged(format: LogFormat, levels: &str, emit: impl FnOnce(&LogHandle)) -> Vec<String> {
    let memory = Memory::default();
    let output = LogOutput::Writer(Box::new(memory.clone()));
    let options = LogOptions {
        levels: levels.to_owned(),
        format,
        output,
    };
    let (dispatch, handle, guard) = build(options).unwrap();
    tracing::dispatcher::with_default(&dispatch, || emit(&handle));
    drop(guard);
    let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines().map(str::to_owned).collect()
}

/// A plain line without its time, which is checked.
fn timeless(line: &str) -> &str {
    let (time, rest) = line.split_once('\t').unwrap();
    assert_eq!(time.len(), "2026-08-01T12:00:00.123456Z".len(), "{time}");
    time.parse::<jiff::Timestamp>().unwrap();
    rest
}

#[test]
fn a_plain_line_has_ztunnels_columns() {
    let lines = logged(LogFormat::Plain, "info", |_| {
        info!(
            target: "access",
            { src.addr = %"10.0.0.1:80", src.workload = "sleep", bytes_sent = 42, ok = true },
            "connection complete"
        );
        warn!("no fields");
    });
    let [first, second] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(
        timeless(first),
        "info\taccess\tconnection complete\tsrc.addr=10.0.0.1:80 src.workload=\"sleep\" bytes_sent=42 ok=true"
    );
    assert_eq!(timeless(second), "warn\tcairn_telemetry::log::tests\tno fields");
}

#[test]
fn spans_stand_behind_the_target_with_their_fields() {
    let lines = logged(LogFormat::Plain, "info", |_| {
        let outer = info_span!("proxy", wl = %"default/sleep");
        let _outer = outer.enter();
        let inner = info_span!("inbound", id = %"ab12", peer = Empty);
        let _inner = inner.enter();
        inner.record("peer", "spiffe://td/ns/a/sa/b");
        info_span!("bare").in_scope(|| info!(target: "t", "message"));
    });
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(
        timeless(line),
        "info\tt:proxy{wl=default/sleep}:inbound{id=ab12 peer=\"spiffe://td/ns/a/sa/b\"}:bare\tmessage"
    );
}

#[test]
fn nothing_that_is_logged_can_forge_a_line() {
    let lines = logged(LogFormat::Plain, "info", |_| {
        let evil = "a\n2026-01-01T00:00:00.000000Z\tinfo\tforged";
        info!(target: "t", text = evil, display = %evil, debug = ?evil, spaced = %"a b", list = ?[1, 2], "{evil}");
    });
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let (_, rest) = line.split_once('\t').unwrap();
    assert_eq!(rest.matches('\t').count(), 3, "{rest:?}");
    let evil = r"a\n2026-01-01T00:00:00.000000Z\tinfo\tforged";
    assert_eq!(
        rest,
        format!(
            "info\tt\t{evil}\ttext=\"{evil}\" display=\"{evil}\" debug=\"{evil}\" spaced=\"a b\" list=\"[1, 2]\""
        )
    );
}

#[test]
fn a_json_line_has_ztunnels_keys() {
    let lines = logged(LogFormat::Json, "info", |_| {
        let span = info_span!("inbound", id = "ab\"12", peer = Empty);
        let _span = span.enter();
        span.record("peer", 7);
        error!(target: "access", bytes = 42, share = 0.5, nan = f64::NAN, ok = false, error = %"it \"broke\"\n", r#type = "x", "failed\n");
    });
    let [line] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    let time = value.get("time").unwrap().as_str().unwrap();
    time.parse::<jiff::Timestamp>().unwrap();
    assert_eq!(
        value,
        serde_json::json!({
            "level": "error", "time": time, "scope": "access", "message": "failed\n",
            "bytes": 42, "share": 0.5, "nan": null, "ok": false, "error": "it \"broke\"\n", "type": "x",
            "inbound": {"id": "ab\"12", "peer": 7},
        })
    );
    assert!(line.starts_with("{\"level\":\"error\",\"time\":\""), "{line}");
}

#[test]
fn events_of_the_log_crate_keep_their_target() {
    for (format, expected) in [
        (LogFormat::Plain, "\tinfo\trustls::conn\thello"),
        (LogFormat::Json, r#""scope":"rustls::conn""#),
    ] {
        let lines = logged(format, "info", |_| {
            info!(target: "log", { log.target = "rustls::conn", log.line = 7 }, "hello");
        });
        let [line] = lines.as_slice() else {
            panic!("{lines:?}")
        };
        assert!(line.contains(expected) && !line.contains("log."), "{line}");
    }
}

#[test]
fn levels_change_while_the_log_runs() {
    let emit = |n: u32| {
        debug!(target: "cairn_hbone::pool", n);
        debug!(target: "other", n);
    };
    let lines = logged(LogFormat::Plain, "info", |log| {
        emit(1);
        log.set("cairn_hbone=debug").unwrap();
        assert_eq!(log.current(), "info,cairn_hbone=debug");
        emit(2);
        log.set("debug").unwrap();
        emit(3);
        assert!(log.set("nonsense").is_err());
        log.reset();
        assert_eq!(log.current(), "info");
        emit(4);
        log.set("off").unwrap();
        error!("unheard");
    });
    let seen: Vec<&str> = lines.iter().map(|line| timeless(line)).collect();
    assert_eq!(
        seen,
        [
            "debug\tcairn_hbone::pool\t\tn=2",
            "debug\tcairn_hbone::pool\t\tn=3",
            "debug\tother\t\tn=3"
        ]
    );
}

#[test]
fn options_that_cannot_be_read_are_refused() {
    let options = LogOptions {
        levels: "loud".to_owned(),
        ..LogOptions::default()
    };
    let error = build(options).unwrap_err();
    assert!(
        error.to_string().contains("unknown log level \"loud\""),
        "{error}"
    );
    assert!(matches!("xml".parse::<LogFormat>(), Err(LogError::Format(_))));
    assert_eq!("json".parse::<LogFormat>().unwrap(), LogFormat::Json);
}

#[test]
fn the_environment_is_read_as_ztunnel_reads_it() {
    let read = |levels: &'static str, format: &'static str| {
        LogOptions::from_variables(move |name| match name {
            "RUST_LOG" => Some(levels.to_owned()),
            "LOG_FORMAT" => Some(format.to_owned()),
            _ => None,
        })
    };
    let options = read("debug,h2=warn", "json").unwrap();
    assert_eq!(
        (options.levels.as_str(), options.format),
        ("debug,h2=warn", LogFormat::Json)
    );
    let options = read("", "").unwrap();
    assert_eq!(
        (options.levels.as_str(), options.format),
        ("info", LogFormat::Plain)
    );
    assert!(matches!(read("info", "yaml"), Err(LogError::Format(_))));
}

#[test]
fn a_process_has_one_log() {
    let options = || LogOptions {
        output: LogOutput::Writer(Box::new(io::sink())),
        ..LogOptions::default()
    };
    let (handle, _guard) = install(options()).unwrap();
    assert!(matches!(install(options()), Err(LogError::Installed)));
    assert_eq!(handle.dropped(), 0);
}
