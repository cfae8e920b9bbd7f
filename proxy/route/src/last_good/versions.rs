//! The last version that was right, of each object of one kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_api::meta::{Key, Kind, Object, ObjectRef};
use cairn_config::{Problem, Severity};

/// The objects of one kind, with the versions of them that were right.
#[derive(Debug)]
pub(super) struct Versions<S> {
    seen: BTreeMap<Key, Seen<S>>,
}

#[derive(Debug)]
struct Seen<S> {
    current: Arc<Object<S>>,
    problems: Vec<Problem>,
    good: Option<Arc<Object<S>>>,
}

impl<S> Default for Versions<S> {
    fn default() -> Versions<S> {
        Versions {
            seen: BTreeMap::new(),
        }
    }
}

impl<S> Versions<S> {
    /// The versions to compile, out of all that there are now; `check` says what is wrong with one by itself.
    pub(super) fn admit<'a>(
        &mut self,
        kind: Kind,
        current: impl IntoIterator<Item = &'a Arc<Object<S>>>,
        check: impl Fn(&Object<S>) -> Vec<Problem>,
    ) -> (Vec<Arc<Object<S>>>, Vec<Problem>)
    where
        S: 'a,
    {
        let mut before = std::mem::take(&mut self.seen);
        let mut admitted = Vec::new();
        let mut problems = Vec::new();
        for object in current {
            let key = object.metadata.key();
            let seen = Seen::now(kind, object, before.remove(&key), &check);
            admitted.push(Arc::clone(seen.good.as_ref().unwrap_or(&seen.current)));
            problems.extend(seen.problems.iter().cloned());
            self.seen.insert(key, seen);
        }
        (admitted, problems)
    }
}

impl<S> Seen<S> {
    fn now(
        kind: Kind,
        current: &Arc<Object<S>>,
        before: Option<Seen<S>>,
        check: impl Fn(&Object<S>) -> Vec<Problem>,
    ) -> Seen<S> {
        let good = match before {
            Some(before) if Arc::ptr_eq(&before.current, current) => return before,
            Some(before) => before.good,
            None => None,
        };
        let mut problems = check(current);
        let refused = problems.iter().any(|problem| problem.severity == Severity::Error);
        if !refused {
            return Seen {
                current: Arc::clone(current),
                problems,
                good: Some(Arc::clone(current)),
            };
        }
        if good.is_some() {
            problems.push(Problem::warning(
                ObjectRef::from_key(kind, &current.metadata.key()),
                "",
                "this version is not in force; the last one without errors is",
                "correct the errors",
            ));
        }
        Seen {
            current: Arc::clone(current),
            problems,
            good,
        }
    }
}
