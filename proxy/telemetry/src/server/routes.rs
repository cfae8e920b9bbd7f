//! Which handler answers which method and path.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue, ORIGIN};
use http::{HeaderMap, Method, StatusCode};

/// A request with its body, which is small.
pub type Request = http::Request<Bytes>;

/// A response.
pub type Response = http::Response<String>;

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;
type Handler = Box<dyn Fn(Request) -> Answer + Send + Sync>;

/// The endpoints of a server. `GET /` lists them.
#[derive(Default)]
pub struct Routes {
    endpoints: BTreeMap<&'static str, Vec<Endpoint>>,
    local: bool,
}

struct Endpoint {
    method: Method,
    about: &'static str,
    handler: Handler,
}

impl fmt::Debug for Routes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.endpoints.keys().collect();
        formatter
            .debug_struct("Routes")
            .field("local", &self.local)
            .field("paths", &paths)
            .finish()
    }
}

/// A response in plain text.
pub fn text(status: StatusCode, body: impl Into<String>) -> Response {
    respond(
        status,
        HeaderValue::from_static("text/plain; charset=utf-8"),
        body.into(),
    )
}

/// A response in JSON.
pub fn json(status: StatusCode, body: impl Into<String>) -> Response {
    respond(status, HeaderValue::from_static("application/json"), body.into())
}

pub(super) fn respond(status: StatusCode, content_type: HeaderValue, body: String) -> Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

impl Routes {
    /// Routes for a server that others may reach: stats, readiness.
    pub fn new() -> Routes {
        Routes::default()
    }

    /// Routes that can do harm: only served on a loopback address, and not to a web page in a browser on this
    /// machine, which could reach that address too. (It gives itself away by a `Host` that is a name other than
    /// `localhost`, or by an `Origin`.)
    pub fn admin() -> Routes {
        Routes {
            local: true,
            ..Routes::default()
        }
    }

    /// Adds an endpoint for `GET`, and with it `HEAD`.
    #[must_use]
    pub fn get<H, F>(self, path: &'static str, about: &'static str, handler: H) -> Routes
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        self.route(Method::GET, path, about, handler)
    }

    /// Adds an endpoint for `POST`.
    #[must_use]
    pub fn post<H, F>(self, path: &'static str, about: &'static str, handler: H) -> Routes
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        self.route(Method::POST, path, about, handler)
    }

    /// Adds an endpoint: exactly this path, with `about` as its line in the list. The last one added wins.
    #[must_use]
    pub fn route<H, F>(
        mut self,
        method: Method,
        path: &'static str,
        about: &'static str,
        handler: H,
    ) -> Routes
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Response> + Send + 'static,
    {
        let handler: Handler = Box::new(move |request| Box::pin(handler(request)));
        let endpoints = self.endpoints.entry(path).or_default();
        endpoints.retain(|endpoint| endpoint.method != method);
        endpoints.push(Endpoint {
            method,
            about,
            handler,
        });
        self
    }

    pub(super) fn is_local(&self) -> bool {
        self.local
    }

    /// Answers a request: the handler's response, or 403, 404, 405.
    pub async fn answer(&self, request: Request) -> Response {
        if self.local && !is_from_this_machine(request.headers()) {
            return text(
                StatusCode::FORBIDDEN,
                "only for clients on this machine that are not web pages\n",
            );
        }
        let method = if request.method() == Method::HEAD {
            &Method::GET
        } else {
            request.method()
        };
        let path = request.uri().path();
        let Some(endpoints) = self.endpoints.get(path) else {
            if path == "/" && method == Method::GET {
                return text(StatusCode::OK, self.list());
            }
            return text(StatusCode::NOT_FOUND, "no such endpoint; GET / lists them\n");
        };
        match endpoints.iter().find(|endpoint| endpoint.method == method) {
            Some(endpoint) => (endpoint.handler)(request).await,
            None => method_not_allowed(endpoints),
        }
    }

    fn list(&self) -> String {
        let width = self.endpoints.keys().map(|path| path.len()).max().unwrap_or(0);
        let mut list = String::new();
        for (path, endpoints) in &self.endpoints {
            for endpoint in endpoints {
                list.push_str(&format!(
                    "{:<4} {path:<width$}  {}\n",
                    endpoint.method.as_str(),
                    endpoint.about
                ));
            }
        }
        list
    }
}

fn method_not_allowed(endpoints: &[Endpoint]) -> Response {
    let allowed: Vec<&str> = endpoints
        .iter()
        .map(|endpoint| endpoint.method.as_str())
        .collect();
    let allowed = allowed.join(", ");
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("use {allowed}\n"));
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

/// Whether this cannot come from a web page: by DNS rebinding the host is a name, by a cross-site request there is an origin.
fn is_from_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map_or(Ok(""), |host| host.to_str());
    !headers.contains_key(ORIGIN) && host.is_ok_and(|host| host.is_empty() || is_local_host(host))
}

fn is_local_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}
