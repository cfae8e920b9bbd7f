#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cairn_hbone::Authority;
use cairn_identity::SpiffeId;
use cairn_telemetry::log::{LogOptions, LogOutput, build};
use cairn_telemetry::{AccessLog, Sink};
use tracing::dispatcher;

use super::{Line, refused};
use crate::party::Party;
use crate::record::{Direction, Record};

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the log and the sink get, each line without its time.
fn written(write: impl FnOnce(&AccessLog)) -> (Vec<String>, Vec<String>) {
    let output = Shared::default();
    let (dispatch, _handle, guard) = build(LogOptions {
        levels: "debug".to_owned(),
        output: LogOutput::Writer(Box::new(output.clone())),
        ..LogOptions::default()
    })
    .unwrap();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(8);
    let lines = AccessLog::new(Sink::Channel(sender)).unwrap();
    dispatcher::with_default(&dispatch, || write(&lines));
    guard.flush();
    let rest = |line: &str| {
        let (time, rest) = line.split_once('\t').unwrap();
        let time: jiff::Timestamp = time.parse().unwrap();
        assert!(time > jiff::Timestamp::from_second(1_600_000_000).unwrap());
        rest.to_owned()
    };
    let logged = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
    let logged = logged.lines().map(rest).collect();
    let mut sunk = Vec::new();
    while let Ok(line) = receiver.try_recv() {
        sunk.push(rest(&line));
    }
    (logged, sunk)
}

fn record() -> Record {
    let identity = |name| SpiffeId::new("cluster.local", "default", name);
    Record {
        direction: Direction::Outbound,
        source: "127.0.20.1:4000".parse().unwrap(),
        client: Party::default().proven(&identity("sleep")),
        destination: "127.0.20.2:15008".parse().unwrap(),
        authority: Some(Authority::Host {
            host: "hello.default.svc".to_owned(),
            port: 80,
        }),
        service: None,
        server: Party::default().proven(&identity("hello")),
    }
}

fn line<'a>(record: &'a Record, error: Option<&str>) -> Line<'a> {
    Line {
        record,
        sent: 7,
        received: 9,
        duration: Duration::from_micros(13_700),
        error: error.map(str::to_owned),
    }
}

const ENDS: &str = "src.addr=127.0.20.1:4000 src.namespace=\"default\" \
    src.identity=\"spiffe://cluster.local/ns/default/sa/sleep\" dst.addr=127.0.20.2:15008 \
    dst.hbone_addr=hello.default.svc:80 dst.namespace=\"default\" \
    dst.identity=\"spiffe://cluster.local/ns/default/sa/hello\" direction=\"outbound\" \
    bytes_sent=7 bytes_recv=9 duration=\"13ms\"";

#[test]
fn the_log_and_the_sink_get_the_same_line() {
    let (logged, sunk) = written(|lines| line(&record(), None).ended(lines));
    assert_eq!(logged, [format!("info\taccess\tconnection complete\t{ENDS}")]);
    assert_eq!(sunk, logged);

    let nasty = "broken\npipe \"here\"\t";
    let (logged, sunk) = written(|lines| line(&record(), Some(nasty)).ended(lines));
    let error = r#"error="broken\npipe \"here\"\t""#;
    assert_eq!(
        logged,
        [format!("error\taccess\tconnection complete\t{ENDS} {error}")]
    );
    assert_eq!(sunk, logged);
}

#[test]
fn an_early_end_has_few_fields() {
    let (logged, sunk) = written(|lines| {
        let record = record();
        refused(
            Direction::Inbound,
            record.source,
            record.destination,
            &"no",
            lines,
        );
    });
    let fields = "src.addr=127.0.20.1:4000 dst.addr=127.0.20.2:15008 direction=\"inbound\" error=\"no\"";
    assert_eq!(logged, [format!("warn\taccess\tconnection failed\t{fields}")]);
    assert_eq!(sunk, logged);
}

#[test]
fn a_connection_that_opens_is_for_debugging_only() {
    let (logged, sunk) = written(|_| line(&record(), None).opened());
    assert_eq!(logged, [format!("debug\taccess\tconnection opened\t{ENDS}")]);
    assert!(sunk.is_empty());
}
