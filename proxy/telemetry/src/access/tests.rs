#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write;

use tokio::sync::mpsc;

use super::{AccessLog, Sink, SinkError};

#[test]
fn a_log_that_is_off_formats_nothing() {
    let log = AccessLog::new(Sink::from_path("")).unwrap();
    assert!(!log.is_enabled());
    log.write(|_| panic!("formatted for nobody"));
    log.flush();
    assert_eq!(log.dropped(), 0);
}

#[test]
fn lines_are_appended_to_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    std::fs::write(&path, "kept\n").unwrap();
    let log = AccessLog::new(Sink::from_path(path.to_str().unwrap())).unwrap();
    log.write(|line| write!(line, "GET /hello {}", 200).unwrap());
    log.write(|line| line.extend_from_slice(b"with its own newline\n"));
    log.flush();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "kept\nGET /hello 200\nwith its own newline\n"
    );
}

#[test]
fn a_client_cannot_forge_a_second_line() {
    let (sender, mut lines) = mpsc::channel(4);
    let log = AccessLog::new(Sink::Channel(sender)).unwrap();
    log.write(|line| line.extend_from_slice(b"user-agent \"x\r\nGET /forged 200\"\n"));
    assert_eq!(lines.try_recv().unwrap(), "user-agent \"x  GET /forged 200\"");
    assert!(lines.try_recv().is_err());
}

#[test]
fn a_full_channel_drops_and_counts() {
    let (sender, mut lines) = mpsc::channel(1);
    let log = AccessLog::new(Sink::Channel(sender)).unwrap();
    (0..3).for_each(|n| log.write(|line| write!(line, "{n}").unwrap()));
    assert_eq!(lines.try_recv().unwrap(), "0");
    assert_eq!(log.dropped(), 2);
    drop(lines);
    log.write(|line| line.push(b'x'));
    assert_eq!(log.dropped(), 3);
}

#[test]
fn a_formatter_may_write_to_the_log_itself() {
    let (sender, mut lines) = mpsc::channel(4);
    let log = AccessLog::new(Sink::Channel(sender)).unwrap();
    log.write(|line| {
        line.extend_from_slice(b"outer");
        log.write(|line| line.extend_from_slice(b"inner"));
    });
    assert_eq!(lines.try_recv().unwrap(), "inner");
    assert_eq!(lines.try_recv().unwrap(), "outer");
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let error = AccessLog::new(Sink::from_path("/nowhere/access.log")).unwrap_err();
    assert!(matches!(&error, SinkError::File { .. }));
    assert!(error.to_string().contains("/nowhere/access.log"), "{error}");
}
