//! Requests that go on while something happens to connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use cairn_tests::{Answer, Client, Lone, Tunnels};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How a lane of requests uses connections.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane {
    /// A tunnel for each request.
    Anew,
    /// HTTP/1.1 on one tunnel for as long as the other side keeps it.
    Kept,
    /// HTTP/2 on one tunnel for as long as the other side keeps it.
    Http2,
}

/// POSTs that go on until they are stopped.
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    lanes: JoinSet<Vec<String>>,
    answered: Arc<AtomicUsize>,
}

/// What became of them.
#[derive(Debug)]
pub(crate) struct Sum {
    pub(crate) answered: usize,
    /// Why each of the others was not answered as it should.
    pub(crate) failures: Vec<String>,
}

impl Load {
    /// POSTs to `service`, in lanes that take turns; each makes a request every `pace`, or one after the other.
    pub(crate) fn start(mesh: &Lone, service: SocketAddr, lanes: &[Lane], pace: Option<Duration>) -> Load {
        let (stop, stopped) = watch::channel(false);
        let answered = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for (number, lane) in lanes.iter().copied().enumerate() {
            let mut caller = Caller {
                tunnels: mesh.tunnels.clone(),
                source: mesh.network.socket(11, 0),
                service,
                http1: None,
                http2: None,
            };
            let (stopped, answered) = (stopped.clone(), Arc::clone(&answered));
            let start = pace.unwrap_or_default() * u32::try_from(number).unwrap()
                / u32::try_from(lanes.len()).unwrap();
            tasks.spawn(async move {
                tokio::time::sleep(start).await;
                let mut pace = pace.map(interval);
                if let Some(pace) = &mut pace {
                    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
                }
                let mut failures = Vec::new();
                for round in 0.. {
                    if *stopped.borrow() {
                        break;
                    }
                    if let Some(pace) = &mut pace {
                        pace.tick().await;
                    }
                    let body = format!("{lane:?} {number} {round}");
                    match timeout(Duration::from_secs(60), caller.call(lane, &body)).await {
                        Ok(Ok(())) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        Ok(Err(error)) => failures.push(format!("{body}: {error:#}")),
                        Err(_) => failures.push(format!("{body}: never answered")),
                    }
                }
                failures
            });
        }
        Load {
            stop,
            lanes: tasks,
            answered,
        }
    }

    /// Waits, not for ever, for that many more answers.
    pub(crate) async fn more(&self, answers: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + answers;
        super::raw::until("requests have been answered", async || {
            (self.answered.load(Ordering::Relaxed) >= wanted).then_some(())
        })
        .await;
    }

    pub(crate) async fn stop(self) -> Sum {
        self.stop.send_replace(true);
        let failures = self.lanes.join_all().await.into_iter().flatten().collect();
        Sum {
            answered: self.answered.load(Ordering::Relaxed),
            failures,
        }
    }
}

impl Sum {
    /// None of at least `many` has failed.
    pub(crate) fn assert_none_failed_of(&self, many: usize) {
        assert!(self.answered >= many, "{} were answered only", self.answered);
        assert!(
            self.failures.is_empty(),
            "{} failed beside {} that did not: {:#?}",
            self.failures.len(),
            self.answered,
            self.failures.iter().take(3).collect::<Vec<_>>()
        );
    }
}

/// One lane's connections.
struct Caller {
    tunnels: Tunnels,
    source: SocketAddr,
    service: SocketAddr,
    http1: Option<http1::SendRequest<Full<Bytes>>>,
    http2: Option<http2::SendRequest<Full<Bytes>>>,
}

impl Caller {
    async fn call(&mut self, lane: Lane, body: &str) -> anyhow::Result<()> {
        let answer = match lane {
            Lane::Anew => self.http1(body, false).await?,
            Lane::Kept => self.http1(body, true).await?,
            Lane::Http2 => self.http2(body).await?,
        };
        anyhow::ensure!(
            answer.status == StatusCode::OK && answer.body.ends_with(body),
            "{} {}",
            answer.status,
            answer.body
        );
        Ok(())
    }

    async fn tunnel(&self) -> anyhow::Result<TokioIo<cairn_hbone::Tunnel>> {
        let opened = self.tunnels.open("sleep", self.source.ip(), self.service);
        Ok(TokioIo::new(opened.await.context("no tunnel")?))
    }

    async fn http1(&mut self, body: &str, keep: bool) -> anyhow::Result<Answer> {
        let kept = match self.http1.take() {
            Some(mut sender) => sender.ready().await.is_ok().then_some(sender),
            None => None,
        };
        let mut sender = match kept {
            Some(sender) => sender,
            None => {
                let (sender, connection) = http1::handshake(self.tunnel().await?).await?;
                tokio::spawn(connection);
                sender
            }
        };
        let request = Request::post("/").body(body)?;
        let answer = Client::exchange(&mut sender, &self.service.to_string(), request).await?;
        self.http1 = keep.then_some(sender);
        Ok(answer)
    }

    async fn http2(&mut self, body: &str) -> anyhow::Result<Answer> {
        let uri = Uri::builder().scheme("http").authority(self.service.to_string());
        let request = Request::post(uri.path_and_query("/").build()?);
        let request = request.body(Full::new(Bytes::from(body.to_owned())))?;
        loop {
            let mut sender = match self.http2.take() {
                Some(sender) => sender,
                None => {
                    let handshake = http2::handshake(TokioExecutor::new(), self.tunnel().await?);
                    let (sender, connection) = handshake.await?;
                    tokio::spawn(connection);
                    sender
                }
            };
            // What has not left, or is beyond the last stream of a connection that goes away, was looked at by nobody and goes by
            // another connection (RFC 9113 section 6.8): as all clients of HTTP/2 have it.
            match sender.try_send_request(request.clone()).await {
                Ok(response) => {
                    self.http2 = Some(sender);
                    return Answer::of(response.map(|body| body.map_err(Into::into).boxed())).await;
                }
                Err(mut error) => {
                    let unsent = error.take_message().is_some();
                    let error = error.into_error();
                    anyhow::ensure!(unsent || is_refused(&error), error);
                }
            }
        }
    }
}

fn is_refused(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.is_go_away() && cause.reason() == Some(h2::Reason::NO_ERROR))
}
