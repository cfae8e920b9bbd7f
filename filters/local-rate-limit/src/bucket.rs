//! A token bucket in one number.
//!
//! Instead of tokens and the time of their last count, the bucket keeps the time at which it will be full again (the
//! generic cell rate algorithm, ITU-T I.371). One number can be compared and set in one step.

use std::time::Duration;

/// How fast a bucket fills, and how much is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// Nanoseconds until one token is added.
    interval: u64,
    /// Nanoseconds until an empty bucket is full.
    full: u64,
}

/// What came of asking for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// When the bucket will be full, in nanoseconds of the clock; `None` if there was no token to take.
    pub(crate) full_at: Option<u64>,
    /// Tokens that are left.
    pub(crate) left: u64,
    /// Until the bucket is full, or, if there was no token, until there is one.
    pub(crate) wait: Duration,
}

impl Rate {
    /// So many tokens in a time, and so many at most. Neither may be 0, as the configuration has seen to.
    pub(crate) fn new(tokens: u32, per: Duration, burst: u32) -> Rate {
        let per = u64::try_from(per.as_nanos()).unwrap_or(u64::MAX);
        let interval = (per / u64::from(tokens.max(1))).max(1);
        Rate {
            interval,
            full: interval.saturating_mul(u64::from(burst.max(1))),
        }
    }

    /// How long it takes until an empty bucket is as one that was never used.
    pub(crate) fn refill(self) -> Duration {
        Duration::from_nanos(self.full)
    }

    /// Takes a token out of a bucket that will be full at `full_at`.
    pub(crate) fn take(self, full_at: Option<u64>, now: u64) -> Taken {
        // A clock that was set back must not close the bucket for longer than an empty one needs.
        let missing = full_at.unwrap_or(0).saturating_sub(now).min(self.full);
        let after = missing + self.interval;
        if after > self.full {
            return Taken {
                full_at: None,
                left: 0,
                wait: Duration::from_nanos(after - self.full),
            };
        }
        Taken {
            full_at: Some(now + after),
            left: (self.full - after) / self.interval,
            wait: Duration::from_nanos(after),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Rate;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let rate = Rate::new(2, Duration::from_secs(1), 3);
        let mut full_at = None;
        let now = 100 * SECOND;
        for left in [2, 1, 0] {
            let taken = rate.take(full_at, now);
            assert_eq!(taken.left, left);
            full_at = taken.full_at;
        }
        let refused = rate.take(full_at, now);
        assert_eq!(refused.full_at, None);
        assert_eq!(refused.wait, Duration::from_millis(500));

        let later = now + SECOND / 2;
        let taken = rate.take(full_at, later);
        assert!(taken.full_at.is_some());
        assert_eq!(rate.take(taken.full_at, later).full_at, None);
    }

    #[test]
    fn a_bucket_that_rests_is_full() {
        let rate = Rate::new(2, Duration::from_secs(1), 3);
        assert_eq!(rate.take(Some(50 * SECOND), 100 * SECOND).left, 2);
    }

    /// As many tokens as time allows, never more, whenever they are asked for.
    #[test]
    fn no_order_of_requests_gets_more_than_rate_and_burst() {
        let rate = Rate::new(10, Duration::from_secs(1), 5);
        let mut chance = 12345_u64;
        for _ in 0..100 {
            let (mut full_at, mut now, mut taken) = (None, SECOND, 0);
            for _ in 0..200 {
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                now += chance >> 36;
                if let Some(next) = rate.take(full_at, now).full_at {
                    full_at = Some(next);
                    taken += 1;
                }
                let allowed = 5 + (now - SECOND) / (SECOND / 10);
                assert!(taken <= allowed, "{taken} of {allowed}");
            }
            assert!(taken > 5);
        }
    }

    #[test]
    fn a_clock_that_goes_back_does_not_close_the_bucket() {
        let rate = Rate::new(1, Duration::from_secs(1), 1);
        let refused = rate.take(Some(1_000 * SECOND), 10 * SECOND);
        assert_eq!(refused.wait, Duration::from_secs(1));
    }
}
