//! The tokens of one request against one rule after another.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::cache::{Cache, Versions};
use crate::claim::Claim;
use crate::fault::Fault;
use crate::place::Place;
use crate::request::Request;
use crate::rule::Rule;
use crate::token::Token;

/// The time of a decision.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Seconds since 1970, which tokens speak of.
    pub unix: u64,
    /// The same moment on the clock that fetches go by.
    pub instant: Instant,
}

impl Now {
    /// What the clocks say.
    pub fn read() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            unix: since.map_or(0, |since| since.as_secs()),
            instant: Instant::now(),
        }
    }
}

/// One request. Its places are searched once and its tokens looked up and parsed once, whatever the number of rules.
pub(crate) struct Examination<'r> {
    request: Request<'r>,
    cache: &'r Cache,
    now: Now,
    /// Places that have been searched, and where their tokens are in `found`.
    searched: Vec<(Arc<[Place]>, Range<usize>)>,
    found: Vec<Found<'r>>,
    keys_wanted: bool,
}

struct Found<'r> {
    text: Cow<'r, [u8]>,
    /// `None`: nobody has asked yet.
    token: Option<Result<(Arc<Token>, Versions), Fault>>,
}

impl<'r> Examination<'r> {
    pub(crate) fn new(request: Request<'r>, cache: &'r Cache, now: Now) -> Self {
        Self {
            request,
            cache,
            now,
            searched: Vec::new(),
            found: Vec::new(),
            keys_wanted: false,
        }
    }

    /// Whether a token named a key that is to be fetched now.
    pub(crate) fn keys_wanted(&self) -> bool {
        self.keys_wanted
    }

    /// The token that a rule accepts. All tokens at its places must be good, for nobody knows which of them the application
    /// reads. They are tried from the last to the first, as Envoy does, and the first is the one that counts.
    pub(crate) fn accept(&mut self, rule: &Rule) -> Result<Arc<Token>, Fault> {
        let mut accepted = Err(Fault::Missing);
        for index in self.search(&rule.places).rev() {
            accepted = Ok(self.judge(rule, index)?);
        }
        accepted
    }

    fn judge(&mut self, rule: &Rule, index: usize) -> Result<Arc<Token>, Fault> {
        let Some(Found { text, token }) = self.found.get_mut(index) else {
            return Err(Fault::Form);
        };
        let token = token.get_or_insert_with(|| match self.cache.find(text) {
            Some(known) => Ok(known),
            None => Token::parse(text).map(|token| (Arc::new(token), Versions::default())),
        });
        let (token, verified_by) = match token {
            Ok(read) => read,
            Err(fault) => return Err(*fault),
        };
        if token.text_of("iss") != Some(&rule.issuer) {
            return Err(Fault::UnknownIssuer);
        }
        let in_time = token.check_time(self.now.unix);
        if in_time == Err(Fault::Expired) {
            self.cache.remove(token);
        }
        in_time?;
        if !rule.audiences.accept(audiences(token)) {
            return Err(Fault::AudienceNotAllowed);
        }
        let keys = rule.keys.as_ref().ok_or(Fault::NoKeys)?;
        let set = keys.current();
        let set = set.as_ref().ok_or(Fault::KeysNotFetched)?;
        if !verified_by.contains(set.version()) {
            if let Err(fault) = token.verify(set) {
                if fault == Fault::NoFittingKey {
                    self.keys_wanted |= keys.unknown_kid(self.now.instant);
                }
                return Err(fault);
            }
            *verified_by = verified_by.with(set.version());
            self.cache.insert(token, *verified_by);
        }
        Ok(token.clone())
    }

    fn search(&mut self, places: &Arc<[Place]>) -> Range<usize> {
        let known = self.searched.iter().find(|(other, _)| Arc::ptr_eq(other, places));
        if let Some((_, range)) = known {
            return range.clone();
        }
        let mut texts = Vec::new();
        for place in &**places {
            place.collect(&self.request, &mut texts);
        }
        let begin = self.found.len();
        self.found
            .extend(texts.into_iter().map(|text| Found { text, token: None }));
        let range = begin..self.found.len();
        self.searched.push((places.clone(), range.clone()));
        range
    }
}

fn audiences(token: &Token) -> impl Iterator<Item = &str> {
    let (one, list) = match token.claims().get("aud") {
        Some(Claim::Text(text)) => (Some(&**text), None),
        Some(Claim::List(items)) => (None, Some(items)),
        _ => (None, None),
    };
    let list = list.into_iter().flatten().filter_map(Claim::as_text);
    one.into_iter().chain(list)
}
