//! A directory that is read again whenever it changes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::watch;

use crate::error::Error;
use crate::problem::Severity;
use crate::state::State;
use crate::store::Store;

/// A change is read once nothing more has happened for this long, so that a file is not read while it is being written …
const QUIET: Duration = Duration::from_millis(25);
/// … and at the latest after this long, however busy the directory is.
const PATIENCE: Duration = Duration::from_millis(250);
/// The directory is looked at this often in any case: not every file system tells of changes, and none of those behind links.
const POLL: Duration = Duration::from_secs(2);

/// Keeps a directory watched until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    signals: mpsc::Sender<Signal>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Nobody listens when the thread has ended already.
        let _ = self.signals.send(Signal::Stop);
    }
}

#[derive(Debug)]
enum Signal {
    Changed,
    Stop,
}

/// Reads a directory as [`load`](crate::load) does, and again whenever something in it changes, until the [`Watcher`] is dropped.
///
/// The receiver's first value is the directory as it is now. Changes are gathered for 25 ms, at most 250 ms; mounted ConfigMaps, whose content
/// is swapped by one link, change as a whole. A version with the same content as the last is not published. What was in force
/// stays in force while its document cannot be read, except policies: see [`Objects::broken_policies`](crate::Objects::broken_policies).
///
/// # Errors
///
/// Those of [`load`](crate::load), and [`Error::Unwatchable`].
pub fn watch(dir: &Path) -> Result<(Watcher, watch::Receiver<Arc<State>>), Error> {
    follow(dir, POLL)
}

fn follow(dir: &Path, poll: Duration) -> Result<(Watcher, watch::Receiver<Arc<State>>), Error> {
    Store::check(dir)?;
    let (signals, inbox) = mpsc::channel();
    // Watched before it is read, so that no change falls between the two.
    let notifier = Notifier::start(dir, &signals);
    let store = Store::open(dir)?;
    // Nothing was read from such a file before, so what it forbids would be open: a proxy must not begin like that.
    store.require_readable()?;
    let (publisher, receiver) = watch::channel(store.state());
    let follower = Follower {
        dir: dir.to_path_buf(),
        poll,
        store,
        notifier,
        signals: signals.clone(),
        inbox,
        publisher,
    };
    thread::Builder::new()
        .name("config-watch".to_owned())
        .spawn(move || follower.run())
        .map_err(|source| Error::Unwatchable {
            path: dir.to_path_buf(),
            source,
        })?;
    Ok((Watcher { signals }, receiver))
}

/// The thread that follows a directory. A thread of its own, because reading and parsing block.
struct Follower {
    dir: PathBuf,
    poll: Duration,
    store: Store,
    notifier: Notifier,
    signals: mpsc::Sender<Signal>,
    inbox: mpsc::Receiver<Signal>,
    publisher: watch::Sender<Arc<State>>,
}

impl Follower {
    fn run(mut self) {
        while self.wait().is_some() {
            if self.notifier.is_outdated(&self.dir) {
                self.notifier = Notifier::start(&self.dir, &self.signals);
            }
            if self.store.refresh() {
                let state = self.store.state();
                tracing::info!(
                    version = state.version,
                    objects = state.objects.len(),
                    errors = state.report.count(Severity::Error),
                    "configuration changed"
                );
                self.publisher.send_replace(state);
            }
        }
    }

    /// Waits until there is something to read; `None` when it is time to stop.
    fn wait(&self) -> Option<()> {
        match self.inbox.recv_timeout(self.poll) {
            Err(RecvTimeoutError::Timeout) => return Some(()),
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return None,
            Ok(Signal::Changed) => {}
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.inbox.recv_timeout(left.min(QUIET)) {
                Ok(Signal::Changed) if !left.is_zero() => {}
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return None,
                Ok(Signal::Changed) | Err(RecvTimeoutError::Timeout) => return Some(()),
            }
        }
    }
}

/// The system's notification about one directory.
struct Notifier {
    /// Watches as long as it lives. `None` where the system cannot: polling remains.
    _watcher: Option<RecommendedWatcher>,
    /// Device and inode of the directory that is watched; another one may take its place under the same path.
    directory: Option<(u64, u64)>,
}

impl Notifier {
    fn start(dir: &Path, signals: &mpsc::Sender<Signal>) -> Self {
        let directory = identity(dir);
        let signals = signals.clone();
        let started = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_err() || event.is_ok_and(|event| is_change(&event)) {
                // The follower may have ended.
                let _ = signals.send(Signal::Changed);
            }
        })
        .and_then(|mut watcher| watcher.watch(dir, RecursiveMode::Recursive).map(|()| watcher));
        if let Err(error) = &started {
            tracing::warn!(
                directory = %dir.display(),
                %error,
                "the system does not tell of changes; looking for them now and then"
            );
        }
        Self {
            _watcher: started.ok(),
            directory,
        }
    }

    fn is_outdated(&self, dir: &Path) -> bool {
        let current = identity(dir);
        current.is_some() && current != self.directory
    }
}

fn identity(dir: &Path) -> Option<(u64, u64)> {
    fs::metadata(dir)
        .ok()
        .map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Reading is no change, and it is what the follower itself does.
fn is_change(event: &Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => event.need_rescan(),
        _ => true,
    }
}

#[cfg(test)]
mod tests;
