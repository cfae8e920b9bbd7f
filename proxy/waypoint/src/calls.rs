//! Calls that filters make to other services: through the mesh, as the waypoint.

use std::sync::Weak;

use bytes::Bytes;
use cairn_http::body::Body;
use cairn_wasm::{Answer, Call, CallError, Calling, Outbound};
use http::header::HOST;
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Limited};

use crate::attempt;
use crate::proxy::Proxy;

/// The way from filters to services.
pub(crate) struct Calls {
    /// Its filters hold this: it must not hold them.
    pub(crate) proxy: Weak<Proxy>,
}

impl Outbound for Calls {
    fn call(&self, call: Call) -> Calling {
        let proxy = self.proxy.upgrade();
        Box::pin(async move {
            let stopped = || CallError::Connect("the waypoint is stopping".to_owned());
            let proxy = proxy.ok_or_else(stopped)?;
            let timeout = call.timeout;
            let answered = tokio::time::timeout(timeout, send(&proxy, call)).await;
            answered.unwrap_or(Err(CallError::Timeout))
        })
    }
}

async fn send(proxy: &Proxy, call: Call) -> Result<Answer, CallError> {
    let connect = |reason: &str| CallError::Connect(reason.to_owned());
    let plans = proxy.plans.load_full();
    let cluster = plans
        .outbound
        .get(&call.target)
        .ok_or_else(|| connect("the mesh has no such service"))?;
    let endpoint = cluster
        .pick(|_| true)
        .ok_or_else(|| connect("no healthy endpoint"))?;
    let mut request = Request::new(Body::full(call.body));
    *request.method_mut() = call.method;
    *request.uri_mut() = Uri::try_from(call.path).map_err(|error| connect(&error.to_string()))?;
    *request.headers_mut() = call.headers;
    let host = HeaderValue::from_str(&call.target).map_err(|error| connect(&error.to_string()))?;
    request.headers_mut().insert(HOST, host);
    let pool = attempt::pool_of(&endpoint.data, cluster.protocol, &request);
    let mut local = None;
    let response = pool
        .send_from(request, &mut local)
        .await
        .map_err(|error| connect(&error.failure.to_string()))?;
    let (head, body) = response.into_parts();
    let body: Bytes = Limited::new(body, call.max_body)
        .collect()
        .await
        .map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                CallError::TooLarge
            } else {
                CallError::Connect(error.to_string())
            }
        })?
        .to_bytes();
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body,
    })
}
