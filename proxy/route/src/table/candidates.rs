//! Ascending lists of route numbers, merged lazily.

/// Lists that fit without an allocation. Most requests have two to five: one for each indexed
/// condition that they satisfy.
const INLINE: usize = 16;

/// The routes that a request may match, in order.
#[derive(Default)]
pub(super) struct Candidates<'a> {
    inline: [&'a [u32]; INLINE],
    used: usize,
    spilled: Vec<&'a [u32]>,
}

impl<'a> Candidates<'a> {
    /// Adds an ascending list.
    pub(super) fn push(&mut self, list: &'a [u32]) {
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

    fn lists(&mut self) -> impl Iterator<Item = &mut &'a [u32]> {
        self.inline.iter_mut().take(self.used).chain(&mut self.spilled)
    }
}

impl Iterator for Candidates<'_> {
    type Item = u32;

    /// The lowest number that is left in any list; a number that several lists hold comes once.
    fn next(&mut self) -> Option<u32> {
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
