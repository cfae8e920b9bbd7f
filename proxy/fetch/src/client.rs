//! HTTP as far as fetching needs it: one request a connection, redirects followed by hand, nothing read without bound.
//!
//! A connection is made to an address that has just been checked, so that no request of this crate, whatever it follows,
//! can reach an address that is forbidden.

mod connect;
mod names;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use url::Url;

use crate::error::FetchError;
use crate::source::plain;

pub(crate) use connect::Connector;
pub(crate) use names::Insecure;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

/// How much of what a server says about an error is read, and how much of that is told.
const MAX_DETAIL: u64 = 16 * 1024;
const TOLD_DETAIL: usize = 200;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }
}

/// The head of an answer, with its body still to come.
pub(crate) struct Reply {
    /// The address that answered in the end.
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    /// Carries the body; the connection ends with it.
    _connection: Connection,
}

struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request and follows its redirects.
///
/// # Errors
///
/// What comes in the way of an answer; a status that is no success is an answer.
pub(crate) async fn send(connector: &Connector, mut ask: Ask) -> Result<Reply, FetchError> {
    for _ in 0..=MAX_REDIRECTS {
        let reply = once(connector, &ask).await?;
        let Some(to) = redirection(&ask, &reply) else {
            return Ok(reply);
        };
        let next = target(connector, &ask.url, &to)?;
        if next.origin() != ask.url.origin() {
            // The credentials of a registry are not those of the store that it keeps its blobs in.
            ask.headers.remove(AUTHORIZATION);
        }
        ask.url = next;
    }
    Err(FetchError::Redirect {
        url: plain(&ask.url),
        to: "…".to_owned(),
        reason: "more than five redirects in a row",
    })
}

/// Where an answer redirects to. A request with a body is never sent elsewhere.
fn redirection(ask: &Ask, reply: &Reply) -> Option<String> {
    let moved = matches!(reply.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    let safe = matches!(ask.method, Method::GET | Method::HEAD);
    let location = reply.headers.get(LOCATION)?.to_str().ok()?;
    (moved && safe).then(|| location.to_owned())
}

/// The address that a server sends one to, when it is one to go to.
pub(crate) fn target(connector: &Connector, from: &Url, to: &str) -> Result<Url, FetchError> {
    let next = from.join(to).map_err(|_| FetchError::Redirect {
        url: plain(from),
        to: "…".to_owned(),
        reason: "it is no address",
    })?;
    let refuse = |reason| FetchError::Redirect {
        url: plain(from),
        to: format!("{}://{}", next.scheme(), next.host_str().unwrap_or_default()),
        reason,
    };
    match (from.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") if connector.insecure.names(&next) => {}
        ("https", "http") => return Err(refuse("it leaves TLS")),
        _ => return Err(refuse("its scheme is neither http nor https")),
    }
    if !next.username().is_empty() || next.password().is_some() {
        return Err(refuse("it holds a user or a password"));
    }
    Ok(next)
}

async fn once(connector: &Connector, ask: &Ask) -> Result<Reply, FetchError> {
    let broken = |error: &dyn std::error::Error| exchange(&ask.url, error);
    let stream = connector.connect(&ask.url).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    let connection = Connection(tokio::spawn(async move {
        // What ends a connection early is seen by the request on it.
        let _ = connection.await;
    }));
    let request = request(ask).map_err(|error| broken(&error))?;
    let reply = sender
        .send_request(request)
        .await
        .map_err(|error| broken(&error))?;
    let (head, body) = reply.into_parts();
    Ok(Reply {
        url: ask.url.clone(),
        status: head.status,
        headers: head.headers,
        body,
        _connection: connection,
    })
}

fn request(ask: &Ask) -> Result<Request<Full<Bytes>>, http::Error> {
    let path = match ask.url.query() {
        Some(query) => format!("{}?{query}", ask.url.path()),
        None => ask.url.path().to_owned(),
    };
    let host = match ask.url.port() {
        Some(port) => format!("{}:{port}", ask.url.host_str().unwrap_or_default()),
        None => ask.url.host_str().unwrap_or_default().to_owned(),
    };
    let mut request = Request::builder()
        .method(ask.method.clone())
        .uri(path)
        .body(Full::new(ask.body.clone()))?;
    let headers = request.headers_mut();
    headers.extend(ask.headers.clone());
    headers.insert(HOST, HeaderValue::try_from(host)?);
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("cairn/", env!("CARGO_PKG_VERSION"))),
    );
    // The digests are of the bytes as published.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

impl Reply {
    /// The whole body, when it is not larger than `limit`. What announces itself as larger is not read at all, and what
    /// is larger unannounced no further than the limit.
    pub(crate) async fn bytes(mut self, limit: u64, what: &str) -> Result<Bytes, FetchError> {
        let large = || FetchError::TooLarge {
            what: what.to_owned(),
            limit,
        };
        let announced = hyper::body::Body::size_hint(&self.body);
        if announced.lower() > limit {
            return Err(large());
        }
        let room = usize::try_from(announced.exact().unwrap_or(0)).map_err(|_| large())?;
        let mut bytes = BytesMut::with_capacity(room);
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| exchange(&self.url, &error))?;
            if let Ok(data) = frame.into_data() {
                if (bytes.len() + data.len()) as u64 > limit {
                    return Err(large());
                }
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes.freeze())
    }

    /// Itself when it is a success, and otherwise the error that its status means.
    pub(crate) async fn success(self) -> Result<Self, FetchError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let (url, status) = (plain(&self.url), self.status.as_u16());
        // A body that does not come, or is large, says nothing that is worth another error.
        let body = self.bytes(MAX_DETAIL, "").await.unwrap_or_default();
        let detail = detail(&body);
        Err(match status {
            401 | 403 => FetchError::Unauthorized {
                url,
                status,
                detail,
                advice: "modules behind a login can be fetched from registries only, with an imagePullSecret",
            },
            404 => FetchError::NotFound { url, detail },
            _ => FetchError::Status { url, status, detail },
        })
    }
}

/// What a body says about an error: the messages of a registry, or nothing. Text of other servers is not passed on,
/// because whoever names an address in a plugin may not be allowed to read what is there.
fn detail(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let Ok(Errors { errors }) = serde_json::from_slice(body) else {
        return String::new();
    };
    let said: Vec<String> = errors
        .into_iter()
        .map(|one| match one.message.is_empty() {
            true => one.code,
            false => one.message,
        })
        .collect();
    let said: String = said
        .join(", ")
        .chars()
        .filter(|one| !one.is_control())
        .take(TOLD_DETAIL)
        .collect();
    if said.is_empty() {
        said
    } else {
        format!(": {said}")
    }
}

/// hyper's errors keep what happened in their causes.
fn exchange(url: &Url, error: &dyn std::error::Error) -> FetchError {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        reason = format!("{reason}: {one}");
        cause = one.source();
    }
    FetchError::Exchange {
        url: plain(url),
        reason,
    }
}

#[cfg(test)]
mod tests;
