//! Providers and requests for tests.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cairn_api::istio::MeshExtensionProvider;
use cairn_api::meta::{Kind, ObjectRef};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use serde_json::{Map, Value, json};

use crate::asked::{Asked, HeldBody, Peer};
use crate::provider::Provider;
use crate::providers::Providers;
use crate::refusal::Refusal;
use crate::verdict::{Allowed, Verdict};

/// The providers of some JSON, and what is wrong with them.
pub(crate) fn compiled(forms: Value) -> (Providers, Vec<String>) {
    let forms: Vec<MeshExtensionProvider> = serde_json::from_value(forms).unwrap();
    let (providers, problems) =
        Providers::compile(&forms, &ObjectRef::new(Kind::ConfigMap, "istio-system", "istio"));
    (providers, problems.iter().map(ToString::to_string).collect())
}

/// A provider of one kind, with these fields besides service and port.
pub(crate) fn provider(kind: &str, fields: Value) -> Arc<Provider> {
    let mut form = json!({"service": "authz.foo.svc.cluster.local", "port": 9000});
    form.as_object_mut().unwrap().extend(members(fields));
    let (providers, problems) = compiled(json!([{"name": "authz", kind: form}]));
    assert_eq!(problems, [""; 0]);
    Arc::clone(providers.named("authz").unwrap())
}

/// The members of an object.
pub(crate) fn members(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(members) => members,
        other => panic!("{other}"),
    }
}

pub(crate) fn over_http(fields: Value) -> Arc<Provider> {
    provider("envoyExtAuthzHttp", fields)
}

pub(crate) fn over_grpc(fields: Value) -> Arc<Provider> {
    provider("envoyExtAuthzGrpc", fields)
}

pub(crate) fn headers(fields: &[(&str, &[u8])]) -> HeaderMap {
    let fields = fields.iter().map(|(name, value)| {
        let value = HeaderValue::from_bytes(value).unwrap();
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), value)
    });
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, value);
    }
    headers
}

/// `name: value` of each line, in order of the names.
pub(crate) fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    lines.sort();
    lines
}

/// A request.
pub(crate) struct Sample {
    pub(crate) method: Method,
    pub(crate) target: PathAndQuery,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<(&'static [u8], bool)>,
    pub(crate) version: Version,
    pub(crate) sni: Option<&'static str>,
}

impl Sample {
    pub(crate) fn new(method: &str, target: &str, fields: &[(&str, &[u8])]) -> Sample {
        Sample {
            method: method.parse().unwrap(),
            target: target.parse().unwrap(),
            headers: headers(fields),
            body: None,
            version: Version::HTTP_11,
            sni: None,
        }
    }

    pub(crate) fn with_body(mut self, bytes: &'static [u8], complete: bool) -> Sample {
        self.body = Some((bytes, complete));
        self
    }

    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.method,
            target: &self.target,
            authority: "helloworld:5000",
            scheme: "http",
            version: self.version,
            headers: &self.headers,
            body: self.body.map(|(bytes, complete)| HeldBody { bytes, complete }),
            received: Some(7),
            id: "7d37a2f1",
            time: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5),
            source: Peer {
                address: Some("10.0.0.1:4711".parse().unwrap()),
                principal: Some("spiffe://cluster.local/ns/default/sa/sleep"),
                service: Some("sleep"),
            },
            destination: Peer {
                address: Some("[2001:db8::1]:5000".parse().unwrap()),
                principal: Some("spiffe://cluster.local/ns/default/sa/waypoint"),
                service: None,
            },
            sni: self.sni,
        }
    }
}

pub(crate) fn allowed(verdict: Verdict) -> Allowed {
    match verdict {
        Verdict::Allowed(allowed) => *allowed,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn denied(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::Denied(refusal) => *refusal,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn error(verdict: Verdict) -> String {
    match verdict {
        Verdict::Error(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The fields of a request with `fields` after `allowed` has changed it.
pub(crate) fn applied(allowed: &Allowed, fields: &[(&str, &[u8])]) -> Result<Vec<String>, u16> {
    let mut parts = http::Request::new(()).into_parts().0;
    parts.headers = headers(fields);
    match allowed.apply(&mut parts) {
        Ok(()) => Ok(lines(&parts.headers)),
        Err(refusal) => Err(refusal.status.as_u16()),
    }
}
