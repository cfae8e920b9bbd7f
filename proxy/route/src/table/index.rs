//! Which routes can match a request at all, found without looking at the others.
//!
//! Each route is filed under one condition that a request must satisfy to match it: the one that the
//! fewest other routes share. Routes that still share a key in large number are filed again, under their
//! other conditions. A request then looks up each kind of key once; how long that takes depends on the
//! request and on how many kinds of conditions are in use, not on the number of routes.

use std::collections::HashMap;

use http::header::HeaderName;

use super::candidates::{Candidate, Candidates};
use super::keys::{Condition, Conditions, Field, TextKey};
use super::prefixes::Prefixes;
use crate::head::RequestHead;

/// So many routes are tested one by one: cheaper than a further look-up.
const SCANNED: usize = 8;

/// Routes by one condition of each.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Fields that a request has at most once.
    single: Vec<(Field, Texts)>,
    headers: HashMap<HeaderName, Texts>,
    query: HashMap<Box<str>, Texts>,
    labels: HashMap<String, Texts>,
    /// Routes without a condition that could be looked up.
    rest: Vec<Candidate>,
}

/// A route that is to be filed.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) place: u32,
    /// The conditions that it is not yet filed under.
    pub(super) conditions: Conditions,
}

/// The routes filed under the texts of one field.
#[derive(Debug)]
struct Texts {
    exact: HashMap<Box<[u8]>, Bucket>,
    prefixes: Prefixes<Bucket>,
}

/// The routes filed under one text.
#[derive(Debug)]
enum Bucket {
    One(Candidate),
    Few(Vec<Candidate>),
    Many(Box<Index>),
}

impl Index {
    /// Files `entries`, which are in the order of their routes.
    pub(super) fn new(entries: Vec<Entry>) -> Index {
        if entries.len() <= SCANNED {
            return Index {
                rest: entries.iter().map(Entry::candidate).collect(),
                ..Index::default()
            };
        }
        let mut index = Index::default();
        let mut groups: HashMap<Field, HashMap<TextKey, Vec<Entry>>> = HashMap::new();
        for (choice, mut entry) in rarest_conditions(&entries).into_iter().zip(entries) {
            let Some(choice) = choice else {
                index.rest.push(entry.candidate());
                continue;
            };
            let condition = entry.conditions.known.swap_remove(choice);
            entry.conditions.has_more |= !condition.is_sufficient;
            let group = groups.entry(condition.field).or_default();
            for text in condition.texts {
                group.entry(text).or_default().push(entry.clone());
            }
        }
        for (field, group) in groups {
            let texts = Texts::new(group);
            match field {
                Field::Header(name) => drop(index.headers.insert(name, texts)),
                Field::Query(name) => drop(index.query.insert(name, texts)),
                Field::SourceLabel(key) => drop(index.labels.insert(key, texts)),
                single => index.single.push((single, texts)),
            }
        }
        index
    }

    /// Adds the lists of routes that may match `head`, whose path in lower case is `folded_path`.
    pub(super) fn collect<'a>(
        &'a self,
        head: &RequestHead<'_>,
        folded_path: &[u8],
        found: &mut Candidates<'a>,
    ) {
        let mut visit = |texts: &'a Texts, text: &[u8]| {
            texts.visit(text, |bucket| match bucket {
                Bucket::One(candidate) => found.push(std::slice::from_ref(candidate)),
                Bucket::Few(candidates) => found.push(candidates),
                Bucket::Many(index) => index.collect(head, folded_path, found),
            });
        };
        for (field, texts) in &self.single {
            match field {
                Field::Path => visit(texts, head.path.as_bytes()),
                Field::FoldedPath => visit(texts, folded_path),
                Field::Method => visit(texts, head.method.as_bytes()),
                Field::Scheme => visit(texts, head.scheme.as_bytes()),
                Field::Authority => visit(texts, head.authority.as_bytes()),
                Field::SourceNamespace => {
                    if let Some(source) = head.source {
                        visit(texts, source.namespace.as_bytes());
                    }
                }
                Field::SourceLabel(_) | Field::Header(_) | Field::Query(_) => {}
            }
        }
        // Of the two sides, the names in the table and those in the request, the shorter one is walked.
        if self.headers.len() <= head.headers.len() {
            for (name, texts) in &self.headers {
                head.headers
                    .get_all(name)
                    .iter()
                    .for_each(|value| visit(texts, value.as_bytes()));
            }
        } else {
            for (name, value) in head.headers {
                if let Some(texts) = self.headers.get(name) {
                    visit(texts, value.as_bytes());
                }
            }
        }
        if !self.query.is_empty() {
            for (name, value) in head.query_parameters() {
                if let Some(texts) = self.query.get(name) {
                    visit(texts, value.as_bytes());
                }
            }
        }
        if let Some(source) = head.source
            && !self.labels.is_empty()
        {
            for (key, value) in source.labels {
                if let Some(texts) = self.labels.get(key) {
                    visit(texts, value.as_bytes());
                }
            }
        }
        found.push(&self.rest);
    }
}

impl Entry {
    /// What is left to be tested of it.
    fn candidate(&self) -> Candidate {
        let is_certain = self.conditions.known.is_empty() && !self.conditions.has_more;
        Candidate::new(self.place, is_certain)
    }
}

impl Texts {
    fn new(group: HashMap<TextKey, Vec<Entry>>) -> Texts {
        let mut exact = HashMap::new();
        let mut prefixes = Vec::new();
        for (text, entries) in group {
            let bucket = Bucket::new(entries);
            match text {
                TextKey::Exact(text) => drop(exact.insert(text, bucket)),
                TextKey::Prefix(prefix) => prefixes.push((prefix, bucket)),
            }
        }
        Texts {
            exact,
            prefixes: Prefixes::new(prefixes),
        }
    }

    fn visit<'a>(&'a self, text: &[u8], mut visit: impl FnMut(&'a Bucket)) {
        if !self.exact.is_empty()
            && let Some(bucket) = self.exact.get(text)
        {
            visit(bucket);
        }
        self.prefixes.visit(text, visit);
    }
}

impl Bucket {
    fn new(entries: Vec<Entry>) -> Bucket {
        if let [entry] = entries.as_slice() {
            return Bucket::One(entry.candidate());
        }
        if entries.len() <= SCANNED || entries.iter().all(|entry| entry.conditions.known.is_empty()) {
            return Bucket::Few(entries.iter().map(Entry::candidate).collect());
        }
        Bucket::Many(Box::new(Index::new(entries)))
    }
}

/// For each entry the place of the condition whose texts the fewest entries share.
fn rarest_conditions(entries: &[Entry]) -> Vec<Option<usize>> {
    let mut sharing: HashMap<(&Field, &TextKey), usize> = HashMap::new();
    for condition in entries.iter().flat_map(|entry| &entry.conditions.known) {
        for text in &condition.texts {
            *sharing.entry((&condition.field, text)).or_default() += 1;
        }
    }
    let shared = |condition: &Condition| {
        condition
            .texts
            .iter()
            .filter_map(|text| sharing.get(&(&condition.field, text)))
            .sum::<usize>()
    };
    let rarest = |entry: &Entry| {
        let places = entry.conditions.known.iter().enumerate();
        places
            .min_by_key(|(_, condition)| shared(condition))
            .map(|(place, _)| place)
    };
    entries.iter().map(rarest).collect()
}
