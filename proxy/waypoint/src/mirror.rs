//! Copies of requests for the mirrors of a route: sent beside the request, answers dropped.
//!
//! A mirror never holds anything up. Its copy of a body is made as the request's own is read; one that does not keep pace loses
//! its copy, and one for which there is no room gets none.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cairn_http::body::{Body, Error};
use cairn_route::shadow_authority;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Request};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use crate::attempt;
use crate::cluster::Cluster;
use crate::exchange::Exchange;
use crate::plan::{Plans, RoutePlan};
use crate::sought::Sought;

/// Copies under way at a time, of all requests.
pub(crate) const UNDER_WAY: usize = 1024;
/// Frames and bytes of a body that a mirror may lag behind.
const LAG: usize = 32;
const LAG_BYTES: usize = 256 << 10;
/// The longest that a copy takes when its route has no timeout.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a copy of `request` to each mirror that wants one; gives the request to go on with.
pub(crate) fn copy(exchange: &Exchange, route: &RoutePlan, request: Request<Body>) -> Request<Body> {
    let Some(mirrors) = route.mirrors().filter(|_| exchange.switch.is_none()) else {
        return request;
    };
    let (head, body) = request.into_parts();
    let whole = body.is_end_stream();
    let mut copies = Vec::new();
    for (mirror, cluster) in mirrors.iter().zip(&route.mirror_clusters) {
        let wanted = cluster.as_ref().filter(|_| mirror.strikes(rand::random()));
        let Some((cluster, permit)) = wanted.zip(room(exchange)) else {
            continue;
        };
        let copied = if whole {
            Body::empty()
        } else {
            let (sender, receiver) = mpsc::channel(LAG);
            copies.push(Copy::new(sender));
            Body::boxed(Copied {
                frames: receiver,
                ended: false,
            })
        };
        let mut head = head.clone();
        let way = Way {
            cluster: Arc::clone(cluster),
            plans: Arc::clone(&exchange.plans),
            source: exchange.downstream.remote,
            destination: exchange.downstream.local,
            host: head.headers.get(HOST).cloned(),
        };
        mark(&mut head.headers);
        let copy = Request::from_parts(head, copied);
        let longest = route.timeout().unwrap_or(PATIENCE);
        tokio::spawn(send(way, copy, longest, permit));
    }
    let body = if copies.is_empty() {
        body
    } else {
        Body::boxed(Tee { body, copies })
    };
    Request::from_parts(head, body)
}

fn room(exchange: &Exchange) -> Option<OwnedSemaphorePermit> {
    Arc::clone(&exchange.proxy.mirrored).try_acquire_owned().ok()
}

/// The service sees by its own name that it is asked for a copy.
fn mark(headers: &mut HeaderMap) {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let shadow = host.and_then(|host| HeaderValue::from_str(&shadow_authority(host)).ok());
    if let Some(shadow) = shadow {
        headers.insert(HOST, shadow);
    }
}

/// Where a copy goes.
struct Way {
    cluster: Arc<Cluster>,
    plans: Arc<Plans>,
    /// The client.
    source: SocketAddr,
    /// The address that the client connected to.
    destination: SocketAddr,
    /// The host of the request itself.
    host: Option<HeaderValue>,
}

/// Sends a copy once, reads its answer to the end, so that the connection can be used again, and forgets it.
async fn send(way: Way, copy: Request<Body>, longest: Duration, _permit: OwnedSemaphorePermit) {
    let cluster = &way.cluster;
    let sent = timeout(longest, async {
        let sought = Sought {
            mesh: &way.plans.mesh,
            source: way.source,
            destination: way.destination,
            host: way.host.as_ref().and_then(|host| host.to_str().ok()),
        };
        let endpoint = cluster
            .choose(sought, None, &[])
            .await
            .map_err(|_| "no healthy endpoint")?;
        let lanes = endpoint.data.connections.lanes(&sought);
        let pool = attempt::pool_of(&lanes, cluster, &copy);
        let _admitted = match &cluster.breaker {
            None => None,
            Some(breaker) => {
                let admitted = breaker.admit(attempt::is_exclusive(pool)).await;
                Some(admitted.map_err(|_| "as much is under way as may be")?)
            }
        };
        let response = pool.send(copy).await.map_err(|_| "not answered")?;
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|_| "the answer broke off")?;
        }
        Ok::<(), &str>(())
    });
    let reason = match sent.await {
        Ok(Ok(())) => return,
        Ok(Err(reason)) => reason,
        Err(_) => "too slow",
    };
    tracing::debug!(
        cluster = &*cluster.name,
        reason,
        "a mirrored request came to nothing"
    );
}

/// What a mirror is told of a body.
enum Piece {
    Data(Bytes, #[expect(dead_code, reason = "held")] OwnedSemaphorePermit),
    End(Option<HeaderMap>),
}

/// The way of a body to one mirror.
struct Copy {
    pieces: mpsc::Sender<Piece>,
    room: Arc<Semaphore>,
}

impl Copy {
    fn new(pieces: mpsc::Sender<Piece>) -> Copy {
        let room = Arc::new(Semaphore::new(LAG_BYTES));
        Copy { pieces, room }
    }

    /// False: there was no room for it.
    fn tell(&self, data: &Bytes) -> bool {
        let Ok(length) = u32::try_from(data.len()) else {
            return false;
        };
        let Ok(place) = Arc::clone(&self.room).try_acquire_many_owned(length) else {
            return false;
        };
        self.pieces.try_send(Piece::Data(data.clone(), place)).is_ok()
    }
}

/// A body that is read by its request, and told to mirrors.
struct Tee {
    body: Body,
    copies: Vec<Copy>,
}

impl Tee {
    /// Whoever has no room for a piece has lost it, and gets no more.
    fn tell(&mut self, data: &Bytes) {
        self.copies.retain(|copy| copy.tell(data));
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) {
        for copy in self.copies.drain(..) {
            // One that is too late for this has lost it.
            let _ = copy.pieces.try_send(Piece::End(trailers.cloned()));
        }
    }
}

impl http_body::Body for Tee {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            None => self.end(None),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.tell(data);
                    // Nobody may ask further than this.
                    if self.body.is_end_stream() {
                        self.end(None);
                    }
                } else {
                    self.end(frame.trailers_ref());
                }
            }
            Some(Err(_)) => self.copies.clear(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A mirror's copy of a body; it fails when the rest of it is lost.
struct Copied {
    frames: mpsc::Receiver<Piece>,
    ended: bool,
}

impl http_body::Body for Copied {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = std::task::ready!(self.frames.poll_recv(cx));
        Poll::Ready(match piece {
            Some(Piece::Data(data, _)) => Some(Ok(Frame::data(data))),
            Some(Piece::End(trailers)) => {
                self.ended = true;
                trailers.map(|trailers| Ok(Frame::trailers(trailers)))
            }
            None => Some(Err(Error::Producer("the rest of the copy is lost".into()))),
        })
    }
}

#[cfg(test)]
mod tests;
