//! A compiled rule.

use std::sync::Arc;

use http::HeaderName;

use crate::audience::Audiences;
use crate::keys::Keys;
use crate::place::Place;

/// One element of `jwtRules`: nothing in it can be wrong any more.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) issuer: Box<str>,
    pub(crate) audiences: Audiences,
    /// In Envoy's order: headers, parameters, cookies, each by name. Rules with the same places share them.
    pub(crate) places: Arc<[Place]>,
    /// `None`: the rule could not be compiled, and no token of its issuer is believed.
    pub(crate) keys: Option<Arc<Keys>>,
    pub(crate) required: bool,
    pub(crate) forward: bool,
    pub(crate) payload_to: Option<HeaderName>,
    pub(crate) claims_to: Box<[(HeaderName, Box<str>)]>,
    /// Claims of the first level whose text is words with spaces between.
    pub(crate) words: Box<[Box<str>]>,
}

impl Rule {
    /// The header fields that the rule writes.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &HeaderName> {
        let claims = self.claims_to.iter().map(|(name, _)| name);
        self.payload_to.iter().chain(claims)
    }
}
