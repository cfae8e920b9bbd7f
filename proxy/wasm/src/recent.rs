//! How many of something there were in the last minute.

use std::array::from_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const SECONDS: u64 = 60;

/// Counts by the second, and forgets what is older than a minute.
#[derive(Debug)]
pub(crate) struct Recent {
    began: Instant,
    /// The second since `began` in the upper half, the count of that second in the lower.
    seconds: [AtomicU64; SECONDS as usize],
    /// The second after that of the last [`once`](Recent::once), 0 before the first.
    told: AtomicU64,
}

impl Recent {
    pub(crate) fn new() -> Recent {
        Recent {
            began: Instant::now(),
            seconds: from_fn(|_| AtomicU64::new(0)),
            told: AtomicU64::new(0),
        }
    }

    pub(crate) fn add(&self) {
        self.add_at(self.now());
    }

    /// All of the last minute.
    pub(crate) fn count(&self) -> u64 {
        self.count_at(self.now())
    }

    /// Whether this is the first time in a minute that anybody asks.
    pub(crate) fn once(&self) -> bool {
        self.once_at(self.now())
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_secs() & 0xffff_ffff
    }

    fn add_at(&self, second: u64) {
        let place = usize::try_from(second % SECONDS).unwrap_or_default();
        let Some(place) = self.seconds.get(place) else {
            return;
        };
        let count = |old: u64| {
            let same = old >> 32 == second;
            Some(if same { old + 1 } else { second << 32 | 1 })
        };
        let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
    }

    fn count_at(&self, second: u64) -> u64 {
        let counted = self.seconds.iter().map(|place| place.load(Ordering::Relaxed));
        counted
            .filter(|count| (count >> 32) + SECONDS > second)
            .map(|count| count & 0xffff_ffff)
            .sum()
    }

    fn once_at(&self, second: u64) -> bool {
        let due = |told: u64| (told == 0 || told + SECONDS <= second + 1).then_some(second + 1);
        self.told
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, due)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_remembered_and_no_more() {
        let recent = Recent::new();
        for second in [0, 0, 30, 59] {
            recent.add_at(second);
        }
        assert_eq!(
            [0, 59, 60, 89, 90, 118, 119].map(|now| recent.count_at(now)),
            [4, 4, 2, 2, 1, 1, 0]
        );
        recent.add_at(60);
        recent.add_at(3600);
        assert_eq!(recent.count_at(3600), 1);
    }

    #[test]
    fn it_is_told_once_a_minute() {
        let recent = Recent::new();
        let told = [0, 1, 59, 60, 61, 119, 120, 500].map(|now| recent.once_at(now));
        assert_eq!(told, [true, false, false, true, false, false, true, true]);
    }
}
