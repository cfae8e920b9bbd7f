//! A body on its way through one filter.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use cairn_http::body::{Body, Error};
use cairn_http::serve::STREAM_IDLE;
use cairn_wasm::{BodyInterest, BodyVerdict, Exchange, HookFailure, Reason};
use http::HeaderMap;
use http_body::{Body as _, Frame};
use tokio::time::Sleep;

use super::{Active, Replied, Shared};
use crate::plugin::FailStrategy;
use crate::target::Misread;

/// What a filter has held of a body is shown to it again for a little more, up to so much;
const LITTLE: usize = 64 << 10;
/// beyond that, for a little more, so often.
const PAUSE: Duration = Duration::from_millis(50);
/// So much of a body is shown to a filter at a time, when it is here already.
const STEP: usize = 16 << 10;

/// Which message a body is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

/// Why a message does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// A filter answers itself.
    #[error("a filter has answered")]
    Replied(Replied),
    /// A filter has failed, and its plugin says that the exchange fails with it.
    #[error("filter {plugin} failed: {reason}")]
    Failed { plugin: Arc<str>, reason: Reason },
    /// More of the body had to be kept back than may be.
    #[error("a body is too large for filter {plugin}")]
    TooLarge { plugin: Arc<str>, side: Side },
    /// The body has not come for so long that its head waits no more.
    #[error("a body did not come")]
    Stalled { side: Side },
    /// A filter has made a target that has no one form.
    #[error("a filter has made a target that can be misread")]
    Target(Misread),
    /// The body broke off while it was kept back.
    #[error("a body broke off")]
    Broken {
        side: Side,
        #[source]
        error: Error,
    },
}

impl Stopped {
    /// Why a body ended early: by what another filter made of it, or by itself.
    fn broken(side: Side, error: Error) -> Stopped {
        match error {
            Error::Producer(producer) => match producer.downcast::<Stopped>() {
                Ok(stopped) => *stopped,
                Err(producer) => Stopped::Broken {
                    side,
                    error: Error::Producer(producer),
                },
            },
            error => Stopped::Broken { side, error },
        }
    }
}

/// A message that may go on.
pub(super) struct Admitted {
    pub(super) body: Body,
    pub(super) changed: bool,
}

/// A body that passes a filter, part by part or as a whole.
pub(super) struct Stage {
    body: Body,
    shared: Arc<Shared>,
    index: usize,
    side: Side,
    /// Handed over only as a whole, of at most so many bytes.
    whole: Option<usize>,
    /// What the filter wants to see again, with what has come since.
    held: BytesMut,
    /// The filter has not seen all that is held.
    unseen: bool,
    /// So much of what is held it has seen.
    seen: usize,
    /// No more of it came since, in a turn of whoever brings it.
    waited: bool,
    /// When it is shown for a little more.
    pause: Option<Pin<Box<Sleep>>>,
    /// What is held is shown when it is so much, or when no more of it is here.
    enough: usize,
    /// What may go on when the head does.
    ready: BytesMut,
    ready_trailers: Option<HeaderMap>,
    calling: Option<Calling>,
    trailers: Option<HeaderMap>,
    /// The filter has been told the end.
    told: bool,
    /// The filter has seen some of it.
    begun: bool,
    ended: bool,
    /// The head has gone on.
    released: bool,
    changed: bool,
}

type Calling = Pin<Box<dyn Future<Output = Called> + Send>>;

/// What a call has come to.
enum Called {
    Body(Bytes, Result<BodyVerdict, HookFailure>),
    Trailers(HeaderMap, Result<(), HookFailure>),
}

impl Stage {
    pub(super) fn new(shared: &Arc<Shared>, index: usize, side: Side, body: Body) -> Stage {
        let interest = shared.active.get(index).map(|active| {
            let subscriptions = active.filter.subscriptions();
            match side {
                Side::Request => subscriptions.request_body,
                Side::Response => subscriptions.response_body,
            }
        });
        Stage {
            body,
            shared: Arc::clone(shared),
            index,
            side,
            whole: match interest {
                Some(BodyInterest::Buffer(bytes)) => Some(bytes),
                _ => None,
            },
            held: BytesMut::new(),
            unseen: false,
            seen: 0,
            waited: false,
            pause: None,
            enough: STEP,
            ready: BytesMut::new(),
            ready_trailers: None,
            calling: None,
            trailers: None,
            // A filter that wants trailers only is not told of the body.
            told: interest.is_none_or(|interest| interest == BodyInterest::None),
            begun: false,
            ended: false,
            released: false,
            changed: false,
        }
    }

    /// The message, as soon as its head may go on: at once, or when the filter releases it.
    pub(super) async fn admit(mut self, hold: bool) -> Result<Admitted, Stopped> {
        if !hold {
            self.released = true;
            return Ok(Admitted {
                body: Body::boxed(self),
                changed: false,
            });
        }
        let released = poll_fn(|cx| self.poll_release(cx));
        let released = tokio::time::timeout(STREAM_IDLE, released).await;
        released.unwrap_or(Err(Stopped::Stalled { side: self.side }))?;
        self.released = true;
        let changed = self.changed;
        let body = if self.ended && self.ready_trailers.is_none() {
            Body::full(self.ready)
        } else {
            Body::boxed(self)
        };
        Ok(Admitted { body, changed })
    }

    /// Gathers what may go on until the head may.
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        while !self.released && !self.ended {
            match ready!(self.poll_next(cx)) {
                // However small the parts are, nothing is kept but their bytes.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(part) => {
                        self.ready.extend_from_slice(&part);
                        if self.ready.len() > self.limit() {
                            return Poll::Ready(Err(self.too_large()));
                        }
                    }
                    Err(frame) => self.ready_trailers = frame.into_trailers().ok(),
                },
                Some(Err(stopped)) => return Poll::Ready(Err(stopped)),
                None => self.ended = true,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The next frame that may go on; what is in `ready` aside.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        loop {
            if let Some(calling) = &mut self.calling {
                let called = ready!(calling.as_mut().poll(cx));
                self.calling = None;
                match self.done(called) {
                    Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                    Ok(None) => continue,
                    Err(stopped) => return Poll::Ready(Some(Err(stopped))),
                }
            }
            if let Some(Err(stopped)) = self.active().map(Active::may_go_without) {
                return Poll::Ready(Some(Err(stopped)));
            }
            if !self.held.is_empty() && !self.is_on() {
                // The filter looks at no more of it, and takes nothing with it.
                self.released = true;
                self.told = true;
                let held = std::mem::take(&mut self.held);
                return Poll::Ready(Some(Ok(Frame::data(held.freeze()))));
            }
            if let Some(trailers) = self.trailers.take() {
                if !self.told && self.is_on() {
                    self.trailers = Some(trailers);
                    self.tell(Bytes::new(), true);
                } else if self.wants_trailers() {
                    self.tell_trailers(trailers);
                } else {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                continue;
            }
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            // Not while a filter before this one is at work: it goes on only when it is asked for the next part.
            if polled.is_pending() && self.unseen && !self.shared.is_calling(self.side) {
                ready!(self.poll_more(cx));
                self.tell(Bytes::new(), false);
                continue;
            }
            match ready!(polled) {
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(Stopped::broken(self.side, error))));
                }
                None if self.told || !self.is_on() => return Poll::Ready(None),
                None => self.tell(Bytes::new(), true),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(part) if self.told || !self.is_on() => {
                        return Poll::Ready(Some(Ok(Frame::data(part))));
                    }
                    Ok(part) => {
                        let end = self.body.is_end_stream();
                        if let Err(stopped) = self.part(part, end) {
                            return Poll::Ready(Some(Err(stopped)));
                        }
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
            }
        }
    }

    /// No more of the body is here; ready when what there is of it is worth a hook.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Whoever brings the parts gets one turn to bring another.
        if !std::mem::replace(&mut self.waited, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // To show much again for every little that comes would cost more than the body does.
        if self.seen < LITTLE || self.held.len() - self.seen > self.seen / 8 {
            return Poll::Ready(());
        }
        let pause = self
            .pause
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(PAUSE)));
        pause.as_mut().poll(cx)
    }

    /// A part has come.
    fn part(&mut self, part: Bytes, end: bool) -> Result<(), Stopped> {
        let Some(most) = self.whole else {
            // Many small parts that are here already are shown as one: a hook for each would cost more than they do.
            if end || self.held.len() + part.len() >= self.enough {
                self.tell(part, end);
            } else {
                self.held.extend_from_slice(&part);
                self.unseen = true;
                self.waited = false;
            }
            return Ok(());
        };
        if self.held.len() + part.len() > most {
            return Err(self.too_large());
        }
        self.held.extend_from_slice(&part);
        if end {
            self.tell(Bytes::new(), true);
        }
        Ok(())
    }

    /// Begins to call the hook with what it held and `part`.
    fn tell(&mut self, part: Bytes, end: bool) {
        let part = if self.held.is_empty() {
            part
        } else {
            let mut all = std::mem::take(&mut self.held);
            all.extend_from_slice(&part);
            all.freeze()
        };
        self.told = end;
        (self.unseen, self.seen, self.pause) = (false, 0, None);
        let under_way = UnderWay::new(&self.shared, self.side);
        let (shared, index, side) = (Arc::clone(&self.shared), self.index, self.side);
        let (first, held) = (!self.begun, !self.released);
        self.begun = true;
        self.calling = Some(Box::pin(async move {
            let _under_way = under_way;
            let mut exchange = shared.exchange.lock().await;
            let called = match shared.active.get(index) {
                Some(active) => active.body(side, &mut exchange, (&part, end), held, first).await,
                None => Ok(BodyVerdict::Pass),
            };
            drop(exchange);
            Called::Body(part, called)
        }));
    }

    fn tell_trailers(&mut self, mut trailers: HeaderMap) {
        let (shared, index, side) = (Arc::clone(&self.shared), self.index, self.side);
        let under_way = UnderWay::new(&self.shared, side);
        self.calling = Some(Box::pin(async move {
            let _under_way = under_way;
            let mut exchange = shared.exchange.lock().await;
            let Some(active) = shared.active.get(index) else {
                return Called::Trailers(trailers, Ok(()));
            };
            let called = match side {
                Side::Request => {
                    active
                        .filter
                        .on_request_trailers(&mut exchange, &mut trailers)
                        .await
                }
                Side::Response => {
                    active
                        .filter
                        .on_response_trailers(&mut exchange, &mut trailers)
                        .await
                }
            };
            Called::Trailers(trailers, called)
        }));
    }

    /// What goes on after a call.
    fn done(&mut self, called: Called) -> Result<Option<Frame<Bytes>>, Stopped> {
        let (part, verdict) = match called {
            Called::Trailers(trailers, result) => {
                if let Err(failure) = result {
                    self.give_up(&failure)?;
                }
                return Ok(Some(Frame::trailers(trailers)));
            }
            Called::Body(part, Ok(verdict)) => (part, verdict),
            Called::Body(part, Err(failure)) => {
                self.give_up(&failure)?;
                self.released = true;
                return Ok(Some(Frame::data(part)));
            }
        };
        self.enough = STEP;
        match verdict {
            BodyVerdict::Pass => Ok(frame(part)),
            BodyVerdict::Replace(other) => Ok(frame(other)),
            BodyVerdict::Hold if self.told => Ok(frame(part)),
            BodyVerdict::Hold => {
                self.seen = part.len();
                self.held = part.try_into_mut().unwrap_or_else(|part| BytesMut::from(&*part));
                let limit = self.limit();
                if self.held.len() > limit {
                    return Err(self.too_large());
                }
                self.enough = self
                    .held
                    .len()
                    .saturating_add(self.held.len().max(STEP))
                    .min(limit);
                Ok(None)
            }
            BodyVerdict::Release { changed, body } => {
                self.changed |= changed && !self.released;
                self.released = true;
                // Even of nothing, for the head has to be told.
                Ok(Some(Frame::data(body.unwrap_or(part))))
            }
            BodyVerdict::Reply(reply) => Err(Stopped::Replied(Box::new(reply))),
        }
    }

    fn active(&self) -> Option<&Active> {
        self.shared.active.get(self.index)
    }

    fn is_on(&self) -> bool {
        self.active().is_some_and(Active::is_on)
    }

    fn wants_trailers(&self) -> bool {
        self.active().is_some_and(|active| {
            let subscriptions = active.filter.subscriptions();
            active.is_on()
                && match self.side {
                    Side::Request => subscriptions.request_trailers,
                    Side::Response => subscriptions.response_trailers,
                }
        })
    }

    fn limit(&self) -> usize {
        self.active().map_or(0, |active| active.spec.limits.buffer)
    }

    fn give_up(&self, failure: &HookFailure) -> Result<(), Stopped> {
        self.active().map_or(Ok(()), |active| active.give_up(failure))
    }

    fn too_large(&self) -> Stopped {
        if let Some(active) = self.active() {
            active.fail(Reason::Limit);
        }
        Stopped::TooLarge {
            plugin: self
                .active()
                .map(|active| active.spec.label.to_string())
                .unwrap_or_default()
                .into(),
            side: self.side,
        }
    }
}

/// A hook that is called with a body, from the wish to call it on.
struct UnderWay(Arc<Shared>, Side);

impl UnderWay {
    fn new(shared: &Arc<Shared>, side: Side) -> UnderWay {
        shared.calls(side).fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(shared), side)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.calls(self.1).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    fn is_calling(&self, side: Side) -> bool {
        self.calls(side).load(Ordering::Relaxed) > 0
    }

    fn calls(&self, side: Side) -> &AtomicUsize {
        let [request, response] = &self.calling;
        match side {
            Side::Request => request,
            Side::Response => response,
        }
    }
}

impl Active {
    /// Shows a part of a body to the filter; a second time, to a fresh instance, where the plugin wants that and the filter
    /// has seen nothing of the body before.
    async fn body(
        &self,
        side: Side,
        exchange: &mut Exchange,
        (part, end): (&[u8], bool),
        held: bool,
        first: bool,
    ) -> Result<BodyVerdict, HookFailure> {
        let mut again = first && self.spec.fail == FailStrategy::Reload;
        loop {
            let called = match side {
                Side::Request => self.filter.on_request_body(exchange, part, end, held).await,
                Side::Response => self.filter.on_response_body(exchange, part, end, held).await,
            };
            if called.is_ok() || !again {
                return called;
            }
            again = false;
            exchange.try_afresh();
        }
    }
}

fn frame(bytes: Bytes) -> Option<Frame<Bytes>> {
    (!bytes.is_empty()).then(|| Frame::data(bytes))
}

impl http_body::Body for Stage {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if !this.ready.is_empty() {
            let ready = std::mem::take(&mut this.ready);
            return Poll::Ready(Some(Ok(Frame::data(ready.freeze()))));
        }
        if let Some(trailers) = this.ready_trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if this.ended {
            return Poll::Ready(None);
        }
        match ready!(this.poll_next(cx)) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Err(stopped)) => {
                this.ended = true;
                Poll::Ready(Some(Err(match stopped {
                    Stopped::Broken { error, .. } => error,
                    other => Error::Producer(Box::new(other)),
                })))
            }
            None => {
                this.ended = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.ready.is_empty() && self.ready_trailers.is_none()
    }
}

/// A body that keeps the filters' share of an exchange until it has ended.
pub(super) struct Held {
    body: Body,
    _shared: Arc<Shared>,
}

impl Held {
    pub(super) fn new(body: Body, shared: Arc<Shared>) -> Held {
        Held {
            body,
            _shared: shared,
        }
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
