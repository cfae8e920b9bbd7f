//! A request and its response, as filters see them.

use std::sync::Arc;

use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, StatusCode};

use crate::failure::{Exceeded, HookFailure, Reason};

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
    /// Fields. Filters see all but Host.
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
/// resolved or was dropped.
pub struct Exchange(Option<Box<Content>>);

pub(crate) struct Content {
    pub(crate) request: RequestHead,
    pub(crate) response: Option<ResponseHead>,
    pub(crate) attributes: Arc<dyn Attributes>,
    metadata: Vec<Note>,
    states: Vec<(Arc<str>, Vec<u8>)>,
    /// What the hook under way wants to leave behind.
    draft: Draft,
    /// So many hooks have noted something.
    revision: u32,
    /// The next hook is to be served by an instance that has served none.
    afresh: bool,
}

/// What a hook leaves behind if it succeeds.
#[derive(Default)]
struct Draft {
    metadata: Vec<Note>,
    state: Option<(Arc<str>, Vec<u8>)>,
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
            draft: Draft::default(),
            revision: 0,
            afresh: false,
        })))
    }

    /// An exchange of which nothing is known any more.
    pub fn gone() -> Exchange {
        Exchange(None)
    }

    /// The head of the request, with what filters have changed; `None` of one that is gone.
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

    /// The head of the response, with what filters have changed, for the proxy to take back.
    pub fn response_mut(&mut self) -> Option<&mut ResponseHead> {
        self.0.as_deref_mut()?.response.as_mut()
    }

    /// All that filters have noted: the filter's name, the key and the value.
    pub fn notes(&self) -> impl Iterator<Item = (&Arc<str>, &str, &Value)> {
        let notes = self.0.iter().flat_map(|content| &content.metadata);
        notes.map(|note| (&note.filter, &*note.key, &note.value))
    }

    /// Another number when filters have noted something since.
    pub fn revision(&self) -> u32 {
        self.0.as_ref().map_or(0, |content| content.revision)
    }

    /// Has the next hook served by an instance that has served none.
    pub fn try_afresh(&mut self) {
        if let Some(content) = &mut self.0 {
            content.afresh = true;
        }
    }

    pub(crate) fn takes_afresh(&mut self) -> bool {
        let content = self.0.as_deref_mut();
        content.is_some_and(|content| std::mem::take(&mut content.afresh))
    }

    /// What a plugin keeps for its later hooks of this exchange.
    pub fn state(&self, plugin: &str) -> &[u8] {
        self.0.as_deref().map_or(&[], |content| content.state(plugin))
    }

    pub(crate) fn lend(&mut self) -> Result<Box<Content>, HookFailure> {
        let gone = || HookFailure::new(Reason::Limit, "the exchange is gone");
        let mut content = self.0.take().ok_or_else(gone)?;
        // What a hook that failed wanted to leave.
        content.draft = Draft::default();
        Ok(content)
    }

    /// A hook has succeeded: what it wanted to leave behind is there from now on.
    pub(crate) fn commit(&mut self) {
        let Some(content) = &mut self.0 else { return };
        let Draft { metadata, state } = std::mem::take(&mut content.draft);
        if !metadata.is_empty() {
            content.revision = content.revision.wrapping_add(1);
        }
        for note in metadata {
            content.metadata.retain(|old| !old.is(&note.filter, &note.key));
            content.metadata.push(note);
        }
        if let Some((plugin, state)) = state {
            match content.states.iter_mut().find(|(owner, _)| *owner == plugin) {
                Some((_, kept)) => *kept = state,
                None => content.states.push((plugin, state)),
            }
        }
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
        let mut notes = self.draft.metadata.iter().chain(&self.metadata);
        Some(&notes.find(|note| note.is(filter, key))?.value)
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
    ) -> Result<(), Exceeded> {
        let draft = &mut self.draft.metadata;
        draft.retain(|note| !note.is(filter, &key));
        let kept = self
            .metadata
            .iter()
            .filter(|old| !old.is(filter, &key) && !draft.iter().any(|new| new.is(&old.filter, &old.key)));
        let (count, used) = kept
            .chain(&*draft)
            .fold((0, 0), |(count, used), note| (count + 1, used + note.size()));
        let note = Note {
            filter: Arc::clone(filter),
            key,
            value,
        };
        if count >= METADATA_KEYS || used + note.size() > METADATA_BYTES {
            return Err(Exceeded("metadata beyond 64 keys or 16 KiB"));
        }
        draft.push(note);
        Ok(())
    }

    pub(crate) fn state(&self, plugin: &str) -> &[u8] {
        let mut kept = self.draft.state.iter().chain(&self.states);
        let kept = kept.find(|(owner, _)| &**owner == plugin);
        kept.map_or(&[], |(_, state)| state)
    }

    /// Keeps something for a plugin's later hooks.
    ///
    /// # Errors
    ///
    /// When it is too much.
    pub(crate) fn set_state(&mut self, plugin: &Arc<str>, state: Vec<u8>) -> Result<(), Exceeded> {
        if state.len() > STATE_BYTES {
            return Err(Exceeded("state beyond 64 KiB"));
        }
        self.draft.state = Some((Arc::clone(plugin), state));
        Ok(())
    }
}

impl Note {
    fn is(&self, filter: &str, key: &str) -> bool {
        *self.filter == *filter && self.key == key
    }

    fn size(&self) -> usize {
        self.key.len() + self.value.size()
    }
}
