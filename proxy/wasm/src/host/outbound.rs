//! The interface `outbound`.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use http::header::{HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use tokio::sync::OwnedSemaphorePermit;

use super::Host;
use crate::bindings::cairn::filter::outbound::{Answer, Call, CallError, Host as Outbound};
use crate::failure::Exceeded;
use crate::grants::{self, Calling};
use crate::plugin::Plugin;

/// Calls that one hook may make at once.
const AT_ONCE: usize = 16;

impl Outbound for Host {
    async fn http(&mut self, call: Call) -> wasmtime::Result<Result<Answer, CallError>> {
        Ok(match begin(&self.plugin, call) {
            Ok(begun) => begun.finish().await,
            Err(error) => Err(error),
        })
    }

    async fn http_all(&mut self, calls: Vec<Call>) -> wasmtime::Result<Vec<Result<Answer, CallError>>> {
        if calls.len() > AT_ONCE {
            return Err(wasmtime::Error::new(Exceeded("more than 16 calls at once")));
        }
        let mut under_way: Vec<_> = calls
            .into_iter()
            .map(|call| match begin(&self.plugin, call) {
                Ok(begun) => State::Begun(begun),
                Err(error) => State::Ended(Err(error)),
            })
            .collect();
        poll_fn(|cx| {
            let mut all = true;
            for state in &mut under_way {
                if let State::Begun(begun) = state {
                    match begun.calling.as_mut().poll(cx) {
                        Poll::Ready(ended) => *state = State::Ended(told(ended)),
                        Poll::Pending => all = false,
                    }
                }
            }
            if all { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let ended = under_way.into_iter().filter_map(|state| match state {
            State::Ended(ended) => Some(ended),
            State::Begun(_) => None,
        });
        Ok(ended.collect())
    }
}

/// A call under way, and its share of what the plugin may have under way.
struct Begun {
    calling: Calling,
    _permit: OwnedSemaphorePermit,
}

enum State {
    Begun(Begun),
    Ended(Result<Answer, CallError>),
}

impl Begun {
    async fn finish(self) -> Result<Answer, CallError> {
        told(self.calling.await)
    }
}

fn begin(plugin: &Plugin, call: Call) -> Result<Begun, CallError> {
    let grants = &plugin.spec.grants;
    let outbound = grants
        .outbound
        .as_ref()
        .filter(|_| grants.targets.contains(&call.target))
        .ok_or_else(|| CallError::Denied(format!("{} is not granted", call.target)))?;
    let permit = std::sync::Arc::clone(&plugin.calls)
        .try_acquire_owned()
        .map_err(|_| CallError::Denied("too many calls are under way".to_owned()))?;
    let request = request(call, plugin.spec.limits.wall, plugin.spec.limits.buffer)?;
    Ok(Begun {
        calling: outbound.call(request),
        _permit: permit,
    })
}

fn request(call: Call, longest: Duration, max_body: usize) -> Result<grants::Call, CallError> {
    let invalid = |what: &str| CallError::Invalid(what.to_owned());
    let method = Method::from_bytes(call.method.as_bytes())
        .ok()
        .filter(|method| *method != Method::CONNECT)
        .ok_or_else(|| invalid("the method"))?;
    if !call.path.starts_with('/') || http::uri::PathAndQuery::try_from(call.path.as_str()).is_err() {
        return Err(invalid("the path"));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in call.headers {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid(&name))?;
        let framing = matches!(
            parsed.as_str(),
            "content-length"
                | "transfer-encoding"
                | "connection"
                | "upgrade"
                | "te"
                | "trailer"
                | "keep-alive"
        );
        if framing || parsed == HOST || parsed == "x-forwarded-client-cert" {
            return Err(invalid(&name));
        }
        let value = HeaderValue::from_bytes(&value).map_err(|_| invalid(&name))?;
        headers.append(parsed, value);
    }
    Ok(grants::Call {
        target: call.target,
        method,
        path: call.path,
        headers,
        body: call.body.into(),
        timeout: Duration::from_millis(call.timeout_ms.into()).min(longest),
        max_body,
    })
}

fn told(ended: Result<grants::Answer, grants::CallError>) -> Result<Answer, CallError> {
    match ended {
        Ok(answer) => Ok(Answer {
            status: answer.status.as_u16(),
            headers: answer
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
                .collect(),
            body: answer.body.into(),
        }),
        Err(grants::CallError::Timeout) => Err(CallError::Timeout),
        Err(grants::CallError::Connect(reason)) => Err(CallError::Connect(reason)),
        Err(grants::CallError::TooLarge) => Err(CallError::TooLarge),
    }
}
