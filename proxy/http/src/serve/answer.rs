//! Between hyper and the service: what becomes of refused requests, switches and draining connections.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderMap, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;
use pin_project_lite::pin_project;
use tokio::io::AsyncWriteExt as _;

use super::{Refused, Settings, overseen};
use crate::body::Body;
use crate::guard::{self, Link, MARKER_METHOD, Refusal, Switch};
use crate::interim::Interim;
use crate::upgrade::OnUpgrade;

type Cause = Box<dyn Error + Send + Sync>;

pub(super) struct Http1Service<S> {
    service: S,
    link: Arc<Link>,
}

impl<S> Http1Service<S> {
    pub(super) fn new(service: S, link: Arc<Link>) -> Self {
        Self { service, link }
    }
}

impl<S, F, B, E> Service<Request<Incoming>> for Http1Service<S>
where
    S: Fn(Request<Body>) -> F,
    F: Future<Output = Result<Response<B>, E>>,
    B: HttpBody<Data = Bytes, Error: Into<Cause>> + Unpin,
    E: Into<Cause>,
{
    type Response = Response<Answer<B>>;
    type Error = E;
    type Future = Exchange<F>;

    fn call(&self, request: Request<Incoming>) -> Exchange<F> {
        self.link.set_in_flight(true);
        let link = Arc::clone(&self.link);
        if request.method().as_str() == MARKER_METHOD {
            return Exchange {
                run: None,
                link,
                connects: false,
                wanted: None,
            };
        }
        let connects = *request.method() == Method::CONNECT;
        // The guard has let no other `Upgrade` pass than one that is meant. It is ahead of this: while earlier requests
        // are answered, it may know of a switch that a later one asks for.
        let wanted = request.headers().get(UPGRADE).cloned();
        if wanted.is_some() || connects {
            link.remember(request.extensions());
        }
        link.begin();
        let mut request = request.map(Body::from);
        if request.version() == Version::HTTP_11 {
            request.extensions_mut().insert(Interim::new(&link));
        }
        Exchange {
            run: Some((self.service)(request)),
            link,
            connects,
            wanted,
        }
    }
}

pin_project! {
    /// One HTTP/1 request on its way to an answer. Without a service to run the answer is the refusal.
    pub(super) struct Exchange<F> {
        #[pin]
        run: Option<F>,
        link: Arc<Link>,
        connects: bool,
        wanted: Option<HeaderValue>,
    }
}

impl<F, B, E> Future for Exchange<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: HttpBody<Data = Bytes, Error: Into<Cause>> + Unpin,
{
    type Output = Result<Response<Answer<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.link.broken() {
            this.run.set(None);
        }
        let mut response = match this.run.as_pin_mut() {
            None => refused(this.link),
            Some(run) => ready!(run.poll(cx))?.map(|body| Answer::new(Kind::Service(body), Some(this.link))),
        };
        this.link.answered();
        let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let granted = switched || (*this.connects && response.status().is_success());
        if *this.connects || this.wanted.is_some() {
            this.link.answer_switch(granted);
        }
        if switched {
            name_protocol(response.headers_mut(), this.wanted.take());
        } else if this.link.draining() && !granted {
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response))
    }
}

fn refused<B>(link: &Arc<Link>) -> Response<Answer<B>> {
    let refusal = link
        .refusal()
        .cloned()
        .unwrap_or_else(|| Refusal::malformed("an invalid request"));
    refusal
        .response()
        .map(|body| Answer::new(Kind::Proxy(body), Some(link)))
}

/// What a proxy strips as hop-by-hop is, of a 101, the answer itself.
fn name_protocol(headers: &mut HeaderMap, wanted: Option<HeaderValue>) {
    headers
        .entry(CONNECTION)
        .or_insert(HeaderValue::from_static("upgrade"));
    if let Some(wanted) = wanted {
        headers.entry(UPGRADE).or_insert(wanted);
    }
}

/// hyper keeps the connection of a refused switch for whoever asked for it, to the end, and then drops it unclosed.
pub(super) async fn finish_refused_switch(link: &Link) {
    let Some(mut extensions) = link.recall() else {
        return;
    };
    if link.switch() == Switch::Granted {
        return;
    }
    if let Some(pending) = OnUpgrade::take(&mut extensions)
        && let Ok(mut io) = pending.stream().await
    {
        let _ = io.shutdown().await;
    }
}

/// The body of an answer.
pub(super) struct Answer<B> {
    kind: Kind<B>,
    /// HTTP/1: told when the answer is over.
    link: Option<Arc<Link>>,
}

enum Kind<B> {
    Service(B),
    Proxy(Body),
}

impl<B> Answer<B> {
    fn new(kind: Kind<B>, link: Option<&Arc<Link>>) -> Self {
        Self {
            kind,
            link: link.cloned(),
        }
    }
}

impl<B> HttpBody for Answer<B>
where
    B: HttpBody<Data = Bytes, Error: Into<Cause>> + Unpin,
{
    type Data = Bytes;
    type Error = Cause;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cause>>> {
        let polled = match &mut self.kind {
            Kind::Service(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Kind::Proxy(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        };
        overseen::note(&polled);
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Service(body) => body.is_end_stream(),
            Kind::Proxy(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Service(body) => body.size_hint(),
            Kind::Proxy(body) => body.size_hint(),
        }
    }
}

impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        if let Some(link) = &self.link {
            link.set_in_flight(false);
        }
    }
}

pub(super) struct Http2Service<S> {
    service: S,
    refused: Option<Refused>,
    max_headers: usize,
}

impl<S> Http2Service<S> {
    pub(super) fn new(service: S, settings: &Settings) -> Self {
        Self {
            service,
            refused: settings.refused.clone(),
            max_headers: settings.head.headers,
        }
    }
}

impl<S, F, B, E> Service<Request<Incoming>> for Http2Service<S>
where
    S: Fn(Request<Body>) -> F,
    F: Future<Output = Result<Response<B>, E>>,
    B: HttpBody<Data = Bytes, Error: Into<Cause>> + Unpin,
    E: Into<Cause>,
{
    type Response = Response<Answer<B>>;
    type Error = E;
    type Future = StreamExchange<F>;

    fn call(&self, request: Request<Incoming>) -> StreamExchange<F> {
        match check(&request, self.max_headers) {
            Ok(()) => StreamExchange {
                run: Some((self.service)(request.map(Body::from))),
                refusal: None,
            },
            Err(refusal) => {
                if let Some(Refused(tell)) = &self.refused {
                    tell(&refusal, &request.into_parts().0);
                }
                StreamExchange {
                    run: None,
                    refusal: Some(refusal),
                }
            }
        }
    }
}

/// What h2 lets through and HTTP/1 requests are refused for.
fn check(request: &Request<Incoming>, max_headers: usize) -> Result<(), Refusal> {
    if request.headers().len() > max_headers {
        return Err(Refusal::too_many_headers());
    }
    if request
        .method()
        .as_str()
        .bytes()
        .any(|byte| byte.is_ascii_lowercase())
    {
        return Err(Refusal::malformed("a method in lower case"));
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(Refusal::malformed("more than one Host"));
    }
    match (request.uri().authority(), host) {
        (None, None) => Err(Refusal::missing_host()),
        (None, Some(host)) if guard::is_host(host) => Ok(()),
        // RFC 9113 section 8.3.1: a Host that names something else makes the request malformed.
        (Some(authority), host)
            if guard::is_host(authority.as_str().as_bytes())
                && host.is_none_or(|host| authority.as_str().as_bytes().eq_ignore_ascii_case(host)) =>
        {
            Ok(())
        }
        _ => Err(Refusal::malformed("an invalid :authority or Host")),
    }
}

pin_project! {
    /// One HTTP/2 stream on its way to an answer.
    pub(super) struct StreamExchange<F> {
        #[pin]
        run: Option<F>,
        refusal: Option<Refusal>,
    }
}

impl<F, B, E> Future for StreamExchange<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: HttpBody<Data = Bytes, Error: Into<Cause>> + Unpin,
{
    type Output = Result<Response<Answer<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match this.run.as_pin_mut() {
            Some(run) => {
                let polled = run.poll(cx);
                overseen::note(&polled);
                ready!(polled)?.map(|body| Answer::new(Kind::Service(body), None))
            }
            None => {
                let refusal = this
                    .refusal
                    .take()
                    .unwrap_or_else(|| Refusal::malformed("an invalid request"));
                let mut response = refusal
                    .response()
                    .map(|body| Answer::new(Kind::Proxy(body), None));
                response.headers_mut().remove(CONNECTION);
                response
            }
        };
        Poll::Ready(Ok(response))
    }
}
