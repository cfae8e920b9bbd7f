//! A policy that changes under load.

use std::time::Duration;

use http::{Method, StatusCode};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at};

use crate::client::{Answer, Client, Connection};

/// Clients at a time: half of them keep their connection, half make one for every request.
const CLIENTS: u32 = 16;
/// Each sends a request as often: 200 a second in all.
const PERIOD: Duration = Duration::from_millis(80);

/// One request of the flow.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) sent: Instant,
    pub(super) received: Instant,
    pub(super) seen: Seen,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Allowed,
    Denied,
    /// An answer that neither policy gives.
    Strange(String),
    /// No answer.
    Lost(String),
}

/// Requests that flow until they are stopped.
pub(super) struct Flow {
    stop: watch::Sender<bool>,
    clients: JoinSet<Vec<Sample>>,
}

impl Flow {
    /// Lets `client` send GETs of `path`.
    pub(super) fn start(client: &Client, path: &'static str) -> Flow {
        let (stop, stopped) = watch::channel(false);
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let first = Instant::now() + PERIOD * number / CLIENTS;
            clients.spawn(send(
                client.clone(),
                path,
                number % 2 == 0,
                first,
                stopped.clone(),
            ));
        }
        Flow { stop, clients }
    }

    /// Stops after the requests that are under way; gives all there were.
    pub(super) async fn stop(self) -> Vec<Sample> {
        self.stop.send_replace(true);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}

async fn send(
    client: Client,
    path: &'static str,
    keep: bool,
    first: Instant,
    mut stopped: watch::Receiver<bool>,
) -> Vec<Sample> {
    let mut kept: Option<Connection> = None;
    let mut samples = Vec::new();
    // Catches up after a pause, so that the rate is what it is said to be.
    let mut ticks = interval_at(first, PERIOD);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return samples,
        }
        let sent = Instant::now();
        let answer = match keep {
            true => on_kept(&client, &mut kept, path).await,
            false => client.send(Method::GET, path).await,
        };
        samples.push(Sample {
            sent,
            received: Instant::now(),
            seen: Seen::of(answer),
        });
    }
}

async fn on_kept(client: &Client, kept: &mut Option<Connection>, path: &str) -> anyhow::Result<Answer> {
    let mut connection = match kept.take() {
        Some(connection) if connection.is_open() => connection,
        _ => client.connect().await?,
    };
    let answer = connection.send(Method::GET, path).await?;
    *kept = Some(connection);
    Ok(answer)
}

impl Seen {
    fn of(answer: anyhow::Result<Answer>) -> Seen {
        match answer {
            Ok(answer) if answer.status == StatusCode::OK => Seen::Allowed,
            Ok(answer) if answer.is_denied() => Seen::Denied,
            Ok(answer) => Seen::Strange(answer.to_string()),
            Err(error) => Seen::Lost(format!("{error:#}")),
        }
    }
}

/// A flow that was allowed before an edit and is denied after it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    /// From the edit to the first request that was denied.
    pub(super) live: Option<Duration>,
    pub(super) allowed: usize,
    pub(super) denied: usize,
    /// Allowed although another request had been denied before they were sent.
    pub(super) late: usize,
    /// Denied before the edit.
    pub(super) early: usize,
    /// Answers that neither policy gives, and requests without an answer.
    pub(super) wrong: Vec<String>,
}

/// Judges a flow whose policy was edited at `edited`.
pub(super) fn judge(samples: &[Sample], edited: Instant) -> Judgement {
    let denied = || samples.iter().filter(|sample| sample.seen == Seen::Denied);
    let switched = denied().map(|sample| sample.received).min();
    let mut judgement = Judgement {
        live: switched.map(|at| at.saturating_duration_since(edited)),
        early: denied().filter(|sample| sample.received < edited).count(),
        denied: denied().count(),
        ..Judgement::default()
    };
    for sample in samples {
        match &sample.seen {
            Seen::Denied => {}
            Seen::Allowed => {
                judgement.allowed += 1;
                judgement.late += usize::from(switched.is_some_and(|switched| sample.sent > switched));
            }
            Seen::Strange(what) | Seen::Lost(what) => judgement.wrong.push(what.clone()),
        }
    }
    judgement
}

#[cfg(test)]
mod tests;
