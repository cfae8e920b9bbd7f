//! What watches over a connection from outside: PINGs and draining.
//!
//! In a task of its own, because a connection is polled for every packet, and the timers and signals here would be
//! polled each time with it, under locks that all connections share.

use std::future::pending;
use std::pin::pin;

use h2::{Ping, PingPong};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::{DrainWatch, Settings};

/// What a connection is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Take no more streams.
    Drain,
    /// End now.
    Close,
    /// End now: the peer does not answer.
    Dead,
}

/// The task. It ends when this is dropped.
pub(crate) struct Supervisor {
    orders: mpsc::Receiver<Order>,
    task: JoinHandle<()>,
}

impl Supervisor {
    pub(crate) fn start(pings: Option<PingPong>, settings: &Settings, drain: DrainWatch) -> Supervisor {
        let (sender, orders) = mpsc::channel(2);
        let settings = settings.clone();
        let task = tokio::spawn(async move {
            let mut unanswered = pin!(unanswered(pings, &settings));
            let first = tokio::select! {
                () = drain.draining() => Order::Drain,
                () = &mut unanswered => Order::Dead,
            };
            // The receiver lives for as long as this task.
            let _ = sender.send(first).await;
            if first == Order::Drain {
                let second = tokio::select! {
                    () = drain.forced() => Order::Close,
                    () = &mut unanswered => Order::Dead,
                };
                let _ = sender.send(second).await;
            }
        });
        Supervisor { orders, task }
    }

    pub(crate) async fn next(&mut self) -> Order {
        match self.orders.recv().await {
            Some(order) => order,
            None => pending().await,
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends a PING every so often; returns when one has not been answered in time.
///
/// Once the connection has ended this never returns: the connection itself tells why.
pub(crate) async fn unanswered(pings: Option<PingPong>, settings: &Settings) {
    if let Some(mut pings) = pings {
        loop {
            sleep(settings.ping_interval).await;
            match timeout(settings.ping_timeout, pings.ping(Ping::opaque())).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => break,
                Err(_) => return,
            }
        }
    }
    pending().await
}
