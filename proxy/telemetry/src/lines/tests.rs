#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::Lines;

const LONG: Duration = Duration::from_secs(30);

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for a permission before each write, and tells when it is asked for.
struct Gate {
    asked: Sender<usize>,
    permission: Receiver<()>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.asked.send(bytes.len()).unwrap();
        self.permission.recv().map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_of_many_threads_arrive_whole_and_in_order() {
    let memory = Memory::default();
    let lines = Lines::start("test", memory.clone(), 1 << 20).unwrap();
    thread::scope(|scope| {
        for writer in 0..4 {
            let lines = lines.clone();
            scope.spawn(move || (0..1000).for_each(|n| lines.push(format!("{writer} {n}\n").as_bytes())));
        }
    });
    assert!(lines.flush(LONG));
    let text = memory.text();
    for writer in 0..4 {
        let prefix = format!("{writer} ");
        let numbers: Vec<u32> = text
            .lines()
            .filter_map(|line| line.strip_prefix(&prefix))
            .map(|n| n.parse().unwrap())
            .collect();
        assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    }
    assert_eq!(lines.dropped(), 0);
}

#[test]
fn a_stuck_output_costs_lines_and_not_time() {
    let (asked, asks) = channel();
    let (permit, permission) = channel();
    let lines = Lines::start("test", Gate { asked, permission }, 10).unwrap();
    lines.push(b"first\n");
    // The thread has taken the first line and is stuck in the output.
    assert_eq!(asks.recv_timeout(LONG), Ok(6));
    lines.push(b"second\n");
    lines.push(b"third\n");
    lines.push(b"4th\n");
    assert_eq!(lines.dropped(), 2);
    assert!(!lines.flush(Duration::from_millis(20)));
    permit.send(()).unwrap();
    permit.send(()).unwrap();
    assert!(lines.flush(LONG));
    assert_eq!(asks.recv_timeout(LONG), Ok(7));
    assert_eq!(lines.dropped(), 2);
}

#[test]
fn lines_gather_into_one_write() {
    let (asked, asks) = channel();
    let (permit, permission) = channel();
    (0..100).for_each(|_| permit.send(()).unwrap());
    let lines = Lines::start("test", Gate { asked, permission }, 1 << 20).unwrap();
    (0..50).for_each(|_| lines.push(b"line\n"));
    assert!(lines.flush(LONG));
    let writes: Vec<usize> = asks.try_iter().collect();
    assert_eq!(writes.iter().sum::<usize>(), 250);
    assert!(writes.len() < 50, "{writes:?}");
}

#[test]
fn a_failed_output_is_counted() {
    let (asked, _asks) = channel();
    let (permit, permission) = channel();
    drop(permit);
    let lines = Lines::start("test", Gate { asked, permission }, 1 << 20).unwrap();
    lines.push(b"one\n");
    assert!(lines.flush(LONG));
    assert_eq!(lines.dropped(), 1);
    assert_eq!(lines.owner.shared.lock().pending.len(), 0);
    assert_eq!(lines.owner.shared.dropped.load(Ordering::Relaxed), 1);
}

/// A non-blocking terminal: every second write is refused, the others take three bytes.
struct Reluctant {
    memory: Memory,
    ready: bool,
}

impl Write for Reluctant {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.ready = !self.ready;
        if !self.ready {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.memory.write(bytes.get(..3).unwrap_or(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_non_blocking_output_gets_every_byte() {
    let memory = Memory::default();
    let lines = Lines::start(
        "test",
        Reluctant {
            memory: memory.clone(),
            ready: true,
        },
        1 << 20,
    )
    .unwrap();
    lines.push(b"a line longer than three bytes\n");
    assert!(lines.flush(LONG));
    assert_eq!(memory.text(), "a line longer than three bytes\n");
}

/// Tells when it is dropped, which is when the thread has ended.
struct Farewell {
    memory: Memory,
    gone: Sender<()>,
}

impl Write for Farewell {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.memory.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.gone.send(()).unwrap();
    }
}

#[test]
fn the_thread_ends_with_the_last_sender_and_loses_nothing() {
    let memory = Memory::default();
    let (gone, ended) = channel();
    let lines = Lines::start(
        "test",
        Farewell {
            memory: memory.clone(),
            gone,
        },
        1 << 20,
    )
    .unwrap();
    let clone = lines.clone();
    drop(lines);
    clone.push(b"last words\n");
    drop(clone);
    ended.recv_timeout(LONG).unwrap();
    assert_eq!(memory.text(), "last words\n");
}
