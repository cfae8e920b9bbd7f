//! Calls that filters make to other services: through the mesh, as the waypoint.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Weak;

use bytes::Bytes;
use cairn_http::body::Body;
use cairn_wasm::{Answer, Call, CallError, Calling, Outbound};
use http::header::HOST;
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Limited};

use crate::plan::{Callee, Plans};
use crate::proxy::Proxy;
use crate::sought::{self, Sought};
use crate::{attempt, authorize, target};

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

/// The request in its one form, if the waypoint itself may send it: a filter can do no more than any other client.
fn authorized(
    plans: &Plans,
    callee: &Callee,
    target: &str,
    request: Request<Body>,
) -> Result<Request<Body>, CallError> {
    let connect = |reason: &str| CallError::Connect(reason.to_owned());
    let (mut parts, body) = request.into_parts();
    target::settle(&mut parts, plans.mesh.mesh.path_normalization)
        .map_err(|_| connect("the path can be read in more than one way"))?;
    let waypoint = plans.waypoint.as_deref();
    let address = waypoint.and_then(|waypoint| waypoint.socket());
    let ip = address.map_or(Ipv4Addr::UNSPECIFIED.into(), |address| address.ip());
    let access = cairn_authz::Request {
        peer: waypoint.map(|waypoint| &waypoint.identity),
        source_ip: ip,
        remote_ip: ip,
        destination: callee.address,
        http: Some(cairn_authz::Http {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            authority: target,
            headers: &parts.headers,
            noted: &[],
            token: None,
        }),
        sni: None,
    };
    if callee.policies.customs(&access).next().is_some() {
        return Err(connect(
            "an authorization server would have to be asked, which is done for clients only",
        ));
    }
    authorize::check(std::iter::once((&callee.policies, access)))
        .map_err(|_| connect("RBAC: access denied"))?;
    Ok(Request::from_parts(parts, body))
}

async fn send(proxy: &Proxy, call: Call) -> Result<Answer, CallError> {
    let connect = |reason: &str| CallError::Connect(reason.to_owned());
    let plans = proxy.plans.load_full();
    let callee = plans
        .outbound
        .get(&call.target)
        .ok_or_else(|| connect("the mesh has no such service, or none that may be called"))?;
    let cluster = &callee.cluster;
    let mut request = Request::new(Body::full(call.body));
    *request.method_mut() = call.method;
    *request.uri_mut() = Uri::try_from(call.path).map_err(|error| connect(&error.to_string()))?;
    *request.headers_mut() = call.headers;
    let host = HeaderValue::from_str(&call.target).map_err(|error| connect(&error.to_string()))?;
    request.headers_mut().insert(HOST, host);
    let request = authorized(&plans, callee, &call.target, request)?;
    let own = proxy.dialer.source.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let sought = Sought {
        mesh: &plans.mesh,
        source: SocketAddr::new(own, 0),
        destination: callee.address,
        host: sought::host(request.headers()),
    };
    let chosen = cluster.choose(sought, None, &[]).await;
    let endpoint = chosen.map_err(|_| connect("no healthy endpoint"))?;
    let lanes = endpoint.data.connections.lanes(&sought);
    let pool = attempt::pool_of(&lanes, cluster, &request);
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
