//! Phase 3, protocol: what an admitted connection speaks.
//!
//! The port says so, or its first bytes do. What is not HTTP is carried as opaque bytes, under the policies that apply to
//! TCP: those that need to see a request then refuse.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use cairn_http::body::Body;
use cairn_http::serve::{Refused, Served, Settings, serve_http1, serve_http2};
use cairn_http::sniff::{self, Limits, Protocol};
use cairn_mesh::AppProtocol;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::downstream::Downstream;
use crate::exchange::Scope;
use crate::proxy::Proxy;
use crate::{hello, opaque, pipeline, record};

/// How long a client on a port of unknown protocol may be silent before it is taken to wait for the server's first word.
const DETECTION: Duration = Duration::from_secs(5);
/// How long a client on an HTTP port may be silent before its first byte.
const FIRST_BYTE: Duration = Duration::from_secs(3600);

/// Serves one connection of a client's application to its end.
pub(crate) async fn serve(
    proxy: &Arc<Proxy>,
    downstream: &Arc<Downstream>,
    tunnel: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    let protocol = Scope::of(&proxy.plans.load(), &downstream.target, &downstream.peer).protocol();
    let timeout = match protocol {
        AppProtocol::Tcp => return opaque::serve(proxy, downstream, tunnel, false).await,
        AppProtocol::Tls => return opaque::serve(proxy, downstream, tunnel, true).await,
        AppProtocol::Http | AppProtocol::Http2 | AppProtocol::Grpc => FIRST_BYTE,
        AppProtocol::Unknown => DETECTION,
    };
    let limits = Limits {
        timeout,
        ..Limits::default()
    };
    let Ok((detected, stream)) = sniff::detect(tunnel, limits).await else {
        return;
    };
    let service = |request: Request<Body>| {
        let exchange = pipeline::serve(Arc::clone(proxy), Arc::clone(downstream), request);
        async { Ok::<_, Infallible>(exchange.await) }
    };
    let drain = downstream.drain.clone();
    let served = match detected {
        Protocol::Http2 => {
            let mut settings = Settings::default();
            let (proxy, downstream) = (Arc::clone(proxy), Arc::clone(downstream));
            settings.refused = Some(Refused::new(move |refusal, head| {
                record::refused(&proxy, &downstream, refusal, Some(head));
            }));
            serve_http2(stream, service, &settings, drain.draining()).await
        }
        Protocol::Http1 => serve_http1(stream, service, &Settings::default(), drain.draining()).await,
        // A port that is declared as HTTP gets an HTTP answer to whatever it is.
        Protocol::Opaque if protocol.is_http() => {
            serve_http1(stream, service, &Settings::default(), drain.draining()).await
        }
        Protocol::Opaque => {
            let may_be_tls = stream.first().first() == Some(&hello::HANDSHAKE);
            return opaque::serve(proxy, downstream, stream, may_be_tls).await;
        }
    };
    log(proxy, downstream, &served);
}

/// Requests that were refused for their form never reached the pipeline.
fn log(proxy: &Proxy, downstream: &Downstream, served: &Served) {
    if let Some(refusal) = &served.refusal {
        record::refused(proxy, downstream, refusal, None);
    } else if let Some(error) = &served.error {
        tracing::debug!(peer = %downstream.peer, "connection ended: {error}");
    }
}
