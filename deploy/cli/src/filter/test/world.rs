//! What a filter finds around it in a test: what the waypoint knows, and the services that it may call.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use cairn_identity::SpiffeId;
use cairn_wasm::{Answer, Attributes, Call, CallError, Calling, Outbound, Value};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::super::plugin::content;

/// What the waypoint knows.
pub(super) struct Known(BTreeMap<String, Value>);

impl Known {
    /// What follows from who calls, and what was given.
    pub(super) fn new(identity: &SpiffeId, given: impl IntoIterator<Item = (String, Value)>) -> Known {
        let text = |text: &str| Value::Text(text.to_owned());
        let known = [
            ("source.principal", text(identity.principal())),
            ("source.namespace", text(identity.namespace())),
            ("source.service_account", text(identity.service_account())),
            ("source.workload", text(identity.service_account())),
            ("source.address", text("127.0.0.1:40000")),
            ("source.ip", text("127.0.0.1")),
            ("source.port", Value::Int(40000)),
            ("destination.address", text("127.0.0.2:80")),
            ("destination.ip", text("127.0.0.2")),
            ("destination.port", Value::Int(80)),
            ("destination.service", text("app.default.svc.cluster.local")),
            ("destination.namespace", text("default")),
            ("request.protocol", text("HTTP/1.1")),
            ("request.age_ms", Value::Int(0)),
            ("connection.mtls", Value::Boolean(true)),
        ];
        let known = known.map(|(path, value)| (path.to_owned(), value));
        Known(known.into_iter().chain(given).collect())
    }
}

impl Attributes for Known {
    fn get(&self, path: &str) -> Option<Value> {
        self.0.get(path).cloned()
    }
}

/// What a service answers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Canned {
    Answer(StatusCode, Bytes),
    Timeout,
    Refused,
}

/// Services that answer what they were told to, and remember what they were asked.
pub(super) struct Services {
    answers: BTreeMap<String, Canned>,
    asked: Mutex<Vec<Asked>>,
}

/// A call that a filter made.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Asked {
    pub(super) target: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    /// A status, or why there was none.
    pub(super) answer: String,
}

impl Services {
    pub(super) fn new(answers: impl IntoIterator<Item = (String, Canned)>) -> Services {
        Services {
            answers: answers.into_iter().collect(),
            asked: Mutex::default(),
        }
    }

    /// What was asked since this was asked last.
    pub(super) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer(&self, call: &Call) -> Result<Answer, CallError> {
        match self.answers.get(&call.target) {
            Some(Canned::Answer(_, body)) if body.len() > call.max_body => Err(CallError::TooLarge),
            Some(Canned::Answer(status, body)) => Ok(Answer {
                status: *status,
                headers: HeaderMap::new(),
                body: body.clone(),
            }),
            Some(Canned::Timeout) => Err(CallError::Timeout),
            Some(Canned::Refused) => Err(CallError::Connect("connection refused".to_owned())),
            None => Err(CallError::Connect(
                "no answer was given with --outbound".to_owned(),
            )),
        }
    }
}

impl Outbound for Services {
    fn call(&self, call: Call) -> Calling {
        let answer = self.answer(&call);
        let asked = Asked {
            target: call.target.clone(),
            method: call.method.to_string(),
            path: call.path.clone(),
            headers: super::watch::lines(&call.headers),
            body: String::from_utf8_lossy(&call.body).into_owned(),
            answer: match &answer {
                Ok(answer) => answer.status.as_u16().to_string(),
                Err(error) => error.to_string(),
            },
        };
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
        Box::pin(ready(answer))
    }
}

/// `path=value`.
pub(super) fn attribute(text: &str) -> anyhow::Result<(String, Value)> {
    let (path, value) = text
        .split_once('=')
        .filter(|(path, _)| !path.is_empty())
        .context("write PATH=VALUE, as in source.workload=reviews-v1")?;
    let texts = || serde_json::from_str::<Vec<String>>(value).ok();
    let value = if let Ok(value) = value.parse() {
        Value::Boolean(value)
    } else if let Ok(value) = value.parse() {
        Value::Int(value)
    } else if let Some(value) = texts() {
        Value::Texts(value)
    } else if let Some(value) = value.parse().ok().filter(|_| value.contains('.')) {
        Value::Float(value)
    } else {
        Value::Text(value.to_owned())
    };
    Ok((path.to_owned(), value))
}

/// `host:port=status`, perhaps with a body.
pub(super) fn service(text: &str) -> anyhow::Result<(String, Canned)> {
    let (target, answer) = text
        .split_once('=')
        .context("write HOST:PORT=STATUS, as in auth.default.svc.cluster.local:80=200")?;
    let port = target.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
        bail!("{target:?} is no service; write HOST:PORT, as the filter names it");
    }
    let canned = match answer.split_once(':').unwrap_or((answer, "")) {
        ("timeout", "") => Canned::Timeout,
        ("refused", "") => Canned::Refused,
        (status, body) => Canned::Answer(
            status
                .parse()
                .with_context(|| format!("{status:?} is no status, nor `timeout` or `refused`"))?,
            content(body)?.into(),
        ),
    };
    Ok((target.to_owned(), canned))
}
