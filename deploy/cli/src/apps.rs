//! The sample applications, so that a mesh of Istio's examples has something to carry.
//!
//! In a cluster their images run; here each pod whose image is one of them gets a small server of the same paths on
//! its own loopback address. Calls between them leave from the pod's address, so the ztunnel sees who calls.

mod bookinfo;
mod httpbin;
mod serve;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;

pub(crate) use serve::{Call, Serving};

/// Resolves `service:port`, as the cluster's DNS would for the pod that asks.
pub(crate) type Resolve = Arc<dyn Fn(&str) -> Option<SocketAddr> + Send + Sync>;

/// A pod that runs a sample.
#[derive(Clone)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    pub(crate) resolve: Resolve,
}

/// One of the samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum App {
    Helloworld { version: String },
    Productpage,
    Details,
    Reviews { version: u8 },
    Ratings,
    Httpbin,
}

impl App {
    /// The sample of a container image; none when the image is not one of them.
    pub(crate) fn of_image(image: &str) -> Option<App> {
        let name = image.rsplit('/').next()?.split([':', '@']).next()?;
        if name.ends_with("httpbin") {
            return Some(App::Httpbin);
        }
        let name = name.strip_prefix("examples-")?;
        if let Some(version) = name.strip_prefix("helloworld-") {
            return Some(App::Helloworld {
                version: version.to_owned(),
            });
        }
        match name.strip_prefix("bookinfo-")?.rsplit_once('-')? {
            ("productpage", _) => Some(App::Productpage),
            ("details", _) => Some(App::Details),
            ("ratings", _) => Some(App::Ratings),
            ("reviews", version) => Some(App::Reviews {
                version: version.trim_start_matches('v').parse().ok()?,
            }),
            _ => None,
        }
    }

    /// Where its image listens when the container does not say.
    pub(crate) fn default_port(&self) -> u16 {
        match self {
            App::Helloworld { .. } => 5000,
            App::Httpbin => 8080,
            App::Productpage | App::Details | App::Reviews { .. } | App::Ratings => 9080,
        }
    }

    /// What to ask it for first.
    pub(crate) fn front_page(&self) -> &'static str {
        match self {
            App::Helloworld { .. } => "/hello",
            App::Productpage => "/productpage",
            App::Details => "/details/0",
            App::Reviews { .. } => "/reviews/0",
            App::Ratings => "/ratings/0",
            App::Httpbin => "/headers",
        }
    }

    /// Whether a connection takes more than one request. The server of the helloworld image closes it after each.
    fn keeps_connections(&self) -> bool {
        !matches!(self, App::Helloworld { .. })
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, pod: &Pod, call: Call) -> Response<Full<Bytes>> {
        match self {
            App::Helloworld { version } => match call.path() {
                "/hello" => text(format!("Hello version: {version}, instance: {}\n", pod.name)),
                "/health" => text("Helloworld is healthy\n".to_owned()),
                _ => status(StatusCode::NOT_FOUND),
            },
            App::Productpage => bookinfo::productpage(pod, &call).await,
            App::Details => bookinfo::details(&call),
            App::Reviews { version } => bookinfo::reviews(*version, pod, &call).await,
            App::Ratings => bookinfo::ratings(&call),
            App::Httpbin => httpbin::answer(&call).await,
        }
    }
}

fn text(body: String) -> Response<Full<Bytes>> {
    typed("text/plain; charset=utf-8", body)
}

fn json(body: &serde_json::Value) -> Response<Full<Bytes>> {
    typed("application/json", format!("{body:#}\n"))
}

fn typed(content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static(content_type),
    );
    response
}

fn status(code: StatusCode) -> Response<Full<Bytes>> {
    let mut response = text(format!("{code}\n"));
    *response.status_mut() = code;
    response
}

impl fmt::Display for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            App::Helloworld { version } => write!(f, "helloworld {version}"),
            App::Productpage => f.write_str("productpage"),
            App::Details => f.write_str("details"),
            App::Reviews { version } => write!(f, "reviews v{version}"),
            App::Ratings => f.write_str("ratings"),
            App::Httpbin => f.write_str("httpbin"),
        }
    }
}

#[cfg(test)]
mod tests;
