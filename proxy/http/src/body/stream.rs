//! Bodies over the h2 crate's streams: the response of an upstream HTTP/2 connection, and the upload to it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use http_body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;

/// The response body of one HTTP/2 stream.
///
/// Received bytes go back to the peer's window when the reader asks for more, not when they are handed over: a slow
/// reader holds at most one window.
pub(crate) struct Stream {
    recv: RecvStream,
    unreleased: usize,
    data_done: bool,
    length: Option<u64>,
    /// The rest of the request body, which has no purpose once nobody reads the response.
    upload: Option<AbortHandle>,
    /// Keeps the stream counted against its connection.
    _lease: Box<dyn Send>,
}

impl Stream {
    pub(crate) fn new(
        recv: RecvStream,
        length: Option<u64>,
        upload: Option<AbortHandle>,
        lease: Box<dyn Send>,
    ) -> Self {
        Self {
            recv,
            unreleased: 0,
            data_done: false,
            length,
            upload,
            _lease: lease,
        }
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if self.unreleased > 0 {
            let _ = self
                .recv
                .flow_control()
                .release_capacity(std::mem::take(&mut self.unreleased));
        }
        if !self.data_done {
            match ready!(self.recv.poll_data(cx)) {
                Some(Ok(bytes)) => {
                    self.unreleased = bytes.len();
                    self.length = self.length.map(|rest| rest.saturating_sub(bytes.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Err(error)) => return Poll::Ready(self.ended_by(error)),
                None => self.data_done = true,
            }
        }
        match ready!(self.recv.poll_trailers(cx)) {
            Ok(trailers) => {
                self.upload = None;
                Poll::Ready(trailers.map(|it| Ok(Frame::trailers(it))))
            }
            Err(error) => Poll::Ready(self.ended_by(error)),
        }
    }

    /// RFC 9113 section 8.1: NO_ERROR after a complete response only asks to stop the upload.
    fn ended_by(&mut self, error: h2::Error) -> Option<Result<Frame<Bytes>, h2::Error>> {
        self.data_done = true;
        if error.reason() == Some(Reason::NO_ERROR) && !error.is_io() {
            None
        } else {
            Some(Err(error))
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.recv.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.length {
            Some(length) => SizeHint::with_exact(length),
            None if self.recv.is_end_stream() => SizeHint::with_exact(0),
            None => SizeHint::default(),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(upload) = self.upload.take()
            && !self.recv.is_end_stream()
        {
            upload.abort();
        }
    }
}

/// Why an upload did not reach its end.
#[derive(Debug)]
pub(crate) enum UploadError<E> {
    /// The request body failed; the stream was reset.
    Body(E),
    /// The stream or the connection was closed by the peer; the response says why.
    Stream,
}

/// Copies a request body into an HTTP/2 stream, one frame at a time as the peer's window allows.
pub(crate) struct Upload<B> {
    body: B,
    stream: SendStream<Bytes>,
    waiting: Option<Bytes>,
}

impl<B> Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    pub(crate) fn new(body: B, stream: SendStream<Bytes>) -> Self {
        Self {
            body,
            stream,
            waiting: None,
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), UploadError<B::Error>>> {
        loop {
            if let Poll::Ready(_reset) = self.stream.poll_reset(cx) {
                return Poll::Ready(Err(UploadError::Stream));
            }
            if let Some(data) = self.waiting.take() {
                // A claim of one byte suffices: h2 raises it to the length of what is queued.
                if self.stream.capacity() == 0 {
                    match self.stream.poll_capacity(cx) {
                        Poll::Ready(Some(Ok(0))) => {
                            self.waiting = Some(data);
                            continue;
                        }
                        Poll::Ready(Some(Ok(_))) => {}
                        Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Err(UploadError::Stream)),
                        Poll::Pending => {
                            self.waiting = Some(data);
                            return Poll::Pending;
                        }
                    }
                }
                let last = self.body.is_end_stream();
                if self.stream.send_data(data, last).is_err() {
                    return Poll::Ready(Err(UploadError::Stream));
                }
                if last {
                    return Poll::Ready(Ok(()));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => {
                    let sent = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(sent.map_err(|_| UploadError::Stream));
                }
                Some(Err(error)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(UploadError::Body(error)));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {
                        if self.body.is_end_stream() {
                            let sent = self.stream.send_data(data, true);
                            return Poll::Ready(sent.map_err(|_| UploadError::Stream));
                        }
                    }
                    Ok(data) => {
                        self.stream.reserve_capacity(1);
                        self.waiting = Some(data);
                    }
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.stream.reserve_capacity(0);
                            let sent = self.stream.send_trailers(trailers);
                            return Poll::Ready(sent.map_err(|_| UploadError::Stream));
                        }
                    }
                },
            }
        }
    }
}
