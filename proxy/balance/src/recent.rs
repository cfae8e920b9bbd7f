//! How many requests there have been lately: what a retry budget with an interval is a share of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Slots of the interval; one more is being left as one is being filled.
const SLOTS: u64 = 10;

/// Counts requests over an interval, to a tenth of it as Envoy does (`budget_interval`).
#[derive(Debug)]
pub struct Recent {
    /// Milliseconds.
    slot: u64,
    /// Each the number of the slot in the upper half, and the count in it in the lower.
    slots: [AtomicU64; SLOTS as usize],
}

impl Recent {
    /// Over the last `interval`; one of less than ten milliseconds counts as ten.
    pub fn new(interval: Duration) -> Recent {
        let milliseconds = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        Recent {
            slot: (milliseconds / SLOTS).max(1),
            slots: Default::default(),
        }
    }

    /// Takes note of a request, a retry like any other. `now` is in milliseconds of a clock that only goes forward.
    pub fn note(&self, now: u64) {
        let number = self.number(now);
        let Some(slot) = self.slots.get((number % SLOTS) as usize) else {
            return;
        };
        let counted = |known: u64| match known >> 32 == number {
            true => Some(known.saturating_add(u64::from(known as u32 != u32::MAX))),
            false => Some(number << 32 | 1),
        };
        // It always succeeds: there is always a next value.
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted);
    }

    /// How many requests there were in the interval that ends `now`.
    pub fn count(&self, now: u64) -> u64 {
        let number = self.number(now);
        let counts = self.slots.iter().map(|slot| {
            let slot = slot.load(Ordering::Relaxed);
            let age = number.wrapping_sub(slot >> 32) & u64::from(u32::MAX);
            if age < SLOTS {
                slot & u64::from(u32::MAX)
            } else {
                0
            }
        });
        counts.sum()
    }

    /// The number of the slot, as much of it as is kept.
    fn number(&self, now: u64) -> u64 {
        // From 1, so that a slot that has never been filled is none of the interval.
        (now / self.slot + SLOTS) & u64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_count_for_an_interval() {
        let recent = Recent::new(Duration::from_secs(10));
        assert_eq!(recent.count(0), 0);
        for now in [0, 500, 999, 1_000, 5_000] {
            recent.note(now);
        }
        assert_eq!(recent.count(5_000), 5);
        assert_eq!(recent.count(9_999), 5);
        assert_eq!(recent.count(10_000), 2, "those of the first second are gone");
        assert_eq!(recent.count(11_000), 1);
        recent.note(12_345);
        assert_eq!(recent.count(14_999), 2);
        assert_eq!(recent.count(15_000), 1);
        assert_eq!(recent.count(1_000_000), 0);
        recent.note(1_000_000);
        assert_eq!(recent.count(1_000_000), 1, "a slot is used again");
    }

    #[test]
    fn any_interval_will_do() {
        for interval in [Duration::ZERO, Duration::from_millis(1), Duration::MAX] {
            let recent = Recent::new(interval);
            recent.note(7);
            assert_eq!(recent.count(7), 1, "{interval:?}");
        }
    }

    #[test]
    fn nothing_is_lost_among_threads() {
        let recent = Recent::new(Duration::from_secs(1));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| recent.note(42)));
            }
        });
        assert_eq!(recent.count(42), 40_000);
    }
}
