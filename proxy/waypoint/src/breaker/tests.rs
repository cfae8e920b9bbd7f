#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

/// What comes of a future at once.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn breaker(limits: Limits) -> Arc<Breaker> {
    Arc::new(Breaker::new(limits))
}

#[tokio::test]
async fn so_many_requests_and_no_more() {
    let breaker = breaker(Limits {
        requests: 2,
        ..Limits::default()
    });
    let first = breaker.admit(true).await.unwrap();
    let _second = breaker.admit(false).await.unwrap();
    assert_eq!(breaker.admit(true).await.unwrap_err(), Overflow);
    drop(first);
    assert!(breaker.admit(true).await.is_ok());
}

#[tokio::test]
async fn who_finds_no_connection_waits_in_a_queue_that_has_an_end() {
    let breaker = breaker(Limits {
        connections: 1,
        pending: 1,
        ..Limits::default()
    });
    let first = breaker.admit(true).await.unwrap();
    let mut second = Box::pin(breaker.admit(true));
    assert!(at_once(second.as_mut()).is_none());
    assert_eq!(breaker.admit(true).await.unwrap_err(), Overflow);
    // What shares a connection needs none of its own.
    assert!(breaker.admit(false).await.is_ok());
    drop(first);
    let second = second.await.unwrap();
    // One that gives up leaves the queue.
    assert!(at_once(breaker.admit(true)).is_none());
    assert!(at_once(breaker.admit(true)).is_none());
    drop(second);
    assert!(at_once(breaker.admit(true)).is_some());
    assert_eq!(breaker.requests.load(Ordering::Relaxed), 0);
    assert_eq!(breaker.pending.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn retries_have_a_limit_or_a_share() {
    let limited = breaker(Limits {
        retries: Retries::AtMost(1),
        ..Limits::default()
    });
    let retry = limited.retry().unwrap();
    assert!(limited.retry().is_err());
    drop(retry);
    assert!(limited.retry().is_ok());

    let shared = breaker(Limits {
        retries: Retries::Budget {
            interval: None,
            millionths: 250_000,
            least: 1,
        },
        ..Limits::default()
    });
    let first = shared.retry().unwrap();
    assert!(shared.retry().is_err(), "one is allowed in any case");
    let mut requests = Vec::new();
    for _ in 0..8 {
        requests.push(shared.admit(false).await.unwrap());
    }
    let _second = shared.retry().unwrap();
    assert!(shared.retry().is_err(), "a quarter of eight");
    drop(first);
    assert!(shared.retry().is_ok());
}
