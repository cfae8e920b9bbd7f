//! What a filter wants to be called for.

use std::fmt;
use std::time::Duration;

use http::HeaderName;

use crate::bindings::cairn::filter::types::{
    BodyInterest as WitBody, Interest, Subscriptions as WitSubscriptions,
};
use crate::failure::LoadError;
use crate::spec::Spec;

/// No filter is called more often than this without a request.
const SHORTEST_TICK: u32 = 10;

/// What a filter wants to be called for.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions {
    /// Heads of requests, with these lines.
    pub request_head: Option<Lines>,
    /// Bodies of requests.
    pub request_body: BodyInterest,
    /// Trailers of requests.
    pub request_trailers: bool,
    /// Heads of responses, with these lines.
    pub response_head: Option<Lines>,
    /// Bodies of responses.
    pub response_body: BodyInterest,
    /// Trailers of responses.
    pub response_trailers: bool,
    /// The end of exchanges.
    pub done: bool,
    /// Every so often, without a request.
    pub tick: Option<Duration>,
}

impl Subscriptions {
    /// Whether the filter is called for an exchange after the head of its request.
    pub fn beyond_request_head(&self) -> bool {
        self.request_body != BodyInterest::None
            || self.request_trailers
            || self.response_head.is_some()
            || self.response_body != BodyInterest::None
            || self.response_trailers
            || self.done
    }
}

/// Lines of a head.
#[derive(Clone, Debug)]
pub enum Lines {
    /// All of them.
    All,
    /// Those of these names.
    Named {
        /// Names that begin with a colon.
        pseudo: Vec<String>,
        /// Names of fields.
        fields: Vec<HeaderName>,
    },
}

/// How a filter wants bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyInterest {
    /// Not at all.
    #[default]
    None,
    /// Part by part.
    Stream,
    /// As a whole, of at most so many bytes.
    Buffer(usize),
}

/// In words, as in `request heads, response bodies as they come`.
impl fmt::Display for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = |body: BodyInterest, side: &str| match body {
            BodyInterest::None => None,
            BodyInterest::Stream => Some(format!("{side} bodies as they come")),
            BodyInterest::Buffer(bytes) => Some(format!("whole {side} bodies up to {bytes} bytes")),
        };
        let if_so = |so: bool, what: &str| so.then(|| what.to_owned());
        let asked = [
            if_so(self.request_head.is_some(), "request heads"),
            body(self.request_body, "request"),
            if_so(self.request_trailers, "request trailers"),
            if_so(self.response_head.is_some(), "response heads"),
            body(self.response_body, "response"),
            if_so(self.response_trailers, "response trailers"),
            if_so(self.done, "the end of exchanges"),
            self.tick.map(|every| format!("a tick every {every:?}")),
        ];
        let asked: Vec<_> = asked.into_iter().flatten().collect();
        match asked.is_empty() {
            true => f.write_str("nothing"),
            false => f.write_str(&asked.join(", ")),
        }
    }
}

/// What a guest asked for, checked.
pub(crate) fn compile(
    asked: WitSubscriptions,
    spec: &Spec,
    ticker: bool,
) -> Result<Subscriptions, LoadError> {
    let tick = match asked.tick {
        None => None,
        Some(_) if !ticker => return Err(wrong("`tick` without an export `ticker`")),
        Some(_) if !spec.grants.ticker => {
            return Err(LoadError::NotGranted {
                import: "tick".to_owned(),
                hint: "grant it with the annotation `filters.cairn.io/grants: ticker`",
            });
        }
        Some(milliseconds) if milliseconds < SHORTEST_TICK => {
            return Err(wrong(&format!("a `tick` of {milliseconds} ms; 10 at least")));
        }
        Some(milliseconds) => Some(Duration::from_millis(milliseconds.into())),
    };
    Ok(Subscriptions {
        request_head: lines(asked.request_head)?,
        request_body: body(asked.request_body, spec)?,
        request_trailers: asked.request_trailers,
        response_head: lines(asked.response_head)?,
        response_body: body(asked.response_body, spec)?,
        response_trailers: asked.response_trailers,
        done: asked.done,
        tick,
    })
}

fn lines(interest: Interest) -> Result<Option<Lines>, LoadError> {
    Ok(match interest {
        Interest::None => None,
        Interest::All => Some(Lines::All),
        Interest::Named(names) => {
            let (pseudo, fields): (Vec<_>, Vec<_>) =
                names.into_iter().partition(|name| name.starts_with(':'));
            // The host is `:authority`.
            let fields = fields
                .into_iter()
                .filter(|name| !name.eq_ignore_ascii_case("host"))
                .map(|name| {
                    HeaderName::from_bytes(name.as_bytes())
                        .map_err(|_| wrong(&format!("{name:?}, which is not the name of a field")))
                })
                .collect::<Result<_, _>>()?;
            Some(Lines::Named { pseudo, fields })
        }
    })
}

fn body(interest: WitBody, spec: &Spec) -> Result<BodyInterest, LoadError> {
    Ok(match interest {
        WitBody::None => BodyInterest::None,
        WitBody::Stream => BodyInterest::Stream,
        WitBody::Buffer(bytes) => {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            let limit = spec.limits.buffer;
            if bytes > limit {
                return Err(wrong(&format!(
                    "bodies of {bytes} bytes, of which the plugin's limit is {limit}; raise it with the annotation \
                     `filters.cairn.io/buffer`"
                )));
            }
            BodyInterest::Buffer(bytes)
        }
    })
}

fn wrong(what: &str) -> LoadError {
    LoadError::Subscriptions(what.to_owned())
}
