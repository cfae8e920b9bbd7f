//! One request with its response, on its way through a filter under test.

use std::fmt;

use super::imports::Current;
use super::legal::{self, Part};
use super::message::{self, Lines};
use super::{PLUGIN, Request, Response, World};
use crate::bindings::cairn::filter::types::{
    self, BodyInterest, BodyVerdict, Edit, HeadVerdict, Subscriptions as RawSubscriptions,
};
use crate::filter::Filter;
use crate::head::{Fields, Head};
use crate::{FromValue, Reply};

/// One request with its response, on its way through the filter.
pub struct Exchange<'a, F> {
    filter: &'a F,
    subscriptions: &'a RawSubscriptions,
    world: &'a World,
    current: Current,
    request: Body,
    response: Body,
    done: bool,
    reply: Option<Reply>,
    failure: Option<String>,
}

/// How far a message has come.
#[derive(Debug, Default)]
struct Body {
    /// Its head is held.
    held: bool,
    /// What the filter wants to see again.
    again: Vec<u8>,
    /// What waits behind the head.
    waiting: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Response,
}

impl<'a, F: Filter> Exchange<'a, F> {
    pub(super) fn begin(
        filter: &'a F,
        subscriptions: &'a RawSubscriptions,
        world: &'a World,
        request: Request,
    ) -> Exchange<'a, F> {
        let mut exchange = Exchange {
            filter,
            subscriptions,
            world,
            current: Current {
                attributes: request.attributes,
                metadata: request.metadata.into(),
                request: request.head.into(),
                ..Current::default()
            },
            request: Body::default(),
            response: Body::default(),
            done: false,
            reply: None,
            failure: None,
        };
        exchange.head(Side::Request, request.end_of_stream);
        exchange
    }

    /// Lets a part of the request's body come, `end` with the last one, and gives what goes on to the service.
    pub fn request_body(&mut self, part: impl AsRef<[u8]>, end: bool) -> Vec<u8> {
        self.body(Side::Request, part.as_ref(), end)
    }

    /// Lets the request's trailers come, and gives those that go on.
    pub fn request_trailers(&mut self, trailers: &[(&str, &str)]) -> Vec<(String, String)> {
        self.trailers(Side::Request, trailers)
    }

    /// Lets the service answer.
    pub fn respond(&mut self, response: Response) {
        *self.current.response.borrow_mut() = Some(response.head);
        self.head(Side::Response, response.end_of_stream);
    }

    /// Lets a part of the response's body come, and gives what goes on to the client.
    pub fn response_body(&mut self, part: impl AsRef<[u8]>, end: bool) -> Vec<u8> {
        self.body(Side::Response, part.as_ref(), end)
    }

    /// Lets the response's trailers come, and gives those that go on.
    pub fn response_trailers(&mut self, trailers: &[(&str, &str)]) -> Vec<(String, String)> {
        self.trailers(Side::Response, trailers)
    }

    /// Ends the exchange.
    pub fn finish(&mut self) {
        if self.subscriptions.done && !self.done {
            self.hook(|filter, exchange| filter.on_done(exchange));
        }
    }

    /// The response that the filter gave, if it gave one.
    pub fn reply(&self) -> Option<&Reply> {
        self.reply.as_ref()
    }

    /// Why a hook failed: its edits or its reply were illegal, or it held a head whose body it never asked for.
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// A head is kept back.
    pub fn is_held(&self) -> bool {
        self.request.held || self.response.held
    }

    /// The first value of a name in the request's head as the service gets it.
    pub fn request_field(&self, name: &str) -> Option<String> {
        message::first(&self.current.request.borrow(), name).map(text)
    }

    /// All values of a name in the request's head as the service gets it.
    pub fn request_fields(&self, name: &str) -> Vec<String> {
        all(&self.current.request.borrow(), name)
    }

    /// The first value of a name in the response's head as the client gets it.
    pub fn response_field(&self, name: &str) -> Option<String> {
        message::first(self.current.response.borrow().as_ref()?, name).map(text)
    }

    /// All values of a name in the response's head as the client gets it.
    pub fn response_fields(&self, name: &str) -> Vec<String> {
        let response = self.current.response.borrow();
        response.as_ref().map_or_else(Vec::new, |lines| all(lines, name))
    }

    /// What the filter has noted.
    pub fn metadata<T: FromValue>(&self, key: &str) -> Option<T> {
        T::from_value(self.current.metadata(PLUGIN, key)?)
    }

    fn hook<R>(&self, hook: impl FnOnce(&F, &crate::Exchange<'_>) -> R) -> R {
        let exchange = crate::Exchange::from_raw(&self.current);
        self.world.during(|| hook(self.filter, &exchange))
    }

    /// No hook is to be called any more.
    fn over(&self) -> bool {
        self.done || self.reply.is_some() || self.failure.is_some()
    }

    fn head(&mut self, side: Side, end_of_stream: bool) {
        if self.over() {
            return;
        }
        let wanted = match side {
            Side::Request => {
                message::wanted(&self.current.request.borrow(), &self.subscriptions.request_head)
            }
            Side::Response => self
                .current
                .response
                .borrow()
                .as_ref()
                .and_then(|lines| message::wanted(lines, &self.subscriptions.response_head)),
        };
        let buffered = matches!(self.interest(side), BodyInterest::Buffer(_));
        if let Some(fields) = wanted {
            let head = Head::from_raw(types::Head {
                fields,
                end_of_stream,
            });
            let verdict = self.hook(|filter, exchange| match side {
                Side::Request => filter.on_request_head(exchange, &head),
                Side::Response => filter.on_response_head(exchange, &head),
            });
            self.judge(side, verdict.into_raw());
        }
        if buffered && !end_of_stream && !self.over() {
            self.side(side).held = true;
        }
        if end_of_stream {
            self.side(side).held = false;
        }
    }

    fn judge(&mut self, side: Side, verdict: HeadVerdict) {
        match verdict {
            HeadVerdict::Next(edits) => self.edit(side, edits),
            HeadVerdict::Done(edits) => {
                self.edit(side, edits);
                self.done = true;
            }
            HeadVerdict::Hold(edits) => {
                if matches!(self.interest(side), BodyInterest::None) {
                    self.failure = Some("a head was held without a subscription to its body".to_owned());
                    return;
                }
                self.edit(side, edits);
                self.side(side).held = true;
            }
            HeadVerdict::Reply(reply) => self.answer(reply),
        }
    }

    fn body(&mut self, side: Side, part: &[u8], end: bool) -> Vec<u8> {
        if self.reply.is_some() || self.failure.is_some() {
            return Vec::new();
        }
        let interest = self.interest(side);
        if self.done || interest == BodyInterest::None {
            return part.to_vec();
        }
        let mut whole = std::mem::take(&mut self.side(side).again);
        whole.extend_from_slice(part);
        if let BodyInterest::Buffer(max) = interest {
            if whole.len() > usize::try_from(max).unwrap_or(usize::MAX) {
                let status = if side == Side::Request { 413 } else { 500 };
                self.reply = Some(Reply::new(status).details("too_large"));
                return Vec::new();
            }
            if !end {
                self.side(side).again = whole;
                return Vec::new();
            }
        }
        let verdict = self.hook(|filter, exchange| match side {
            Side::Request => filter.on_request_body(exchange, &whole, end),
            Side::Response => filter.on_response_body(exchange, &whole, end),
        });
        match verdict.into_raw() {
            BodyVerdict::Pass => self.forward(side, whole, end),
            BodyVerdict::Replace(body) => self.forward(side, body, end),
            BodyVerdict::Hold if !end => {
                self.side(side).again = whole;
                Vec::new()
            }
            BodyVerdict::Hold => self.forward(side, whole, end),
            BodyVerdict::Release((edits, _)) if !self.side(side).held && !edits.is_empty() => {
                self.failure = Some("changes a head that has gone on already".to_owned());
                Vec::new()
            }
            BodyVerdict::Release((edits, body)) => {
                self.edit(side, edits);
                self.side(side).held = false;
                self.forward(side, body.unwrap_or(whole), end)
            }
            BodyVerdict::Reply(reply) => {
                self.answer(reply);
                Vec::new()
            }
        }
    }

    /// What goes on: nothing while the head is held, and at the end everything.
    fn forward(&mut self, side: Side, body: Vec<u8>, end: bool) -> Vec<u8> {
        let message = self.side(side);
        message.waiting.extend(body);
        if message.held && !end {
            return Vec::new();
        }
        message.held = false;
        std::mem::take(&mut message.waiting)
    }

    fn trailers(&mut self, side: Side, trailers: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut lines: Lines = trailers
            .iter()
            .map(|(name, value)| (crate::edits::lower(name), value.as_bytes().to_vec()))
            .collect();
        let wanted = match side {
            Side::Request => self.subscriptions.request_trailers,
            Side::Response => self.subscriptions.response_trailers,
        };
        if wanted && !self.over() {
            let fields = Fields::from_raw(message::packed(lines.iter()));
            let edits = self.hook(|filter, exchange| match side {
                Side::Request => filter.on_request_trailers(exchange, &fields),
                Side::Response => filter.on_response_trailers(exchange, &fields),
            });
            if let Err(failure) = legal::edit(&mut lines, edits.into_raw(), Part::Trailers) {
                self.failure = Some(failure);
            }
        }
        lines
            .into_iter()
            .map(|(name, value)| (name, text(&value)))
            .collect()
    }

    fn edit(&mut self, side: Side, edits: Vec<Edit>) {
        let edited = match side {
            Side::Request => legal::edit(&mut self.current.request.borrow_mut(), edits, Part::Request),
            Side::Response => match self.current.response.borrow_mut().as_mut() {
                Some(lines) => legal::edit(lines, edits, Part::Response),
                None => Ok(()),
            },
        };
        if let Err(failure) = edited {
            self.failure = Some(failure);
        }
    }

    fn answer(&mut self, reply: types::LocalReply) {
        match legal::reply(&reply) {
            Ok(()) => self.reply = Some(Reply::from_raw(reply)),
            Err(failure) => self.failure = Some(failure),
        }
    }

    fn interest(&self, side: Side) -> BodyInterest {
        match side {
            Side::Request => self.subscriptions.request_body,
            Side::Response => self.subscriptions.response_body,
        }
    }

    fn side(&mut self, side: Side) -> &mut Body {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }
}

impl<F> fmt::Debug for Exchange<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("current", &self.current)
            .field("reply", &self.reply)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

fn all(lines: &Lines, name: &str) -> Vec<String> {
    lines
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| text(value))
        .collect()
}
