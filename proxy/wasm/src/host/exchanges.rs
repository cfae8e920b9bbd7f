//! The interface `exchanges`.

use wasmtime::component::Resource;

use super::Host;
use crate::bindings::cairn::filter::exchanges::{Host as Exchanges, HostExchange, Value as WitValue};
use crate::bindings::cairn::filter::types::{self, Block};
use crate::block;
use crate::current::Current;
use crate::exchange::Value;
use crate::subscriptions::Lines;

impl types::Host for Host {}

impl Exchanges for Host {}

impl HostExchange for Host {
    fn request_head(&mut self, _: Resource<Current>) -> wasmtime::Result<Block> {
        let mut lines = block::empty();
        block::request(&mut lines, &self.exchange()?.request, &Lines::All);
        Ok(lines)
    }

    fn response_head(&mut self, _: Resource<Current>) -> wasmtime::Result<Option<Block>> {
        Ok(self.exchange()?.response.as_ref().map(|head| {
            let mut lines = block::empty();
            block::response(&mut lines, head, &Lines::All);
            lines
        }))
    }

    fn request_field(&mut self, _: Resource<Current>, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let head = &self.exchange()?.request;
        let value = match block::request_pseudo(head, &name) {
            Some(value) => Some(value),
            None if name.eq_ignore_ascii_case("host") => None,
            None => head.headers.get(&name).map(http::HeaderValue::as_bytes),
        };
        Ok(value.map(<[u8]>::to_vec))
    }

    fn response_field(&mut self, _: Resource<Current>, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        let Some(head) = &self.exchange()?.response else {
            return Ok(None);
        };
        if name == ":status" {
            return Ok(Some(head.status.as_str().as_bytes().to_vec()));
        }
        Ok(head.headers.get(&name).map(|value| value.as_bytes().to_vec()))
    }

    fn attribute(&mut self, _: Resource<Current>, path: String) -> wasmtime::Result<Option<WitValue>> {
        Ok(self.exchange()?.attributes.get(&path).map(to_guest))
    }

    fn attributes(
        &mut self,
        _: Resource<Current>,
        paths: Vec<String>,
    ) -> wasmtime::Result<Vec<Option<WitValue>>> {
        let attributes = &self.exchange()?.attributes;
        Ok(paths
            .iter()
            .map(|path| attributes.get(path).map(to_guest))
            .collect())
    }

    fn metadata(
        &mut self,
        _: Resource<Current>,
        filter: String,
        key: String,
    ) -> wasmtime::Result<Option<WitValue>> {
        Ok(self.exchange()?.metadata(&filter, &key).cloned().map(to_guest))
    }

    fn set_metadata(&mut self, _: Resource<Current>, key: String, value: WitValue) -> wasmtime::Result<()> {
        let filter = std::sync::Arc::clone(&self.plugin.spec.name);
        self.exchange()?
            .set_metadata(&filter, key, from_guest(value))
            .map_err(wasmtime::Error::new)
    }

    fn state(&mut self, _: Resource<Current>) -> wasmtime::Result<Vec<u8>> {
        let plugin = std::sync::Arc::clone(&self.plugin.spec.plugin);
        Ok(self.exchange()?.state(&plugin).to_vec())
    }

    fn set_state(&mut self, _: Resource<Current>, state: Vec<u8>) -> wasmtime::Result<()> {
        let plugin = std::sync::Arc::clone(&self.plugin.spec.plugin);
        self.exchange()?
            .set_state(&plugin, state)
            .map_err(wasmtime::Error::new)
    }

    /// Guests borrow exchanges and never own one.
    fn drop(&mut self, _: Resource<Current>) -> wasmtime::Result<()> {
        Ok(())
    }
}

fn to_guest(value: Value) -> WitValue {
    match value {
        Value::Boolean(value) => WitValue::Boolean(value),
        Value::Int(value) => WitValue::Int(value),
        Value::Float(value) => WitValue::Float(value),
        Value::Text(value) => WitValue::Text(value),
        Value::Bytes(value) => WitValue::Bytes(value),
        Value::Texts(value) => WitValue::Texts(value),
    }
}

fn from_guest(value: WitValue) -> Value {
    match value {
        WitValue::Boolean(value) => Value::Boolean(value),
        WitValue::Int(value) => Value::Int(value),
        WitValue::Float(value) => Value::Float(value),
        WitValue::Text(value) => Value::Text(value),
        WitValue::Bytes(value) => Value::Bytes(value),
        WitValue::Texts(value) => Value::Texts(value),
    }
}
