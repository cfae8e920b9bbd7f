//! What a filter asked for, checked.

use std::time::Duration;

use http::HeaderName;

use super::{BodyInterest, Lines, Subscriptions};
use crate::bindings::cairn::filter::types::{
    BodyInterest as WitBody, Interest, Subscriptions as WitSubscriptions,
};
use crate::failure::LoadError;
use crate::spec::Spec;

/// No filter is called more often than this without a request.
const SHORTEST_TICK: u32 = 10;

pub(super) fn compile(
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
            let fields = fields
                .into_iter()
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
