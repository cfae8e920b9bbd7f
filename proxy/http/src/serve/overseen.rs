//! HTTP/2 streams whose clients do not read.
//!
//! hyper runs each stream as a task, which waits for its service, for the body of the answer, or for the client to open
//! its window. Only the last is the client's doing, and hyper does not tell it from the others: while it waits for the
//! window it asks the body for nothing. So whoever makes the answer notes what a turn of the task has come to, and a
//! turn that ends in a wait of which there is no note was the client's.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;

use crate::silence::Silence;

/// What the answer of a stream has come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Note {
    /// There is more to come from the service.
    Waits,
    /// Something was handed over, for the client.
    HandedOver,
}

thread_local! {
    /// The last note of the turn of a task that runs on this thread.
    static NOTE: Cell<Option<Note>> = const { Cell::new(None) };
}

/// Notes whether the service had something for its client.
pub(super) fn note<T>(polled: &Poll<T>) {
    NOTE.set(Some(match polled {
        Poll::Pending => Note::Waits,
        Poll::Ready(_) => Note::HandedOver,
    }));
}

/// Spawns the tasks of a connection's streams.
#[derive(Clone, Debug)]
pub(super) struct Overseer {
    patience: Option<Duration>,
}

impl Overseer {
    pub(super) fn new(patience: Option<Duration>) -> Self {
        Self { patience }
    }
}

impl<F> Executor<F> for Overseer
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        match self.patience {
            None => drop(tokio::spawn(task)),
            Some(patience) => drop(tokio::spawn(Overseen {
                task,
                patience,
                last: None,
                silence: Silence::default(),
            })),
        }
    }
}

pin_project! {
    /// A task that ends, and its stream with it, when its client does not read for too long.
    struct Overseen<F> {
        #[pin]
        task: F,
        patience: Duration,
        // `None` for tasks that answer nothing, such as those behind a switched stream.
        last: Option<Note>,
        silence: Silence,
    }
}

impl<F> Future for Overseen<F>
where
    F: Future<Output = ()>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        NOTE.set(None);
        if this.task.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if let Some(note) = NOTE.take() {
            *this.last = Some(note);
            this.silence.end();
        }
        match this.last {
            Some(Note::HandedOver) => this.silence.poll(cx, *this.patience),
            _ => Poll::Pending,
        }
    }
}
