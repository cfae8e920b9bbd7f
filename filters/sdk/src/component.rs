//! The way from the exports of a component to the methods of a filter.

use std::cell::OnceCell;

use crate::bindings::cairn::filter::exchanges::Exchange as RawExchange;
use crate::bindings::cairn::filter::types::{self, Block};
use crate::bindings::exports::cairn::filter::hooks;
use crate::bindings::ticking::exports::cairn::filter::ticker;
use crate::edits::Edits;
use crate::exchange::Exchange;
use crate::filter::{Filter, Ticker, configured};
use crate::head::{Fields, Head};
use crate::verdict::{BodyVerdict, HeadVerdict};

/// A type that stands for a component, with the place where its filter is kept.
pub trait Exported {
    /// The author's filter.
    type Filter: Filter;

    /// Calls `with` with the place of the filter.
    fn slot<R>(with: impl FnOnce(&OnceCell<Self::Filter>) -> R) -> R;
}

/// A text as an array, which can lie in a section of the component. `N` is its length.
pub const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    match text.as_bytes().first_chunk() {
        Some(bytes) => *bytes,
        None => [0; N],
    }
}

/// Calls a hook. Before `configure` there is no filter, and the waypoint calls none.
fn call<E: Exported, R>(hook: impl FnOnce(&E::Filter) -> R, otherwise: R) -> R {
    E::slot(|slot| match slot.get() {
        Some(filter) => hook(filter),
        None => otherwise,
    })
}

impl<E: Exported> hooks::Guest for E {
    fn configure(config: Vec<u8>, name: String) -> Result<types::Subscriptions, String> {
        crate::plugin::named(name);
        let filter = configured::<E::Filter>(&config)?;
        let subscriptions = filter.subscriptions().into_raw();
        E::slot(|slot| slot.set(filter)).map_err(|_| "configured twice".to_owned())?;
        Ok(subscriptions)
    }

    fn on_request_head(exchange: &RawExchange, head: types::Head) -> types::HeadVerdict {
        call::<E, _>(
            |filter| filter.on_request_head(&Exchange::from_raw(exchange), &Head::from_raw(head)),
            HeadVerdict::next(),
        )
        .into_raw()
    }

    fn on_request_body(exchange: &RawExchange, part: Vec<u8>, end: bool) -> types::BodyVerdict {
        call::<E, _>(
            |filter| filter.on_request_body(&Exchange::from_raw(exchange), &part, end),
            BodyVerdict::Pass,
        )
        .into_raw()
    }

    fn on_request_trailers(exchange: &RawExchange, trailers: Block) -> Vec<types::Edit> {
        call::<E, _>(
            |filter| filter.on_request_trailers(&Exchange::from_raw(exchange), &Fields::from_raw(trailers)),
            Edits::new(),
        )
        .into_raw()
    }

    fn on_response_head(exchange: &RawExchange, head: types::Head) -> types::HeadVerdict {
        call::<E, _>(
            |filter| filter.on_response_head(&Exchange::from_raw(exchange), &Head::from_raw(head)),
            HeadVerdict::next(),
        )
        .into_raw()
    }

    fn on_response_body(exchange: &RawExchange, part: Vec<u8>, end: bool) -> types::BodyVerdict {
        call::<E, _>(
            |filter| filter.on_response_body(&Exchange::from_raw(exchange), &part, end),
            BodyVerdict::Pass,
        )
        .into_raw()
    }

    fn on_response_trailers(exchange: &RawExchange, trailers: Block) -> Vec<types::Edit> {
        call::<E, _>(
            |filter| filter.on_response_trailers(&Exchange::from_raw(exchange), &Fields::from_raw(trailers)),
            Edits::new(),
        )
        .into_raw()
    }

    fn on_done(exchange: &RawExchange) {
        call::<E, _>(|filter| filter.on_done(&Exchange::from_raw(exchange)), ());
    }
}

impl<E: Exported> ticker::Guest for E
where
    E::Filter: Ticker,
{
    fn tick() {
        call::<E, _>(|filter| filter.tick(), ());
    }
}
