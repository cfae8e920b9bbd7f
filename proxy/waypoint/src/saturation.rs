//! How much of the time that the workers have they are at work: what a waypoint is scaled by.
//!
//! CPU time is not it: a process that is held back to its limit uses what it is given and no more, while requests wait. A worker is
//! busy from the moment it wakes to the moment it has nothing left to do, whether or not the system lets it run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// What the metric says of itself.
pub(crate) const HELP: &str =
    "Part of the last 15 s that the worker threads were busy, from 0 to 1; at 1, requests wait for them.";

/// How often the workers are looked at, and how many looks back the part is taken of.
const EVERY: Duration = Duration::from_secs(1);
const LOOKS: usize = 15;

/// The last part that was found.
#[derive(Clone, Default)]
pub(crate) struct Saturation(Arc<AtomicU64>);

impl Saturation {
    /// Reads it.
    pub(crate) fn reader(&self) -> impl Fn() -> f64 + Send + Sync + 'static {
        let part = Arc::clone(&self.0);
        move || f64::from_bits(part.load(Ordering::Relaxed))
    }

    /// Looks at the workers of the runtime that this is called in, for ever.
    pub(crate) async fn watch(self) {
        let workers = Handle::current().metrics();
        let mut looks = VecDeque::from([Look::now(&workers)]);
        let mut pace = interval(EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            let now = Look::now(&workers);
            if let Some(then) = looks.front() {
                let part = now.busy_since(then, workers.num_workers());
                self.0.store(part.to_bits(), Ordering::Relaxed);
            }
            looks.push_back(now);
            if looks.len() > LOOKS {
                looks.pop_front();
            }
        }
    }
}

/// How long all workers together had been busy at a moment.
struct Look {
    at: Instant,
    busy: Duration,
}

impl Look {
    fn now(workers: &tokio::runtime::RuntimeMetrics) -> Look {
        Look {
            at: Instant::now(),
            busy: (0..workers.num_workers())
                .map(|worker| workers.worker_total_busy_duration(worker))
                .sum(),
        }
    }

    fn busy_since(&self, then: &Look, workers: usize) -> f64 {
        let had = self.at.duration_since(then.at).as_secs_f64() * workers as f64;
        if had > 0.0 {
            (self.busy.saturating_sub(then.busy).as_secs_f64() / had).min(1.0)
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, Instant};

    use super::Look;

    #[test]
    fn the_part_is_of_all_workers_and_never_more_than_all() {
        let at = Instant::now();
        let look = |after: u64, busy: u64| Look {
            at: at + Duration::from_secs(after),
            busy: Duration::from_secs(busy),
        };
        assert_eq!(look(10, 25).busy_since(&look(0, 15), 4), 0.25);
        assert_eq!(look(10, 15).busy_since(&look(0, 15), 4), 0.0);
        assert_eq!(look(10, 100).busy_since(&look(0, 0), 4), 1.0);
        assert_eq!(look(0, 1).busy_since(&look(0, 0), 4), 0.0);
    }
}
