//! How long nothing has happened.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Measures a silence where somebody waits, at the price of a moment in between.
///
/// There is no timer before the first wait, and none is moved while things happen: one that fires finds out what has
/// happened since, and goes on from there.
///
/// ```
/// use std::future::poll_fn;
/// use std::time::Duration;
///
/// use cairn_http::silence::Silence;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut silence = Silence::default();
/// poll_fn(|cx| silence.poll(cx, Duration::from_millis(5))).await;
/// silence.end();
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Silence {
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    /// Something has happened.
    pub fn end(&mut self) {
        self.since = None;
    }

    /// To be called when there is nothing to do but wait. Ready when that has been so for `limit`.
    pub fn poll(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let deadline = *self.since.get_or_insert_with(Instant::now) + limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while timer.as_mut().poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            // It belonged to an earlier silence.
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
