//! A thread that writes lines in batches, so that no request ever waits for a disk, a pipe or a terminal.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the thread lets lines gather before it writes them: one system call and one wake-up for many lines.
const GATHER: Duration = Duration::from_millis(5);
/// Bytes that are written without waiting for more.
const BATCH: usize = 64 << 10;
/// A buffer that has grown beyond this in a burst is given back.
const KEEP: usize = 256 << 10;

/// The sending side. The thread ends when the last clone is gone and everything is written.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    owner: Arc<Owner>,
}

#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    written: Condvar,
    dropped: AtomicU64,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Queue {
    pending: Vec<u8>,
    /// Lines in `pending`.
    lines: u64,
    /// Lines ever queued, and how many of them the thread has dealt with.
    queued: u64,
    done: u64,
    hurry: bool,
    closed: bool,
}

impl Lines {
    /// Starts a thread that writes to `output`, and holds at most `capacity` bytes for it.
    pub(crate) fn start(
        name: &str,
        output: impl Write + Send + 'static,
        capacity: usize,
    ) -> io::Result<Lines> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            written: Condvar::new(),
            dropped: AtomicU64::new(0),
            capacity,
        });
        let worker = shared.clone();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || worker.run(output))?;
        Ok(Lines {
            owner: Arc::new(Owner { shared }),
        })
    }

    /// Queues a line, which ends in a newline, or counts it as dropped when the queue is full. Never blocks on output.
    pub(crate) fn push(&self, line: &[u8]) {
        let shared = &self.owner.shared;
        let mut queue = shared.lock();
        if queue.pending.len() + line.len() > shared.capacity {
            drop(queue);
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let before = queue.pending.len();
        queue.pending.extend_from_slice(line);
        queue.lines += 1;
        queue.queued += 1;
        let full = before < BATCH && queue.pending.len() >= BATCH;
        drop(queue);
        if before == 0 || full {
            shared.filled.notify_one();
        }
    }

    /// Lines that were lost: the queue was full, or the output failed.
    pub(crate) fn dropped(&self) -> u64 {
        self.owner.shared.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all that was queued so far is written, but no longer than `limit`. False: it was not.
    pub(crate) fn flush(&self, limit: Duration) -> bool {
        let shared = &self.owner.shared;
        let deadline = Instant::now() + limit;
        let mut queue = shared.lock();
        let target = queue.queued;
        while queue.done < target {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            queue.hurry = true;
            shared.filled.notify_one();
            queue = shared
                .written
                .wait_timeout(queue, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.filled.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut output: impl Write) {
        let mut batch = Vec::new();
        while let Some(lines) = self.take(&mut batch) {
            if write_all(&mut output, &batch).is_err() {
                self.dropped.fetch_add(lines, Ordering::Relaxed);
            }
            batch.clear();
            batch.shrink_to(KEEP);
            self.lock().done += lines;
            self.written.notify_all();
        }
    }

    /// Waits for lines and swaps them into `batch`; `None` when there will be no more.
    fn take(&self, batch: &mut Vec<u8>) -> Option<u64> {
        let mut queue = self.lock();
        while queue.lines == 0 {
            if queue.closed {
                return None;
            }
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let deadline = Instant::now() + GATHER;
        while !queue.closed && !queue.hurry && queue.pending.len() < BATCH {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queue = self
                .filled
                .wait_timeout(queue, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        queue.hurry = false;
        std::mem::swap(&mut queue.pending, batch);
        Some(std::mem::take(&mut queue.lines))
    }
}

/// Standard output, locked for a whole batch: the log and the access log share it and must not split each other's lines.
pub(crate) struct StdoutBatches;

impl Write for StdoutBatches {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush()
    }
}

/// `Write::write_all`, but patient with an output that someone else has made non-blocking, as a shared terminal is.
fn write_all(output: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::park_timeout(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
    output.flush()
}

#[cfg(test)]
mod tests;
