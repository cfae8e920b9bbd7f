//! The commands, as tests write them.

use std::time::Duration;

use cairn_filter::Subscriptions;
use serde::Deserialize;

use crate::action::Action;

/// What to do at each hook.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Only for requests whose `x-probe` names the hook; it may name several, with commas between.
    pub(crate) only_marked: bool,
    pub(crate) configure: Configure,
    /// One more counter, which is never used.
    pub(crate) define: Option<String>,
    /// In place of what follows from the hooks that have something to do.
    subscribe: Option<Subscribe>,
    pub(crate) request_head: Option<Action>,
    pub(crate) request_body: Option<Action>,
    pub(crate) request_trailers: Option<Action>,
    pub(crate) response_head: Option<Action>,
    pub(crate) response_body: Option<Action>,
    pub(crate) response_trailers: Option<Action>,
    pub(crate) done: Option<Action>,
    pub(crate) tick: Option<Action>,
}

/// How configuring ends.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Configure {
    #[default]
    Ok,
    Error,
    Panic,
    Spin,
}

/// Subscriptions, word by word.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Subscribe {
    request_head: Option<Lines>,
    request_body: Option<Body>,
    request_trailers: bool,
    response_head: Option<Lines>,
    response_body: Option<Body>,
    response_trailers: bool,
    done: bool,
    /// In milliseconds.
    tick: Option<u32>,
}

/// `"all"`, or names.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Lines {
    Names(Vec<String>),
    Word(All),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum All {
    All,
}

/// `"stream"`, or the most bytes to buffer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Body {
    Buffer(u32),
    Word(Stream),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stream {
    Stream,
}

impl Config {
    pub(crate) fn subscriptions(&self) -> Subscriptions {
        match &self.subscribe {
            Some(subscribe) => subscribe.subscriptions(),
            None => self.needed(),
        }
    }

    /// Heads with all lines, bodies as they come, for the hooks that have something to do.
    fn needed(&self) -> Subscriptions {
        let subscribe = Subscribe {
            request_head: self.request_head.as_ref().map(|_| Lines::Word(All::All)),
            request_body: self.request_body.as_ref().map(|_| Body::Word(Stream::Stream)),
            request_trailers: self.request_trailers.is_some(),
            response_head: self.response_head.as_ref().map(|_| Lines::Word(All::All)),
            response_body: self.response_body.as_ref().map(|_| Body::Word(Stream::Stream)),
            response_trailers: self.response_trailers.is_some(),
            done: self.done.is_some(),
            tick: None,
        };
        subscribe.subscriptions()
    }
}

impl Subscribe {
    fn subscriptions(&self) -> Subscriptions {
        let mut wanted = Subscriptions::new();
        wanted = match &self.request_head {
            None => wanted,
            Some(Lines::Word(All::All)) => wanted.request_head_all(),
            Some(Lines::Names(names)) => wanted.request_head(names.clone()),
        };
        wanted = match &self.response_head {
            None => wanted,
            Some(Lines::Word(All::All)) => wanted.response_head_all(),
            Some(Lines::Names(names)) => wanted.response_head(names.clone()),
        };
        wanted = match &self.request_body {
            None => wanted,
            Some(Body::Word(Stream::Stream)) => wanted.request_body_stream(),
            Some(Body::Buffer(max)) => wanted.request_body_buffer(*max),
        };
        wanted = match &self.response_body {
            None => wanted,
            Some(Body::Word(Stream::Stream)) => wanted.response_body_stream(),
            Some(Body::Buffer(max)) => wanted.response_body_buffer(*max),
        };
        if self.request_trailers {
            wanted = wanted.request_trailers();
        }
        if self.response_trailers {
            wanted = wanted.response_trailers();
        }
        if self.done {
            wanted = wanted.done();
        }
        if let Some(milliseconds) = self.tick {
            wanted = wanted.tick(Duration::from_millis(milliseconds.into()));
        }
        wanted
    }
}
