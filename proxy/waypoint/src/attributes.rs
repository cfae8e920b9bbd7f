//! What the waypoint knows about an exchange, by the names that filters ask for.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use cairn_jwt::{Authenticated, Claim, ClaimPath, Values};
use cairn_wasm::{Attributes, Value};

use crate::downstream::{Downstream, Target};

/// The attributes of one exchange.
pub(crate) struct Known {
    pub(crate) downstream: Arc<Downstream>,
    /// Host name and namespace of the service that the request is addressed to.
    pub(crate) service: Option<(Arc<str>, String)>,
    pub(crate) protocol: &'static str,
    pub(crate) began: Instant,
    /// Who the request is from, once that is known.
    pub(crate) token: OnceLock<Authenticated>,
}

impl Known {
    /// A token has been verified.
    pub(crate) fn authenticated(&self, token: &Authenticated) {
        let _ = self.token.set(token.clone());
    }

    /// What a token says, by the names that conditions of policies have for it.
    fn said(&self, path: &str) -> Option<Value> {
        let token = self.token.get()?;
        let texts = |values: Values<'_>| Value::Texts(values.map(str::to_owned).collect());
        match path {
            "request.auth.principal" => Some(Value::Text(format!("{}/{}", token.issuer(), token.subject()?))),
            "request.auth.audiences" => Some(texts(token.audiences())),
            "request.auth.presenter" => Some(Value::Text(token.presenter()?.to_owned())),
            _ => {
                let path = ClaimPath::of_condition(path)?;
                match token.claims().at(path.names())? {
                    Claim::Text(text) => Some(Value::Text(text.to_string())),
                    Claim::Bool(value) => Some(Value::Boolean(*value)),
                    Claim::Number(number) => match number.as_i64() {
                        Some(number) => Some(Value::Int(number)),
                        None => number.as_f64().map(Value::Float),
                    },
                    Claim::List(_) => Some(texts(token.values(&path))),
                    Claim::Null | Claim::Object(_) => None,
                }
            }
        }
    }
}

impl Attributes for Known {
    fn get(&self, path: &str) -> Option<Value> {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let downstream = &*self.downstream;
        let source = downstream.source.as_deref();
        match path {
            "source.address" => text(&downstream.remote.to_string()),
            "source.ip" => text(&downstream.remote.ip().to_string()),
            "source.port" => Some(Value::Int(downstream.remote.port().into())),
            // As policies write it.
            "source.principal" => text(downstream.peer.principal()),
            "source.namespace" => text(downstream.peer.namespace()),
            "source.service_account" => text(downstream.peer.service_account()),
            "source.workload" => text(&source?.name),
            "source.app" => text(source?.labels.get("app")?),
            "source.version" => text(source?.labels.get("version")?),
            "destination.address" => text(&downstream.local.to_string()),
            "destination.ip" => text(&downstream.local.ip().to_string()),
            "destination.port" => Some(Value::Int(downstream.local.port().into())),
            "destination.service" => text(&self.service.as_ref()?.0),
            "destination.namespace" => text(&self.service.as_ref()?.1),
            "destination.workload" => match &downstream.target {
                Target::Workload(uid, ..) => text(uid),
                Target::Service(..) => None,
            },
            "request.protocol" => text(self.protocol),
            "request.age_ms" => {
                let milliseconds = self.began.elapsed().as_millis();
                Some(Value::Int(i64::try_from(milliseconds).unwrap_or(i64::MAX)))
            }
            _ if path.starts_with("request.auth.") => self.said(path),
            "connection.mtls" => Some(Value::Boolean(true)),
            _ => None,
        }
    }
}
