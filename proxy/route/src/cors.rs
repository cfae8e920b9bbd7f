//! Cross-origin rules of a route: which origins may read what it answers, and what their preflights are told.
//!
//! As Envoy's CORS filter does it: a preflight is answered in the route's place, and every other response to an origin
//! that is allowed says so, whoever made it.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN,
};
use http::{HeaderMap, HeaderValue};

use crate::text::TextMatch;

const TRUE: HeaderValue = HeaderValue::from_static("true");

/// The cross-origin rules of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// The origins that are allowed.
    pub(crate) origins: Vec<TextMatch>,
    pub(crate) methods: Option<Allowed>,
    pub(crate) headers: Option<Allowed>,
    pub(crate) expose: Option<HeaderValue>,
    /// In seconds.
    pub(crate) max_age: Option<HeaderValue>,
    pub(crate) credentials: bool,
    /// Preflights from other origins are for the service to answer.
    pub(crate) forwards_unmatched: bool,
}

/// What a preflight may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Whatever it asks for.
    Asked,
    /// This list.
    Listed(HeaderValue),
}

/// What the rules of a route make of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrossOrigin {
    /// Nothing: it comes from no other origin, from one that is not allowed, or is for the service to answer.
    Untouched,
    /// It is a preflight. The answer is 200 with these header fields and no body.
    Preflight(HeaderMap),
    /// It goes on. Whatever is answered has these header fields, in place of those of the same names.
    Allowed(HeaderMap),
}

/// Whether a request asks what another one may do: `OPTIONS` with an origin and the method that is meant.
pub fn is_preflight(method: &str, headers: &HeaderMap) -> bool {
    method == "OPTIONS"
        && given(headers, &ORIGIN).is_some()
        && given(headers, &ACCESS_CONTROL_REQUEST_METHOD).is_some()
}

impl Cors {
    /// What is to be done with a request.
    pub fn judge(&self, method: &str, headers: &HeaderMap) -> CrossOrigin {
        let Some(origin) = given(headers, &ORIGIN) else {
            return CrossOrigin::Untouched;
        };
        let is_allowed = self.allows(origin);
        if is_preflight(method, headers) && (is_allowed || !self.forwards_unmatched) {
            return CrossOrigin::Preflight(self.preflight(is_allowed.then_some(origin), headers));
        }
        if !is_allowed {
            return CrossOrigin::Untouched;
        }
        let mut fields = self.granted(origin);
        if let Some(expose) = &self.expose {
            fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
        CrossOrigin::Allowed(fields)
    }

    /// Whether the rules allow an origin. One that allows the text `*` allows every origin, as in Envoy.
    fn allows(&self, origin: &HeaderValue) -> bool {
        let mut rules = self.origins.iter();
        rules.any(|rule| rule.matches(b"*") || rule.matches(origin.as_bytes()))
    }

    fn granted(&self, origin: &HeaderValue) -> HeaderMap {
        let mut fields = HeaderMap::new();
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            fields.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        fields
    }

    /// The answer to a preflight; an origin that is not allowed is told no more than that there are rules.
    fn preflight(&self, origin: Option<&HeaderValue>, asked: &HeaderMap) -> HeaderMap {
        let mut fields = origin.map(|origin| self.granted(origin)).unwrap_or_default();
        let lists = [
            (
                &self.methods,
                ACCESS_CONTROL_REQUEST_METHOD,
                ACCESS_CONTROL_ALLOW_METHODS,
            ),
            (
                &self.headers,
                ACCESS_CONTROL_REQUEST_HEADERS,
                ACCESS_CONTROL_ALLOW_HEADERS,
            ),
        ];
        for (allowed, question, answer) in lists {
            let value = match allowed {
                None => None,
                Some(Allowed::Asked) => given(asked, &question),
                Some(Allowed::Listed(list)) => Some(list),
            };
            if let Some(value) = value {
                fields.insert(answer, value.clone());
            }
        }
        if let Some(max_age) = &self.max_age {
            fields.insert(ACCESS_CONTROL_MAX_AGE, max_age.clone());
        }
        fields
    }
}

/// The first value, if there is text in it.
fn given<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    headers.get(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
