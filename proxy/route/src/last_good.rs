//! Versions of VirtualServices that are in force although a later one is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_api::istio::VirtualService;
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{Problem, Severity};

use crate::compile::check;

/// Remembers of each VirtualService the last version that was right. A change that breaks it is then
/// not in force, as it would not be if the API server had refused it; what was in force stays.
#[derive(Debug, Default)]
pub struct LastGood {
    seen: BTreeMap<Key, Seen>,
}

#[derive(Debug)]
struct Seen {
    current: Arc<VirtualService>,
    problems: Vec<Problem>,
    good: Option<Arc<VirtualService>>,
}

impl LastGood {
    /// The versions to compile, out of all that there are now: of each VirtualService this one, or if it has
    /// an error the last one that had none. One that never was right comes as it is, for
    /// [`compile`](crate::compile) to make of it what it can. Unchanged ones are not checked again.
    pub fn admit<'a>(
        &mut self,
        current: impl IntoIterator<Item = &'a Arc<VirtualService>>,
    ) -> (Vec<Arc<VirtualService>>, Vec<Problem>) {
        let mut before = std::mem::take(&mut self.seen);
        let mut admitted = Vec::new();
        let mut problems = Vec::new();
        for virtual_service in current {
            let key = virtual_service.metadata.key();
            let seen = Seen::now(virtual_service, before.remove(&key));
            admitted.push(Arc::clone(seen.good.as_ref().unwrap_or(&seen.current)));
            problems.extend(seen.problems.iter().cloned());
            self.seen.insert(key, seen);
        }
        (admitted, problems)
    }
}

impl Seen {
    fn now(current: &Arc<VirtualService>, before: Option<Seen>) -> Seen {
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
                ObjectRef::from_key(Kind::VirtualService, &current.metadata.key()),
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

#[cfg(test)]
mod tests;
