//! What authors implement.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::edits::Edits;
use crate::exchange::Exchange;
use crate::head::{Fields, Head};
use crate::subscriptions::Subscriptions;
use crate::verdict::{BodyVerdict, HeadVerdict};

/// A filter: what is done with requests and responses as they pass by.
///
/// The waypoint runs several instances of a filter, each configured once, and any of them may be called for any hook. An
/// instance serves one hook at a time. What must be known at a later hook of the same exchange goes into
/// [`Exchange::set_state`], what all instances must know into [`shared`](crate::shared).
///
/// A hook is called only if [`Filter::subscriptions`] asks for it. A hook that panics, takes too long or uses too much
/// memory has changed nothing; what becomes of the request is up to the plugin's `failStrategy`.
pub trait Filter: Sized + 'static {
    /// The plugin's `pluginConfig`. [`NoConfig`] if there is none to give; derive `Default` values with serde for what
    /// may be left out, for a plugin without a `pluginConfig` is given an empty object.
    type Config: DeserializeOwned;

    /// Makes an instance. The text of an error becomes the plugin's status: say which field is wrong, and what to write.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration.
    fn configure(config: Self::Config) -> Result<Self, String>;

    /// What this instance wants to be called for.
    fn subscriptions(&self) -> Subscriptions;

    /// A request has come.
    fn on_request_head(&self, _exchange: &Exchange<'_>, _head: &Head) -> HeadVerdict {
        HeadVerdict::next()
    }

    /// A part of the request's body has come; `end` with the last one, which may be empty.
    fn on_request_body(&self, _exchange: &Exchange<'_>, _part: &[u8], _end: bool) -> BodyVerdict {
        BodyVerdict::Pass
    }

    /// The request's trailers have come: fields that follow the body, as in gRPC.
    fn on_request_trailers(&self, _exchange: &Exchange<'_>, _trailers: &Fields) -> Edits {
        Edits::new()
    }

    /// A response has come, of the service or one that the waypoint has made itself.
    fn on_response_head(&self, _exchange: &Exchange<'_>, _head: &Head) -> HeadVerdict {
        HeadVerdict::next()
    }

    /// A part of the response's body has come; `end` with the last one, which may be empty.
    fn on_response_body(&self, _exchange: &Exchange<'_>, _part: &[u8], _end: bool) -> BodyVerdict {
        BodyVerdict::Pass
    }

    /// The response's trailers have come: of gRPC, its status.
    fn on_response_trailers(&self, _exchange: &Exchange<'_>, _trailers: &Fields) -> Edits {
        Edits::new()
    }

    /// The exchange has ended, in whichever way.
    fn on_done(&self, _exchange: &Exchange<'_>) {}
}

/// A filter that is also called without a request. Subscribe with [`Subscriptions::tick`].
pub trait Ticker: Filter {
    /// The time has passed. Any one instance is called.
    fn tick(&self);
}

/// The configuration of a filter that has none: whatever is written is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Reads a configuration and makes a filter of it.
pub(crate) fn configured<F: Filter>(config: &[u8]) -> Result<F, String> {
    let config = if config.is_empty() { b"{}" } else { config };
    // serde would take the elements of an array for fields.
    if config.trim_ascii_start().first() == Some(&b'[') {
        return Err("pluginConfig: invalid type: sequence, expected an object".to_owned());
    }
    let mut json = serde_json::Deserializer::from_slice(config);
    let config = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." {
            String::new()
        } else {
            format!(".{path}")
        };
        format!("pluginConfig{place}: {}", error.inner())
    })?;
    F::configure(config)
}
