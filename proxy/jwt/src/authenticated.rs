//! What a verified token says.

use std::fmt;
use std::slice;
use std::str::Split;
use std::sync::Arc;

use crate::claim::{Claim, Claims};
use crate::claim_path::ClaimPath;
use crate::rule::Rule;
use crate::token::Token;

/// The identity that a request's token has proved. Cheap to clone; asking parses and allocates nothing.
///
/// Its `Debug` form says nothing of the token.
#[derive(Clone)]
pub struct Authenticated {
    rule: Arc<Rule>,
    token: Arc<Token>,
}

impl Authenticated {
    pub(crate) fn new(rule: Arc<Rule>, token: Arc<Token>) -> Self {
        Self { rule, token }
    }

    pub(crate) fn rule(&self) -> &Rule {
        &self.rule
    }

    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// The `iss` claim: what precedes the slash in `request.auth.principal`.
    pub fn issuer(&self) -> &str {
        &self.rule.issuer
    }

    /// The `sub` claim: what follows the slash in `request.auth.principal`. `None`: the request has no principal.
    pub fn subject(&self) -> Option<&str> {
        self.token.text_of("sub")
    }

    /// The `aud` claim, each of its values (`request.auth.audiences`).
    pub fn audiences(&self) -> Values<'_> {
        self.values_of(self.token.claims().get("aud"), false)
    }

    /// The `azp` claim (`request.auth.presenter`).
    pub fn presenter(&self) -> Option<&str> {
        self.token.text_of("azp")
    }

    /// The strings of a claim: its text, each text of a list, or each word where the claim is one of words (`scope`,
    /// `permission` and the rule's `spaceDelimitedClaims`). Claims of other types have none, as in Istio.
    pub fn values(&self, path: &ClaimPath) -> Values<'_> {
        let words = path
            .single()
            .is_some_and(|name| self.rule.words.iter().any(|own| **own == *name));
        self.values_of(self.token.claims().at(path.names()), words)
    }

    /// All claims, as the token has them.
    pub fn claims(&self) -> &Claims {
        self.token.claims()
    }

    fn values_of<'a>(&self, claim: Option<&'a Claim>, words: bool) -> Values<'a> {
        Values(match claim {
            Some(Claim::Text(text)) if words => Kind::Words(text.split(' ')),
            Some(Claim::Text(text)) => Kind::One(Some(text)),
            Some(Claim::List(items)) => Kind::List(items.iter()),
            _ => Kind::One(None),
        })
    }
}

impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated")
            .field("issuer", &self.rule.issuer)
            .finish_non_exhaustive()
    }
}

/// The strings of a claim.
pub struct Values<'a>(Kind<'a>);

enum Kind<'a> {
    One(Option<&'a str>),
    List(slice::Iter<'a, Claim>),
    Words(Split<'a, char>),
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        match &mut self.0 {
            Kind::One(text) => text.take(),
            Kind::List(items) => items.find_map(Claim::as_text),
            Kind::Words(words) => words.find(|word| !word.is_empty()),
        }
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").finish_non_exhaustive()
    }
}
