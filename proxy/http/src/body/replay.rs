//! A request body that can be sent more than once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use super::{Body, Error};

/// Keeps what attempts have read of a body, so that a retry sends the same bytes without asking the client for them.
///
/// The first attempt streams: nothing waits for the end of the body. A body that grows beyond the limit is still
/// delivered to the attempt that reads it, but there is no other attempt after it.
///
/// ```
/// use cairn_http::body::{Body, Replay};
/// use http_body_util::BodyExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let replay = Replay::new(Body::from("hello"), 1024);
/// for _ in 0..3 {
///     let attempt = replay.attempt().unwrap();
///     assert_eq!(attempt.collect().await.unwrap().to_bytes(), "hello");
/// }
/// # }
/// ```
pub struct Replay {
    /// `None`: the body is empty and needs no memory.
    tape: Option<Arc<Mutex<Tape>>>,
}

struct Tape {
    source: Body,
    limit: usize,
    size: usize,
    frames: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// More than the limit has passed, or the source has failed.
    torn: bool,
    /// Length of the whole body, where its source knows.
    length: Option<u64>,
    /// The attempt that may read; earlier ones have been given up.
    current: u64,
    /// There will be no other attempt: nothing more is kept.
    last: bool,
}

impl Replay {
    /// Wraps `body`, of which at most `limit` bytes are kept; each frame counts 64 more.
    pub fn new(body: Body, limit: usize) -> Self {
        if body.is_end_stream() {
            return Self { tape: None };
        }
        let length = body.size_hint().exact();
        let tape = Tape {
            source: body,
            limit,
            size: 0,
            frames: Vec::new(),
            trailers: None,
            ended: false,
            torn: false,
            length,
            current: 0,
            last: false,
        };
        Self {
            tape: Some(Arc::new(Mutex::new(tape))),
        }
    }

    /// A body for the next attempt, from the first byte; bodies of earlier attempts fail from here on. `None` once the
    /// body cannot be sent again.
    pub fn attempt(&self) -> Option<Body> {
        let Some(tape) = &self.tape else {
            return Some(Body::empty());
        };
        let mut locked = lock(tape);
        if locked.torn {
            return None;
        }
        locked.current += 1;
        let number = locked.current;
        drop(locked);
        Some(Body::attempt(Attempt {
            tape: Arc::clone(tape),
            number,
            at: 0,
            read: 0,
            told_end: false,
        }))
    }
}

/// Without it there is no other attempt, and what the last one has read and will read need not be kept.
impl Drop for Replay {
    fn drop(&mut self) {
        if let Some(tape) = &self.tape {
            lock(tape).last = true;
        }
    }
}

/// What a frame takes up beside its bytes: its place on the tape, and its frame header in the buffer that it is a part of. A
/// body of many tiny frames is thus no larger in memory than the limit says.
pub(super) const PER_FRAME: usize = 64;

/// One reading of the tape.
pub(crate) struct Attempt {
    tape: Arc<Mutex<Tape>>,
    number: u64,
    /// Frames of the tape that have been read.
    at: usize,
    read: u64,
    told_end: bool,
}

impl Attempt {
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut tape = lock(&self.tape);
        if self.told_end {
            return Poll::Ready(None);
        }
        if tape.current != self.number {
            return Poll::Ready(Some(Err(Error::Producer(
                "another attempt reads the body".into(),
            ))));
        }
        if tape.last && self.at >= tape.frames.len() {
            tape.frames = Vec::new();
        }
        let frame = match tape.frames.get(self.at) {
            Some(data) => Some(Frame::data(data.clone())),
            None if tape.ended => tape.trailers.clone().map(Frame::trailers),
            None => match ready!(tape.poll_source(cx)) {
                Ok(frame) => frame,
                Err(error) => return Poll::Ready(Some(Err(error))),
            },
        };
        match frame.as_ref().and_then(Frame::data_ref) {
            Some(data) => {
                self.at += 1;
                self.read += data.len() as u64;
            }
            None => self.told_end = true,
        }
        Poll::Ready(frame.map(Ok))
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        let tape = lock(&self.tape);
        self.told_end || (tape.frames.len() <= self.at && tape.is_at_end())
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match lock(&self.tape).length {
            Some(length) => SizeHint::with_exact(length.saturating_sub(self.read)),
            None => SizeHint::default(),
        }
    }
}

impl Tape {
    /// The next frame of the source, kept if there is room.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Error>> {
        let frame = match ready!(std::pin::Pin::new(&mut self.source).poll_frame(cx)) {
            None => None,
            Some(Ok(frame)) => Some(frame),
            Some(Err(error)) => {
                self.torn = true;
                return Poll::Ready(Err(error));
            }
        };
        match &frame {
            None => self.ended = true,
            Some(frame) => {
                if let Some(data) = frame.data_ref() {
                    self.keep(data);
                } else if let Some(trailers) = frame.trailers_ref() {
                    self.trailers = Some(trailers.clone());
                    self.ended = true;
                }
            }
        }
        Poll::Ready(Ok(frame))
    }

    fn keep(&mut self, data: &Bytes) {
        if self.last {
            return;
        }
        self.size = self.size.saturating_add(data.len()).saturating_add(PER_FRAME);
        if self.size > self.limit {
            self.torn = true;
            self.frames = Vec::new();
        } else if !self.torn {
            self.frames.push(data.clone());
        }
    }

    fn is_at_end(&self) -> bool {
        (self.ended && self.trailers.is_none()) || (!self.ended && self.source.is_end_stream())
    }
}

fn lock(tape: &Mutex<Tape>) -> MutexGuard<'_, Tape> {
    tape.lock().unwrap_or_else(PoisonError::into_inner)
}
