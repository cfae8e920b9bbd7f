//! The imports of a component, with the same names and shapes, of the world that a test has made.

use std::cell::RefCell;

use super::message::{self, Lines};
use super::{Attributes, Metadata, PLUGIN};
use crate::Value;
use crate::bindings::cairn::filter::types::Block;

/// The exchange that a hook is called for.
#[derive(Debug, Default)]
pub struct Current {
    pub(crate) request: RefCell<Lines>,
    pub(crate) response: RefCell<Option<Lines>>,
    pub(crate) attributes: Attributes,
    pub(crate) metadata: RefCell<Metadata>,
    pub(crate) state: RefCell<Vec<u8>>,
}

impl Current {
    pub(crate) fn request_head(&self) -> Block {
        message::packed(self.request.borrow().iter())
    }

    pub(crate) fn response_head(&self) -> Option<Block> {
        let response = self.response.borrow();
        response.as_ref().map(|lines| message::packed(lines.iter()))
    }

    pub(crate) fn request_field(&self, name: &str) -> Option<Vec<u8>> {
        message::first(&self.request.borrow(), name).map(<[u8]>::to_vec)
    }

    pub(crate) fn response_field(&self, name: &str) -> Option<Vec<u8>> {
        message::first(self.response.borrow().as_ref()?, name).map(<[u8]>::to_vec)
    }

    pub(crate) fn attribute(&self, path: &str) -> Option<Value> {
        self.attributes.get(path).cloned()
    }

    pub(crate) fn attributes(&self, paths: &[String]) -> Vec<Option<Value>> {
        paths.iter().map(|path| self.attribute(path)).collect()
    }

    pub(crate) fn metadata(&self, filter: &str, key: &str) -> Option<Value> {
        let metadata = self.metadata.borrow();
        metadata.get(&(filter.to_owned(), key.to_owned())).cloned()
    }

    pub(crate) fn set_metadata(&self, key: &str, value: &Value) {
        let mut metadata = self.metadata.borrow_mut();
        metadata.insert((PLUGIN.to_owned(), key.to_owned()), value.clone());
    }

    pub(crate) fn state(&self) -> Vec<u8> {
        self.state.borrow().clone()
    }

    pub(crate) fn set_state(&self, state: &[u8]) {
        *self.state.borrow_mut() = state.to_vec();
    }
}

pub(crate) mod log {
    use crate::log::Level;
    use crate::testing::World;

    pub(crate) fn enabled(_: Level) -> bool {
        true
    }

    pub(crate) fn log(level: Level, message: &str) {
        World::with(|content| content.lines.push((level, message.to_owned())));
    }
}

pub(crate) mod metrics {
    use crate::bindings::cairn::filter::metrics::Kind;
    use crate::testing::World;

    pub(crate) fn define(kind: Kind, name: &str, labels: &[String]) -> Result<u32, String> {
        World::with(|content| content.metrics.define(kind, name, labels))
    }

    pub(crate) fn add(metric: u32, labels: &[String], by: f64) {
        World::with(|content| content.metrics.add(metric, labels, by));
    }

    pub(crate) fn record(metric: u32, labels: &[String], value: f64) {
        World::with(|content| content.metrics.record(metric, labels, value));
    }
}

pub(crate) mod clock {
    use crate::testing::World;

    pub(crate) fn wall() -> u64 {
        World::with(|content| content.wall())
    }

    pub(crate) fn monotonic() -> u64 {
        World::with(|content| content.monotonic())
    }
}

pub(crate) mod random {
    use crate::testing::World;

    pub(crate) fn bytes(len: u32) -> Vec<u8> {
        World::with(|content| (0..len).map(|_| content.chance()).collect())
    }
}

pub(crate) mod shared {
    use crate::shared::{Entry, SetError};
    use crate::testing::World;

    pub(crate) fn get(key: &str) -> Option<Entry> {
        World::with(|content| {
            let now = content.monotonic();
            content.store.get(key, now)
        })
    }

    pub(crate) fn set(
        key: &str,
        value: &[u8],
        version: Option<u64>,
        ttl_ms: Option<u32>,
    ) -> Result<u64, SetError> {
        World::with(|content| {
            let now = content.monotonic();
            content.store.set(key, value, version, ttl_ms, now)
        })
    }

    pub(crate) fn add(key: &str, by: i64, ttl_ms: Option<u32>) -> Result<i64, SetError> {
        World::with(|content| {
            let now = content.monotonic();
            content.store.add(key, by, ttl_ms, now)
        })
    }

    pub(crate) fn delete(key: &str) {
        World::with(|content| content.store.delete(key));
    }
}

pub(crate) mod outbound {
    use crate::bindings::cairn::filter::outbound::{Answer, Call, CallError};
    use crate::testing::World;

    pub(crate) fn http(call: &Call) -> Result<Answer, CallError> {
        World::called(&crate::outbound::Call::from_raw(call.clone())).map(crate::outbound::Answer::into_raw)
    }

    pub(crate) fn http_all(calls: &[Call]) -> Vec<Result<Answer, CallError>> {
        calls.iter().map(http).collect()
    }
}
