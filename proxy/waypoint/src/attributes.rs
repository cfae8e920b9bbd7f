//! What the waypoint knows about an exchange, by the names that filters ask for.

use std::sync::Arc;
use std::time::Instant;

use cairn_wasm::{Attributes, Value};

use crate::downstream::{Downstream, Target};

/// The attributes of one exchange.
pub(crate) struct Known {
    pub(crate) downstream: Arc<Downstream>,
    /// Host name and namespace of the service that the request is addressed to.
    pub(crate) service: Option<(Arc<str>, String)>,
    pub(crate) protocol: &'static str,
    pub(crate) began: Instant,
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
            "connection.mtls" => Some(Value::Boolean(true)),
            _ => None,
        }
    }
}
