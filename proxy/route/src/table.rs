//! The routes of one service and port, and the search among them.

mod candidates;
mod index;
mod keys;
mod prefixes;

use std::sync::Arc;

use candidates::{Candidate, Candidates};
use index::{Entry, Index};
use keys::{Conditions, Field};

use crate::head::RequestHead;
use crate::route::Route;

/// Longest path that is lowered on the stack.
const FOLDED_INLINE: usize = 256;

/// Routes in order: the first that matches a request is taken. Immutable; share it in an [`Arc`].
///
/// A look-up among ten thousand routes costs what it costs among ten: routes are indexed by their
/// exact paths, their path prefixes, the literal beginnings of their regular expressions, and where that
/// does not tell them apart by headers, query parameters, authority, method or source. Only routes whose every
/// condition is an expression without a literal beginning, or a `withoutHeaders`, are tried one by one.
#[derive(Debug)]
pub struct RouteTable {
    routes: Vec<Arc<Route>>,
    index: Index,
    /// Whether some route ignores the case of the path.
    folds: bool,
}

impl RouteTable {
    /// A table of `routes`, first to last.
    pub fn new(routes: Vec<Route>) -> RouteTable {
        let entry = |(place, route): (u32, &Arc<Route>)| Entry {
            place,
            conditions: route.matches.as_ref().map(Conditions::of).unwrap_or_default(),
        };
        let routes: Vec<Arc<Route>> = routes.into_iter().map(Arc::new).collect();
        let entries: Vec<Entry> = (0..).zip(&routes).map(entry).collect();
        let folds = entries
            .iter()
            .flat_map(|entry| &entry.conditions.known)
            .any(|condition| condition.field == Field::FoldedPath);
        RouteTable {
            index: Index::new(entries),
            routes,
            folds,
        }
    }

    /// The first route that matches `head`. `None` is the answer 404: no route.
    pub fn find(&self, head: &RequestHead<'_>) -> Option<&Arc<Route>> {
        self.routes.get(self.position(head)?)
    }

    /// The place in [`routes`](Self::routes) of the route that [`find`](Self::find) answers, for what is kept beside it.
    pub fn position(&self, head: &RequestHead<'_>) -> Option<usize> {
        let mut inline = [0; FOLDED_INLINE];
        let mut spilled = Vec::new();
        let folded = if self.folds {
            lower(head.path.as_bytes(), &mut inline, &mut spilled)
        } else {
            &[]
        };
        let mut candidates = Candidates::default();
        self.index.collect(head, folded, &mut candidates);
        let matches = |place: usize| self.routes.get(place).is_some_and(|route| route.is_match(head));
        candidates
            .find(|candidate| candidate.is_certain() || matches(candidate.place()))
            .map(Candidate::place)
    }

    /// What [`find`](Self::find) answers, found by trying one route after the other: the definition
    /// that the index is tested against.
    pub fn find_naive(&self, head: &RequestHead<'_>) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.is_match(head))
    }

    /// All routes, first to last.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }
}

fn lower<'a>(path: &[u8], inline: &'a mut [u8; FOLDED_INLINE], spilled: &'a mut Vec<u8>) -> &'a [u8] {
    let lowered = match inline.get_mut(..path.len()) {
        Some(inline) => {
            inline.copy_from_slice(path);
            inline
        }
        None => {
            spilled.extend_from_slice(path);
            spilled.as_mut_slice()
        }
    };
    lowered.make_ascii_lowercase();
    lowered
}

#[cfg(test)]
mod tests;
