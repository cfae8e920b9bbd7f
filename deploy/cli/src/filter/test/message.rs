//! The request and the response of a test, from what was written on the command line.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use super::super::plugin::content;
use super::world::Known;

/// The host of a request that names none.
const HOST_OF_NONE: Authority = Authority::from_static("app.default.svc.cluster.local");

/// What a filter is tested on.
pub(super) struct Scene {
    pub(super) request: Request,
    pub(super) response: Response,
    /// The most bytes of one part of a body.
    pub(super) parts: Option<usize>,
    pub(super) known: Known,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) target: PathAndQuery,
    pub(super) authority: Authority,
    pub(super) message: Message,
}

/// A response.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) message: Message,
}

/// What both have.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: HeaderMap,
}

impl Request {
    /// Its first line.
    pub(super) fn line(&self) -> String {
        format!("{} {}{}", self.method, self.authority, self.target)
    }
}

impl Response {
    /// Its first line.
    pub(super) fn line(&self) -> String {
        self.status.to_string()
    }
}

impl Request {
    /// Takes a Host among the headers for the authority that it is.
    pub(super) fn settle_host(&mut self) -> anyhow::Result<()> {
        if let Some(host) = self.message.headers.remove(HOST) {
            self.authority = Authority::try_from(host.as_bytes()).context("the Host is no host")?;
        }
        Ok(())
    }
}

impl Message {
    /// Adds what was given beside it.
    pub(super) fn add(
        &mut self,
        headers: &[(HeaderName, HeaderValue)],
        body: Option<&str>,
        trailers: &[(HeaderName, HeaderValue)],
    ) -> anyhow::Result<()> {
        self.headers.extend(headers.iter().cloned());
        self.trailers.extend(trailers.iter().cloned());
        if let Some(body) = body {
            self.body = content(body)?.into();
        }
        if !self.body.is_empty() && self.trailers.is_empty() && !self.headers.contains_key(TRANSFER_ENCODING)
        {
            self.headers.insert(CONTENT_LENGTH, self.body.len().into());
        }
        Ok(())
    }

    /// Says of a body that it is text, if nothing else was said.
    pub(super) fn plain_text(&mut self) {
        if !self.body.is_empty() && !self.headers.contains_key(CONTENT_TYPE) {
            self.headers
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
    }

    /// There is nothing after the head.
    pub(super) fn ends_with_head(&self) -> bool {
        self.body.is_empty() && self.trailers.is_empty()
    }
}

/// `GET /path`, or `@FILE`.
pub(super) fn request(text: &str) -> anyhow::Result<Request> {
    let bytes = content(text)?;
    if text.starts_with('@') {
        return whole(&bytes).with_context(|| format!("{text} is no request"));
    }
    first_line(text)
}

/// `name: value`.
pub(super) fn header(text: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':').context("write 'name: value'")?;
    let name: HeaderName = name
        .trim()
        .parse()
        .with_context(|| format!("{name:?} is no header name"))?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes())
        .with_context(|| format!("the value of {name} is none of a header"))?;
    Ok((name, value))
}

fn first_line(line: &str) -> anyhow::Result<Request> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (method, target) = match words.as_slice() {
        [target] => ("GET", *target),
        [method, target] => (*method, *target),
        [method, target, version] if version.starts_with("HTTP/") => (*method, *target),
        _ => bail!("write a method and a path, as in 'GET /hello'"),
    };
    let method: Method = method
        .parse()
        .with_context(|| format!("{method:?} is no method"))?;
    let uri: Uri = target.parse().with_context(|| format!("{target:?} is no path"))?;
    if uri.scheme().is_none() && !target.starts_with('/') || method == Method::CONNECT {
        bail!("{target:?} is no path; write one that begins with a slash, as in 'GET /hello'");
    }
    Ok(Request {
        method,
        target: uri
            .path_and_query()
            .cloned()
            .unwrap_or_else(|| PathAndQuery::from_static("/")),
        authority: uri.authority().cloned().unwrap_or(HOST_OF_NONE),
        message: Message::default(),
    })
}

/// A request as HTTP/1.1 writes it; lines may end without a carriage return. The body is what follows the empty line.
fn whole(bytes: &[u8]) -> anyhow::Result<Request> {
    let mut rest = bytes;
    let mut line = || -> anyhow::Result<Option<&str>> {
        if rest.is_empty() {
            return Ok(None);
        }
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let (one, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        let one = one.strip_suffix(b"\r").unwrap_or(one);
        Ok(Some(std::str::from_utf8(one).context("its head is not UTF-8")?))
    };
    let mut request = first_line(line()?.unwrap_or_default())?;
    while let Some(one) = line()? {
        if one.is_empty() {
            break;
        }
        let (name, value) = header(one).with_context(|| format!("{one:?} is no header"))?;
        if name == HOST {
            request.authority = Authority::try_from(value.as_bytes()).context("its Host is no host")?;
        } else if name != CONTENT_LENGTH {
            request.message.headers.append(name, value);
        }
    }
    request.message.body = Bytes::copy_from_slice(rest);
    Ok(request)
}
