//! Which labelled things a selector selects, without looking at all of them.

use std::collections::{BTreeMap, HashMap};

/// Labels, as objects carry them and as selectors ask for them.
pub(crate) type Labels = BTreeMap<String, String>;

/// Whether `labels` hold every pair of `selector`.
pub(crate) fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector
        .iter()
        .all(|(name, value)| labels.get(name) == Some(value))
}

/// Labelled things of one namespace, findable by their labels. Things are numbered by the caller.
#[derive(Debug, Default)]
pub(crate) struct LabelIndex<'a> {
    things: Vec<(usize, &'a Labels)>,
    /// Label → positions in `things`.
    by_label: HashMap<(&'a str, &'a str), Vec<usize>>,
}

impl<'a> LabelIndex<'a> {
    /// Adds a thing.
    pub(crate) fn insert(&mut self, number: usize, labels: &'a Labels) {
        let position = self.things.len();
        self.things.push((number, labels));
        for (name, value) in labels {
            self.by_label.entry((name, value)).or_default().push(position);
        }
    }

    /// The numbers of the things that have all labels of `selector`, in the order in which they were added; all of
    /// them when the selector is empty.
    pub(crate) fn select(&self, selector: &Labels) -> Vec<usize> {
        let number = |position: &usize| self.things.get(*position).map(|(number, _)| *number);
        let lists = selector
            .iter()
            .map(|(name, value)| self.by_label.get(&(name.as_str(), value.as_str())));
        let Some(lists) = lists.collect::<Option<Vec<_>>>() else {
            return Vec::new();
        };
        let Some(rarest) = lists.into_iter().min_by_key(|list| list.len()) else {
            return self.things.iter().map(|(number, _)| *number).collect();
        };
        let has_all = |position: &&usize| {
            self.things
                .get(**position)
                .is_some_and(|(_, labels)| selects(selector, labels))
        };
        rarest.iter().filter(has_all).filter_map(number).collect()
    }
}
