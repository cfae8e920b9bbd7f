//! A request and its response, as filters see them.

use std::sync::Arc;

use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, StatusCode};

use crate::failure::{HookFailure, Reason};

/// Values that a filter may note about one exchange.
const METADATA_KEYS: usize = 64;
/// Bytes of all of them.
const METADATA_BYTES: usize = 16 << 10;
/// Bytes that a filter may keep between the hooks of one exchange.
const STATE_BYTES: usize = 64 << 10;

/// The head of a request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// Method.
    pub method: Method,
    /// Path and query, in origin-form.
    pub target: PathAndQuery,
    /// Host and port.
    pub authority: Authority,
    /// Scheme, as the client would write it.
    pub scheme: &'static str,
    /// Fields; without Host.
    pub headers: HeaderMap,
}

/// The head of a response.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// Status.
    pub status: StatusCode,
    /// Fields.
    pub headers: HeaderMap,
}

/// The value of an attribute, or of what a filter has noted.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list of texts.
    Texts(Vec<String>),
}

impl Value {
    fn size(&self) -> usize {
        match self {
            Value::Boolean(_) | Value::Int(_) | Value::Float(_) => 8,
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Texts(texts) => texts.iter().map(|text| text.len() + 8).sum(),
        }
    }
}

/// What the proxy knows about an exchange beyond its heads.
pub trait Attributes: Send + Sync {
    /// The value of an attribute; `None` when it is unknown, or not known yet.
    fn get(&self, path: &str) -> Option<Value>;
}

/// Knows nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unknown;

impl Attributes for Unknown {
    fn get(&self, _path: &str) -> Option<Value> {
        None
    }
}

/// One request with its response, on its way through the proxy.
///
/// While a hook is under way the content is with the instance that serves it; it is back when the hook's future has
/// resolved. Of one whose future was dropped before, what filters noted is lost, and so is the exchange.
pub struct Exchange(Option<Box<Content>>);

pub(crate) struct Content {
    pub(crate) request: RequestHead,
    pub(crate) response: Option<ResponseHead>,
    pub(crate) attributes: Arc<dyn Attributes>,
    metadata: Vec<Note>,
    states: Vec<(Arc<str>, Vec<u8>)>,
}

/// What a filter has noted.
struct Note {
    filter: Arc<str>,
    key: String,
    value: Value,
}

impl Exchange {
    /// An exchange that begins with a request.
    pub fn new(request: RequestHead, attributes: Arc<dyn Attributes>) -> Exchange {
        Exchange(Some(Box::new(Content {
            request,
            response: None,
            attributes,
            metadata: Vec::new(),
            states: Vec::new(),
        })))
    }

    /// An exchange of which nothing is known any more.
    pub fn gone() -> Exchange {
        Exchange(None)
    }

    /// The head of the request, with what filters have changed; `None` after a hook that never ended.
    pub fn request(&self) -> Option<&RequestHead> {
        self.0.as_deref().map(|content| &content.request)
    }

    /// The head of the request, for the proxy to change.
    pub fn request_mut(&mut self) -> Option<&mut RequestHead> {
        self.0.as_deref_mut().map(|content| &mut content.request)
    }

    /// The head of the response, once there is one.
    pub fn response(&self) -> Option<&ResponseHead> {
        self.0.as_deref()?.response.as_ref()
    }

    /// Puts the head of a response before the filters.
    pub fn set_response(&mut self, response: ResponseHead) {
        if let Some(content) = &mut self.0 {
            content.response = Some(response);
        }
    }

    /// Takes the head of the response, with what filters have changed, and leaves a copy of its status for later hooks.
    pub fn take_response(&mut self) -> Option<ResponseHead> {
        let response = self.0.as_deref_mut()?.response.as_mut()?;
        let headers = std::mem::take(&mut response.headers);
        Some(ResponseHead {
            status: response.status,
            headers,
        })
    }

    /// What a filter has noted under a key.
    pub fn metadata(&self, filter: &str, key: &str) -> Option<&Value> {
        self.0.as_deref()?.metadata(filter, key)
    }

    pub(crate) fn lend(&mut self) -> Result<Box<Content>, HookFailure> {
        let gone = || HookFailure::new(Reason::Limit, "another hook of this exchange never ended");
        self.0.take().ok_or_else(gone)
    }

    pub(crate) fn give_back(&mut self, content: Option<Box<Content>>) {
        self.0 = content;
    }

    pub(crate) fn content_mut(&mut self) -> Option<&mut Content> {
        self.0.as_deref_mut()
    }
}

impl Content {
    pub(crate) fn metadata(&self, filter: &str, key: &str) -> Option<&Value> {
        let note = self
            .metadata
            .iter()
            .find(|note| &*note.filter == filter && note.key == key)?;
        Some(&note.value)
    }

    /// Notes a value.
    ///
    /// # Errors
    ///
    /// When there would be too many, or too much of them.
    pub(crate) fn set_metadata(
        &mut self,
        filter: &Arc<str>,
        key: String,
        value: Value,
    ) -> Result<(), &'static str> {
        self.metadata
            .retain(|note| note.filter != *filter || note.key != key);
        let used: usize = self.metadata.iter().map(Note::size).sum();
        let note = Note {
            filter: Arc::clone(filter),
            key,
            value,
        };
        if self.metadata.len() >= METADATA_KEYS || used + note.size() > METADATA_BYTES {
            return Err("metadata beyond 64 keys or 16 KiB");
        }
        self.metadata.push(note);
        Ok(())
    }

    pub(crate) fn state(&self, plugin: &str) -> &[u8] {
        let kept = self.states.iter().find(|(owner, _)| &**owner == plugin);
        kept.map_or(&[], |(_, state)| state)
    }

    /// Keeps something for a plugin's later hooks.
    ///
    /// # Errors
    ///
    /// When it is too much.
    pub(crate) fn set_state(&mut self, plugin: &Arc<str>, state: Vec<u8>) -> Result<(), &'static str> {
        if state.len() > STATE_BYTES {
            return Err("state beyond 64 KiB");
        }
        match self.states.iter_mut().find(|(owner, _)| owner == plugin) {
            Some((_, kept)) => *kept = state,
            None => self.states.push((Arc::clone(plugin), state)),
        }
        Ok(())
    }
}

impl Note {
    fn size(&self) -> usize {
        self.key.len() + self.value.size()
    }
}
