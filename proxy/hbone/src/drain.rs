//! Telling connections to come to an end, and waiting until they have.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long those that have been forced may take to obey.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// The side that says when. Dropping it says nothing: connections then go on until they end.
///
/// ```
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (drain, watch) = cairn_hbone::drain::channel();
/// let connection = tokio::spawn(async move {
///     watch.draining().await;
///     // Finish what is under way; the watch is dropped at the end.
/// });
/// assert!(drain.finish(Duration::from_secs(5)).await, "everything came to its end in time");
/// # connection.await.unwrap();
/// # }
/// ```
#[derive(Debug)]
pub struct Drain {
    phase: watch::Sender<Phase>,
}

/// The side that is told. Each connection holds one for as long as it lives.
#[derive(Clone, Debug)]
pub struct DrainWatch {
    phase: watch::Receiver<Phase>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Draining,
    Closing,
}

/// A new pair.
#[must_use]
pub fn channel() -> (Drain, DrainWatch) {
    let (sender, phase) = watch::channel(Phase::Running);
    (Drain { phase: sender }, DrainWatch { phase })
}

impl Drain {
    /// Another watch.
    #[must_use]
    pub fn watch(&self) -> DrainWatch {
        DrainWatch {
            phase: self.phase.subscribe(),
        }
    }

    /// Says: take no new work, finish what is under way.
    pub fn start(&self) {
        self.advance(Phase::Draining);
    }

    /// Says: close now, whatever is under way.
    pub fn force(&self) {
        self.advance(Phase::Closing);
    }

    /// Waits until every watch has been dropped.
    pub async fn completed(&self) {
        self.phase.closed().await;
    }

    /// Drains for up to `deadline`, then forces. Returns whether force was not needed.
    pub async fn finish(self, deadline: Duration) -> bool {
        self.start();
        let in_time = timeout(deadline, self.completed()).await.is_ok();
        if !in_time {
            self.force();
            // Whoever does not obey is not waited for.
            let _ = timeout(LAST_MOMENT, self.completed()).await;
        }
        in_time
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let earlier = *phase < to;
            if earlier {
                *phase = to;
            }
            earlier
        });
    }
}

impl DrainWatch {
    /// A watch that is never told anything.
    #[must_use]
    pub fn never() -> DrainWatch {
        channel().1
    }

    /// Resolves when draining has started.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Resolves when what is still open has to be closed.
    pub async fn forced(&self) {
        self.reached(Phase::Closing).await;
    }

    /// Whether draining has started.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.phase.borrow() >= Phase::Draining
    }

    /// A watch of one connection's own, which is told to drain when `age` has passed as well, if not before; `self` is held
    /// until all clones of that watch have been dropped.
    #[must_use]
    pub fn aging(self, age: Duration) -> DrainWatch {
        let (own, watch) = channel();
        tokio::spawn(async move {
            tokio::select! {
                () = own.completed() => return,
                () = self.draining() => {}
                () = sleep(age) => {}
            }
            own.start();
            tokio::select! {
                () = own.completed() => return,
                () = self.forced() => own.force(),
            }
            own.completed().await;
        });
        watch
    }

    async fn reached(&self, phase: Phase) {
        let mut receiver = self.phase.clone();
        if receiver.wait_for(|current| *current >= phase).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests;
