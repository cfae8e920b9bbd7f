//! Finding the rules that can match a request without looking at those that cannot.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::ops::ControlFlow;
use std::sync::Arc;

use http::HeaderName;

use crate::request::Request;
use crate::rule::Rule;

mod filing;
mod key;

use filing::{Filing, filings};
use key::{
    Dimension, Hash, Hashed, PREFIX, WHOLE, account_key, header_key, host_key, method_key, namespace_key,
    port_key,
};

/// Rules of one action, in the order of their names.
///
/// A rule is filed under hashes of exact values of which a request must have one for the rule to match, in that dimension where it has
/// the least company. What is found is always compared in full, so that a collision of hashes costs time and nothing else. The
/// other rules are always tried.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stage {
    rules: Box<[Arc<Rule>]>,
    always: Box<[u32]>,
    filed: HashMap<u64, Box<[u32]>, BuildHasherDefault<Hashed>>,
    /// Dimensions in use, so that a request is hashed only in these.
    dimensions: Dimensions,
    /// Lengths of the path prefixes in use, ascending.
    prefix_lengths: Box<[usize]>,
    /// Length of the longest path in use that is not a prefix.
    longest_path: usize,
    /// Headers in use.
    headers: Box<[HeaderName]>,
}

/// Fewer rules than this are tried one after the other: hashing a request would cost more.
const WORTH_FILING: usize = 5;

/// Rules are filed under no more headers than this, because a request has to be asked for each of them.
const MOST_HEADERS: usize = 16;

impl Stage {
    pub(crate) fn new(mut rules: Vec<Arc<Rule>>) -> Stage {
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        let mut choices: Vec<Vec<Filing>> = rules.iter().map(|rule| filings(rule)).collect();
        if rules.len() < WORTH_FILING {
            choices.iter_mut().for_each(Vec::clear);
        }
        let headers: HashSet<&HeaderName> = choices
            .iter()
            .flatten()
            .filter_map(|filing| filing.header.as_ref())
            .collect();
        if headers.len() > MOST_HEADERS {
            choices
                .iter_mut()
                .for_each(|filings| filings.retain(|filing| filing.header.is_none()));
        }
        let mut company: HashMap<u64, usize> = HashMap::new();
        for key in choices.iter().flatten().flat_map(|filing| &filing.keys) {
            *company.entry(*key).or_default() += 1;
        }
        let crowd = |filing: &Filing| {
            filing
                .keys
                .iter()
                .filter_map(|key| company.get(key))
                .max()
                .copied()
        };
        let mut stage = Stage::default();
        let mut always = vec![];
        let mut filed: HashMap<u64, Vec<u32>> = HashMap::new();
        let (mut prefix_lengths, mut headers) = (vec![], vec![]);
        for (number, filings) in (0u32..).zip(choices) {
            let Some(best) = filings.into_iter().min_by_key(crowd) else {
                always.push(number);
                continue;
            };
            for key in best.keys {
                let bucket = filed.entry(key).or_default();
                if bucket.last() != Some(&number) {
                    bucket.push(number);
                }
            }
            stage.dimensions.insert(best.dimension);
            stage.longest_path = stage.longest_path.max(best.longest_path);
            prefix_lengths.extend(best.prefix_lengths);
            headers.extend(best.header.filter(|name| !headers.contains(name)));
        }
        prefix_lengths.sort_unstable();
        prefix_lengths.dedup();
        Stage {
            rules: rules.into(),
            always: always.into(),
            filed: filed
                .into_iter()
                .map(|(key, rules)| (key, rules.into()))
                .collect(),
            prefix_lengths: prefix_lengths.into(),
            headers: headers.into(),
            ..stage
        }
    }

    /// The first rule that matches.
    pub(crate) fn first(&self, request: &Request<'_>) -> Option<&Rule> {
        let mut best: Option<(u32, &Rule)> = None;
        let _ = self.candidates(request, |numbers| {
            for number in numbers {
                if best.is_some_and(|(first, _)| *number >= first) {
                    break;
                }
                if let Some(rule) = self.matching(*number, request) {
                    best = Some((*number, rule));
                    break;
                }
            }
            ControlFlow::Continue(())
        });
        best.map(|(_, rule)| rule)
    }

    /// Whether some rule matches.
    pub(crate) fn any(&self, request: &Request<'_>) -> bool {
        let found = self.candidates(request, |numbers| {
            match numbers
                .iter()
                .any(|number| self.matching(*number, request).is_some())
            {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        found.is_break()
    }

    fn matching(&self, number: u32, request: &Request<'_>) -> Option<&Rule> {
        let rule = self.rules.get(usize::try_from(number).ok()?)?;
        rule.matches(request).then_some(rule)
    }

    /// Calls `visit` with every list of rules, each ascending, that can match.
    fn candidates(
        &self,
        request: &Request<'_>,
        mut visit: impl FnMut(&[u32]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        visit(&self.always)?;
        let mut look_up = |key: u64| match self.filed.get(&key) {
            Some(rules) => visit(rules),
            None => ControlFlow::Continue(()),
        };
        if let Some(peer) = request.peer {
            if self.dimensions.contains(Dimension::Account) {
                look_up(account_key(peer.namespace(), peer.service_account()))?;
            }
            if self.dimensions.contains(Dimension::Namespace) {
                look_up(namespace_key(peer.namespace()))?;
            }
        }
        if self.dimensions.contains(Dimension::Port) {
            look_up(port_key(request.destination.port()))?;
        }
        let Some(http) = &request.http else {
            return ControlFlow::Continue(());
        };
        if self.dimensions.contains(Dimension::Host) {
            look_up(host_key(http.authority))?;
        }
        if self.dimensions.contains(Dimension::Method) {
            look_up(method_key(http.method))?;
        }
        for name in &self.headers {
            for value in http.headers.get_all(name) {
                look_up(header_key(name, value.as_bytes()))?;
            }
        }
        if self.dimensions.contains(Dimension::Path) {
            self.path_keys(http.path, look_up)?;
        }
        ControlFlow::Continue(())
    }

    /// Calls `look_up` with the keys of all prefixes of a path that are in use, and of the path itself, out of one pass over it.
    fn path_keys(&self, path: &str, mut look_up: impl FnMut(u64) -> ControlFlow<()>) -> ControlFlow<()> {
        let is_short = path.len() <= self.longest_path;
        let longest_prefix = self.prefix_lengths.last().copied().unwrap_or_default();
        let end = if is_short {
            path.len()
        } else {
            path.len().min(longest_prefix)
        };
        let mut lengths = self.prefix_lengths.iter().copied().peekable();
        let mut hash = Hash::new(Dimension::Path);
        for (length, byte) in path.bytes().take(end).enumerate() {
            if lengths.next_if_eq(&length).is_some() {
                look_up(hash.finish(PREFIX))?;
            }
            hash.byte(byte);
        }
        if lengths.next_if_eq(&end).is_some() {
            look_up(hash.finish(PREFIX))?;
        }
        if is_short {
            look_up(hash.finish(WHOLE))
        } else {
            ControlFlow::Continue(())
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Dimensions(u8);

impl Dimensions {
    fn insert(&mut self, dimension: Dimension) {
        self.0 |= dimension as u8;
    }

    fn contains(self, dimension: Dimension) -> bool {
        self.0 & dimension as u8 != 0
    }
}

#[cfg(test)]
mod tests;
