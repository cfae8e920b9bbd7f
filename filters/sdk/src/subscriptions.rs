//! What a filter wants to be called for.

use std::time::Duration;

use crate::bindings::cairn::filter::types::{BodyInterest, Interest, Subscriptions as Raw};

/// What a filter wants to be called for.
///
/// What is not asked for costs nothing: no call, no copy. Ask for fields by name where you can, and for a body only if
/// you need it.
///
/// ```
/// use cairn_filter::Subscriptions;
///
/// let wanted = Subscriptions::new()
///     .request_head([":path", "authorization"])
///     .request_body_buffer(64 * 1024)
///     .response_head_all()
///     .done();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Subscriptions(Raw);

impl Subscriptions {
    /// Nothing yet.
    pub fn new() -> Subscriptions {
        Subscriptions(Raw {
            request_head: Interest::None,
            request_body: BodyInterest::None,
            request_trailers: false,
            response_head: Interest::None,
            response_body: BodyInterest::None,
            response_trailers: false,
            done: false,
            tick: None,
        })
    }

    /// [`Filter::on_request_head`](crate::Filter::on_request_head), with the fields of these names. Of no names, to be
    /// called without any.
    ///
    /// `:method`, `:path`, `:authority` and `:scheme` are names too.
    #[must_use]
    pub fn request_head<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Subscriptions {
        self.0.request_head = named(names);
        self
    }

    /// [`Filter::on_request_head`](crate::Filter::on_request_head), with all fields.
    #[must_use]
    pub fn request_head_all(mut self) -> Subscriptions {
        self.0.request_head = Interest::All;
        self
    }

    /// [`Filter::on_request_body`](crate::Filter::on_request_body), with each part as it comes.
    #[must_use]
    pub fn request_body_stream(mut self) -> Subscriptions {
        self.0.request_body = BodyInterest::Stream;
        self
    }

    /// [`Filter::on_request_body`](crate::Filter::on_request_body), once, with the whole body.
    ///
    /// A request whose body has more than `max` bytes is answered 413. The request goes to the service only when the hook
    /// has seen the body, so the filter can still refuse it or change its head.
    #[must_use]
    pub fn request_body_buffer(mut self, max: u32) -> Subscriptions {
        self.0.request_body = BodyInterest::Buffer(max);
        self
    }

    /// [`Filter::on_request_trailers`](crate::Filter::on_request_trailers).
    #[must_use]
    pub fn request_trailers(mut self) -> Subscriptions {
        self.0.request_trailers = true;
        self
    }

    /// [`Filter::on_response_head`](crate::Filter::on_response_head), with the fields of these names; `:status` is one.
    #[must_use]
    pub fn response_head<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Subscriptions {
        self.0.response_head = named(names);
        self
    }

    /// [`Filter::on_response_head`](crate::Filter::on_response_head), with all fields.
    #[must_use]
    pub fn response_head_all(mut self) -> Subscriptions {
        self.0.response_head = Interest::All;
        self
    }

    /// [`Filter::on_response_body`](crate::Filter::on_response_body), with each part as it comes.
    #[must_use]
    pub fn response_body_stream(mut self) -> Subscriptions {
        self.0.response_body = BodyInterest::Stream;
        self
    }

    /// [`Filter::on_response_body`](crate::Filter::on_response_body), once, with the whole body. A response whose body has
    /// more than `max` bytes becomes a 500.
    #[must_use]
    pub fn response_body_buffer(mut self, max: u32) -> Subscriptions {
        self.0.response_body = BodyInterest::Buffer(max);
        self
    }

    /// [`Filter::on_response_trailers`](crate::Filter::on_response_trailers).
    #[must_use]
    pub fn response_trailers(mut self) -> Subscriptions {
        self.0.response_trailers = true;
        self
    }

    /// [`Filter::on_done`](crate::Filter::on_done).
    #[must_use]
    pub fn done(mut self) -> Subscriptions {
        self.0.done = true;
        self
    }

    /// [`Ticker::tick`](crate::Ticker::tick), every so often; 10 ms at least. The plugin needs the grant `ticker`.
    #[must_use]
    pub fn tick(mut self, every: Duration) -> Subscriptions {
        self.0.tick = Some(u32::try_from(every.as_millis()).unwrap_or(u32::MAX));
        self
    }

    #[doc(hidden)]
    pub fn into_raw(self) -> Raw {
        self.0
    }
}

impl Default for Subscriptions {
    fn default() -> Subscriptions {
        Subscriptions::new()
    }
}

fn named<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Interest {
    let names = names.into_iter().map(|name| {
        let mut name: String = name.into();
        name.make_ascii_lowercase();
        name
    });
    Interest::Named(names.collect())
}
