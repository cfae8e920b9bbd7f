//! What the filter does at a hook.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use cairn_filter::{Edits, Exchange, Reply, Value, clock, info, plugin, random};
use serde::Deserialize;

use crate::{Metrics, misdeed};

/// One command. Results go into the header `into`.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Action {
    Next,
    Set {
        name: String,
        value: String,
    },
    Append {
        name: String,
        value: String,
    },
    Remove {
        name: String,
    },
    Reply {
        status: u16,
        #[serde(default)]
        body: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[serde(default)]
        details: String,
        grpc: Option<u32>,
    },
    /// Of a head: keep it back. Of a body: see it again.
    Hold,
    /// Releases the head at the end of the body, with `x-length`.
    Release,
    /// Without a body, the part in upper case.
    Replace {
        body: Option<String>,
    },
    Done,
    Panic,
    Spin,
    Work {
        turns: u64,
    },
    /// Without `bytes`, all there are.
    Allocate {
        bytes: Option<usize>,
    },
    Recurse,
    Log {
        #[serde(default = "one")]
        count: u32,
        #[serde(default = "word")]
        text: String,
    },
    Metrics {
        /// Sets of labels.
        #[serde(default = "one")]
        sets: u32,
    },
    Attribute {
        path: String,
        into: String,
    },
    MetadataSet {
        key: String,
        value: String,
    },
    MetadataGet {
        /// Another plugin's, or this one's.
        filter: Option<String>,
        key: String,
        into: String,
    },
    /// Adds to what was kept before.
    StateAppend {
        text: String,
    },
    StateGet {
        into: String,
    },
    /// More than may be kept.
    StateSize {
        bytes: usize,
    },
    /// Notes a value of so many bytes.
    MetadataSize {
        bytes: usize,
    },
    /// How many times this instance has been told so; it is kept in its own memory.
    Count {
        into: String,
    },
    /// Does it at all calls for an exchange but the first `times`.
    Later {
        #[serde(default = "one")]
        times: u32,
        action: Box<Action>,
    },
    /// A field of the request, which need not be subscribed to.
    Field {
        name: String,
        into: String,
    },
    /// Wall clock in milliseconds.
    Clock {
        into: String,
    },
    /// So many random bytes, in hexadecimal digits.
    Random {
        #[serde(default = "one")]
        bytes: u32,
        into: String,
    },
    #[cfg(feature = "shared")]
    SharedAdd {
        key: String,
        by: i64,
        ttl_ms: Option<u32>,
        into: String,
    },
    #[cfg(feature = "shared")]
    SharedSet {
        key: String,
        value: String,
        ttl_ms: Option<u32>,
    },
    #[cfg(feature = "shared")]
    SharedGet {
        key: String,
        into: String,
    },
    #[cfg(feature = "outbound")]
    Call {
        target: String,
        path: String,
        #[serde(default = "timeout")]
        timeout_ms: u32,
        /// So many at once.
        #[serde(default = "one")]
        times: u32,
        into: String,
    },
    /// Several, one after the other: edits come together, and the last other word decides.
    All {
        actions: Vec<Action>,
    },
}

/// What the hook is to answer.
#[derive(Debug)]
pub(crate) enum After {
    Next(Edits),
    Hold,
    Done,
    Reply(Reply),
    Replace(Option<Vec<u8>>),
    Release(Edits),
}

fn one() -> u32 {
    1
}

fn word() -> String {
    "probe".to_owned()
}

#[cfg(feature = "outbound")]
fn timeout() -> u32 {
    1000
}

impl Action {
    /// Does it. A ticker has no exchange; what needs one does nothing then.
    pub(crate) fn act(&self, exchange: Option<&Exchange<'_>>, metrics: &Metrics) -> After {
        match self {
            Action::Hold => After::Hold,
            Action::Done => After::Done,
            Action::Release => After::Release(Edits::new()),
            Action::Replace { body } => After::Replace(body.clone().map(String::into_bytes)),
            Action::Reply {
                status,
                body,
                headers,
                details,
                grpc,
            } => {
                let mut reply = Reply::new(*status).body(body.as_str()).details(details);
                for (name, value) in headers {
                    reply = reply.header(name, value.as_str());
                }
                After::Reply(grpc.map_or_else(|| reply.clone(), |grpc| reply.clone().grpc(grpc)))
            }
            Action::All { actions } => all(actions, exchange, metrics),
            Action::Later { times, action } => match exchange {
                Some(exchange) if is_early(exchange, *times) => After::Next(Edits::new()),
                _ => action.act(exchange, metrics),
            },
            other => After::Next(match exchange {
                Some(exchange) => other.edit(exchange, metrics),
                None => other.alone(metrics),
            }),
        }
    }

    /// What needs an exchange, and ends with edits.
    fn edit(&self, exchange: &Exchange<'_>, metrics: &Metrics) -> Edits {
        let edits = Edits::new();
        match self {
            Action::Set { name, value } => edits.set(name, value.as_str()),
            Action::Append { name, value } => edits.append(name, value.as_str()),
            Action::Remove { name } => edits.remove(name),
            Action::Attribute { path, into } => edits.set(into, shown(exchange.attribute(path))),
            Action::MetadataSet { key, value } => {
                exchange.set_metadata(key, value.as_str());
                edits
            }
            Action::MetadataGet { filter, key, into } => {
                let filter = filter.clone().unwrap_or_else(plugin::name);
                edits.set(into, shown(exchange.metadata(&filter, key)))
            }
            Action::StateAppend { text } => {
                let mut state = exchange.state_bytes();
                state.extend_from_slice(text.as_bytes());
                exchange.set_state_bytes(&state);
                edits
            }
            Action::StateGet { into } => edits.set(into, exchange.state_bytes()),
            Action::StateSize { bytes } => {
                exchange.set_state_bytes(&vec![b's'; *bytes]);
                edits
            }
            Action::MetadataSize { bytes } => {
                exchange.set_metadata("size", "m".repeat(*bytes).as_str());
                edits
            }
            Action::Field { name, into } => edits.set(into, exchange.request_field(name).unwrap_or_default()),
            other => other.alone(metrics),
        }
    }

    /// What needs no exchange.
    fn alone(&self, metrics: &Metrics) -> Edits {
        let edits = Edits::new();
        match self {
            Action::Panic => misdeed::panic("configured to panic"),
            Action::Spin => misdeed::spin(),
            Action::Work { turns } => {
                misdeed::work(*turns);
                edits
            }
            Action::Allocate { bytes: Some(bytes) } => {
                misdeed::allocate(*bytes);
                edits
            }
            Action::Allocate { bytes: None } => misdeed::hoard(),
            Action::Count { into } => edits.set(into, count().to_string()),
            Action::Recurse => edits.set("x-depth", misdeed::recurse(0).to_string()),
            Action::Log { count, text } => {
                for line in 1..=*count {
                    info!("{text} {line}");
                }
                edits
            }
            Action::Metrics { sets } => {
                for set in 1..=*sets {
                    metrics.calls.increment(&[&format!("set-{set}")]);
                    metrics.values.observe(&[], set.into());
                }
                metrics.last.set(&[], (*sets).into());
                edits
            }
            Action::Clock { into } => edits.set(into, clock::wall().as_millis().to_string()),
            Action::Random { bytes, into } => {
                let digits: String = random::bytes(*bytes)
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                edits.set(into, digits)
            }
            #[cfg(feature = "shared")]
            Action::SharedAdd { .. } | Action::SharedSet { .. } | Action::SharedGet { .. } => self.share(),
            #[cfg(feature = "outbound")]
            Action::Call { .. } => self.call(),
            _ => edits,
        }
    }

    #[cfg(feature = "shared")]
    fn share(&self) -> Edits {
        use std::time::Duration;

        use cairn_filter::shared;

        let edits = Edits::new();
        let ttl = |ms: &Option<u32>| ms.map(|ms| Duration::from_millis(ms.into()));
        match self {
            Action::SharedAdd {
                key,
                by,
                ttl_ms,
                into,
            } => {
                let sum = shared::add(key, *by, ttl(ttl_ms));
                edits.set(
                    into,
                    sum.map_or_else(|error| format!("{error:?}"), |sum| sum.to_string()),
                )
            }
            Action::SharedSet { key, value, ttl_ms } => {
                match shared::set(key, value.as_bytes(), ttl(ttl_ms)) {
                    Ok(_) => edits,
                    Err(error) => edits.set("x-shared-error", format!("{error:?}")),
                }
            }
            Action::SharedGet { key, into } => {
                let value = shared::get(key).map(|entry| entry.value);
                edits.set(into, value.unwrap_or_else(|| b"none".to_vec()))
            }
            _ => edits,
        }
    }

    #[cfg(feature = "outbound")]
    fn call(&self) -> Edits {
        use std::time::Duration;

        use cairn_filter::outbound::{self, Call};

        let Action::Call {
            target,
            path,
            timeout_ms,
            times,
            into,
        } = self
        else {
            return Edits::new();
        };
        let call = Call::get(target, path).timeout(Duration::from_millis((*timeout_ms).into()));
        let answers = if *times == 1 {
            vec![call.send()]
        } else {
            outbound::all((0..*times).map(|_| call.clone()).collect())
        };
        let shown = answers.into_iter().map(|answer| match answer {
            Ok(answer) => {
                let body = String::from_utf8_lossy(answer.body()).into_owned();
                format!("{} {}", answer.status(), body.trim_end())
            }
            Err(error) => format!("{error:?}"),
        });
        Edits::new().set(into, shown.collect::<Vec<_>>().join(", "))
    }
}

fn count() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed) + 1
}

/// Counts the calls for an exchange in its state, one byte each.
fn is_early(exchange: &Exchange<'_>, times: u32) -> bool {
    let mut calls = exchange.state_bytes();
    let early = calls.len() < usize::try_from(times).unwrap_or(usize::MAX);
    if early {
        calls.push(b'.');
        exchange.set_state_bytes(&calls);
    }
    early
}

fn all(actions: &[Action], exchange: Option<&Exchange<'_>>, metrics: &Metrics) -> After {
    let mut after = After::Next(Edits::new());
    for action in actions {
        after = match (after, action.act(exchange, metrics)) {
            (After::Next(before), After::Next(edits)) => After::Next(before.and(edits)),
            (After::Next(before), After::Release(edits)) => After::Release(before.and(edits)),
            (word, After::Next(_)) => word,
            (_, word) => word,
        };
    }
    after
}

/// As text in a header.
fn shown(value: Option<Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::Boolean(value)) => value.to_string(),
        Some(Value::Int(value)) => value.to_string(),
        Some(Value::Float(value)) => value.to_string(),
        Some(Value::Text(value)) => value,
        Some(Value::Bytes(value)) => String::from_utf8_lossy(&value).into_owned(),
        Some(Value::Texts(values)) => values.join(","),
    }
}
