//! The request and response that a hook is called for.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::head::Fields;
use crate::imports;
use crate::value::{FromValue, Value};

/// One request with its response, on its way through the waypoint.
///
/// What a hook notes here takes effect when it has returned; a hook that fails has noted nothing.
#[derive(Clone, Copy)]
pub struct Exchange<'a>(imports::Handle<'a>);

impl<'a> Exchange<'a> {
    /// The request's head as it is now: with what earlier filters have changed, and whatever was subscribed to.
    pub fn request_head(&self) -> Fields {
        Fields::from_raw(self.0.request_head())
    }

    /// The response's head; `None` while there is none.
    pub fn response_head(&self) -> Option<Fields> {
        self.0.response_head().map(Fields::from_raw)
    }

    /// The first value of a name in the request's head, if it is UTF-8. It need not have been subscribed to, and can be
    /// read at any hook. Each call crosses the border of the component: for several fields, subscribe.
    pub fn request_field(&self, name: &str) -> Option<String> {
        String::from_utf8(self.0.request_field(&crate::edits::lower(name))?).ok()
    }

    /// The first value of a name in the response's head, if it is UTF-8.
    pub fn response_field(&self, name: &str) -> Option<String> {
        String::from_utf8(self.0.response_field(&crate::edits::lower(name))?).ok()
    }

    /// Something that the waypoint knows, by its path in the table of attributes: `source.principal` as text,
    /// `destination.port` as a number. `None` when it is unknown, not known yet, or of another type.
    pub fn attribute<T: FromValue>(&self, path: &str) -> Option<T> {
        T::from_value(self.0.attribute(path)?)
    }

    /// Several attributes with one call, in the order of the paths.
    pub fn attributes(&self, paths: &[&str]) -> Vec<Option<Value>> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        self.0.attributes(&paths)
    }

    /// The client's identity in the mesh: `cluster.local/ns/default/sa/sleep`. `None` for a client outside of it.
    pub fn source_principal(&self) -> Option<String> {
        self.attribute("source.principal")
    }

    /// The namespace of the client's identity.
    pub fn source_namespace(&self) -> Option<String> {
        self.attribute("source.namespace")
    }

    /// The client's address, without a port.
    pub fn source_ip(&self) -> Option<String> {
        self.attribute("source.ip")
    }

    /// Issuer and subject of the token that the waypoint has verified, with a slash between them.
    pub fn auth_principal(&self) -> Option<String> {
        self.attribute("request.auth.principal")
    }

    /// A claim of the token that the waypoint has verified.
    pub fn auth_claim<T: FromValue>(&self, name: &str) -> Option<T> {
        self.attribute(&format!("request.auth.claims[{name}]"))
    }

    /// What another filter has noted about this exchange; `filter` is the name of its plugin.
    pub fn metadata<T: FromValue>(&self, filter: &str, key: &str) -> Option<T> {
        T::from_value(self.0.metadata(filter, key)?)
    }

    /// Notes something under this filter's own name, for later filters, authorization, routes and the access log. At most
    /// 64 keys and 16 KiB in all; what goes beyond makes the hook fail.
    pub fn set_metadata(&self, key: &str, value: impl Into<Value>) {
        self.0.set_metadata(key, &value.into());
    }

    /// What the filter has kept at an earlier hook of this exchange. `None` if it kept nothing, or something of another
    /// type.
    ///
    /// Do not keep such things in the filter itself: another instance may serve the next hook.
    pub fn state<T: DeserializeOwned>(&self) -> Option<T> {
        let state = self.0.state();
        if state.is_empty() {
            return None;
        }
        postcard::from_bytes(&state).ok()
    }

    /// Keeps something for the later hooks of this exchange, at most 64 KiB.
    ///
    /// # Errors
    ///
    /// When the type has no form that can be stored: one that serde cannot tell the length of.
    pub fn set_state<T: Serialize>(&self, state: &T) -> Result<(), StateError> {
        let mut bytes = postcard::to_allocvec(state).map_err(|error| StateError(error.to_string()))?;
        if bytes.is_empty() {
            // Nothing at all is how a state that was never kept looks.
            bytes.push(0);
        }
        self.0.set_state(&bytes);
        Ok(())
    }

    /// What the filter has kept, as bytes; empty at first.
    pub fn state_bytes(&self) -> Vec<u8> {
        self.0.state()
    }

    /// Keeps bytes for the later hooks of this exchange, at most 64 KiB.
    pub fn set_state_bytes(&self, state: &[u8]) {
        self.0.set_state(state);
    }

    #[doc(hidden)]
    pub fn from_raw(handle: imports::Handle<'a>) -> Exchange<'a> {
        Exchange(handle)
    }
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

/// A state that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateError(String);

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state cannot be stored: {}", self.0)
    }
}

impl std::error::Error for StateError {}
