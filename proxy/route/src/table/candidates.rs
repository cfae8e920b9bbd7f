//! Ascending lists of routes, merged lazily.

/// Lists that fit without an allocation. Most requests have two to five: one for each indexed
/// condition that they satisfy.
const INLINE: usize = 16;

/// A route that a request may match, or does match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate(u32);

/// The candidates for a request, in the order of their routes.
#[derive(Default)]
pub(super) struct Candidates<'a> {
    inline: [&'a [Candidate]; INLINE],
    used: usize,
    spilled: Vec<&'a [Candidate]>,
}

impl Candidate {
    /// The route at `place`. Unless it `is_certain`, its conditions must be tested.
    pub(super) fn new(place: u32, is_certain: bool) -> Candidate {
        Candidate(place << 1 | u32::from(!is_certain))
    }

    pub(super) fn place(self) -> usize {
        (self.0 >> 1) as usize
    }

    pub(super) fn is_certain(self) -> bool {
        self.0 & 1 == 0
    }
}

impl<'a> Candidates<'a> {
    /// Adds an ascending list.
    pub(super) fn push(&mut self, list: &'a [Candidate]) {
        if list.is_empty() {
            return;
        }
        match self.inline.get_mut(self.used) {
            Some(place) => {
                *place = list;
                self.used += 1;
            }
            None => self.spilled.push(list),
        }
    }

    fn lists(&mut self) -> impl Iterator<Item = &mut &'a [Candidate]> {
        self.inline.iter_mut().take(self.used).chain(&mut self.spilled)
    }
}

impl Iterator for Candidates<'_> {
    type Item = Candidate;

    /// The lowest that is left in any list; one that several lists hold comes once.
    fn next(&mut self) -> Option<Candidate> {
        let lowest = self.lists().filter_map(|list| list.first().copied()).min()?;
        for list in self.lists() {
            if let Some((first, rest)) = list.split_first()
                && *first == lowest
            {
                *list = rest;
            }
        }
        Some(lowest)
    }
}

#[cfg(test)]
mod tests;
