//! Which of several matches goes before the others, whatever order they are written in.

use std::cmp::Reverse;

/// What the specification compares matches by; the lower one goes first. Between equals the older route goes first, then the
/// one whose namespace and name come first in the alphabet, then the rule that is written first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    path: Reverse<PathRank>,
    method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
}

/// How much a match on the path says, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathRank {
    /// An expression, by its length, which the specification leaves open; of gRPC, those for service and for method.
    Regex(usize, usize),
    /// A prefix, by its length.
    Prefix(usize),
    /// The whole path.
    Exact,
}

impl Rank {
    /// The rank of a match on the path, perhaps the method, and so many headers and query parameters.
    pub(super) fn new(path: PathRank, method: bool, headers: usize, query: usize) -> Rank {
        Rank {
            path: Reverse(path),
            method: Reverse(method),
            headers: Reverse(headers),
            query: Reverse(query),
        }
    }

    /// Of what matches every request: the prefix `/`.
    pub(super) fn of_all() -> Rank {
        Rank::new(PathRank::Prefix(1), false, 0, 0)
    }
}
