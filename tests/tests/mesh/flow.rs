//! Traffic that goes on while something happens to the mesh.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_tests::{Answer, Client};
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Callers, half of which keep their connection.
const LANES: u32 = 8;
/// Each lane's pause from one call to the next: all together call 200 times a second.
const PACE: Duration = Duration::from_millis(40);

/// One call and what came of it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) sent: Instant,
    pub(crate) done: Instant,
    pub(crate) outcome: anyhow::Result<Answer>,
}

impl Call {
    /// The status, if there was an answer.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        self.outcome.as_ref().ok().map(|answer| answer.status)
    }
}

/// Calls that go on until they are stopped.
pub(crate) struct Flow {
    stop: watch::Sender<bool>,
    lanes: JoinSet<Vec<Call>>,
    statuses: watch::Receiver<Option<StatusCode>>,
}

impl Flow {
    /// Calls `to` from `client`, 200 times a second.
    pub(crate) fn start(client: Client, to: SocketAddr) -> Flow {
        let (stop, stopped) = watch::channel(false);
        let (latest, statuses) = watch::channel(None);
        let latest = Arc::new(latest);
        let mut lanes = JoinSet::new();
        for lane in 0..LANES {
            let (stopped, latest) = (stopped.clone(), Arc::clone(&latest));
            lanes.spawn(async move {
                // The lanes take turns.
                tokio::time::sleep(PACE * lane / LANES).await;
                let mut pace = tokio::time::interval(PACE);
                let mut kept = None;
                let mut calls = Vec::new();
                while !*stopped.borrow() {
                    pace.tick().await;
                    let sent = Instant::now();
                    let outcome = call(client, to, &mut kept).await;
                    if lane % 2 == 0 || outcome.is_err() {
                        kept = None;
                    }
                    let call = Call {
                        sent,
                        done: Instant::now(),
                        outcome,
                    };
                    latest.send_replace(call.status());
                    calls.push(call);
                }
                calls
            });
        }
        Flow {
            stop,
            lanes,
            statuses,
        }
    }

    /// Waits, not for ever, until a call is answered with `status`.
    pub(crate) async fn until(&self, status: StatusCode) {
        let mut statuses = self.statuses.clone();
        let seen = statuses.wait_for(|latest| *latest == Some(status));
        let seen = tokio::time::timeout(Duration::from_secs(60), seen).await;
        assert!(seen.is_ok(), "no call is answered with {status}");
    }

    /// All calls, in the order in which they were sent.
    pub(crate) async fn stop(self) -> Vec<Call> {
        self.stop.send_replace(true);
        let mut calls: Vec<Call> = self.lanes.join_all().await.into_iter().flatten().collect();
        calls.sort_by_key(|call| call.sent);
        calls
    }
}

type Kept = Option<hyper::client::conn::http1::SendRequest<http_body_util::Full<bytes::Bytes>>>;

async fn call(client: Client, to: SocketAddr, kept: &mut Kept) -> anyhow::Result<Answer> {
    let mut sender = match kept.take() {
        Some(sender) => sender,
        None => client.http1(to).await?,
    };
    let answer = Client::exchange(&mut sender, &to.to_string(), Request::get("/").body("")?).await;
    *kept = Some(sender);
    answer
}

/// A connection to someone who sends back what he gets.
pub(crate) struct Talk(TcpStream);

impl Talk {
    pub(crate) fn new(stream: TcpStream) -> Talk {
        Talk(stream)
    }

    /// Says something and waits for it to come back.
    pub(crate) async fn say(&mut self, text: &str) -> anyhow::Result<()> {
        let exchange = async {
            self.0.write_all(text.as_bytes()).await?;
            let mut back = vec![0; text.len()];
            self.0.read_exact(&mut back).await?;
            anyhow::ensure!(back == text.as_bytes(), "something else came back");
            anyhow::Ok(())
        };
        tokio::time::timeout(Duration::from_secs(60), exchange).await?
    }

    /// Waits until the other side has closed the connection, in order or not.
    pub(crate) async fn is_closed(&mut self) {
        let mut byte = [0];
        let closed = tokio::time::timeout(Duration::from_secs(60), self.0.read(&mut byte)).await;
        let closed = closed.expect("the connection is closed in time");
        assert!(matches!(closed, Ok(0) | Err(_)), "something was said unasked");
    }
}
