//! Trying until it works, for whoever cannot go on without the module.

use std::time::Duration;

use rand::RngExt as _;

use crate::error::FetchError;
use crate::fetcher::{Fetcher, Module, Request};

/// How long to wait between attempts: twice as long each time, from `initial` to `max`.
///
/// Each wait is shortened by a random part of up to a half, so that the proxies of a mesh do not ask a registry that
/// comes back all at once. An error that is [permanent](FetchError::is_permanent) waits as long as the longest: there is
/// someone to act first, and often they act on what is published, which no proxy is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The wait after the first error. Default 1 s.
    pub initial: Duration,
    /// The longest wait. Default 5 min.
    pub max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(5 * 60),
        }
    }
}

impl Retry {
    /// Fetches a module, for as long as it takes: it ends with the module, or by being dropped. `failed` is told of each
    /// error, and of the time until the next attempt.
    pub async fn fetch(
        &self,
        fetcher: &Fetcher,
        request: &Request,
        failed: impl FnMut(&FetchError, Duration),
    ) -> Module {
        self.until_done(|| fetcher.fetch(request), failed).await
    }

    async fn until_done<T, F>(
        &self,
        mut attempt: impl FnMut() -> F,
        mut failed: impl FnMut(&FetchError, Duration),
    ) -> T
    where
        F: Future<Output = Result<T, FetchError>>,
    {
        let mut wait = self.initial;
        loop {
            let error = match attempt().await {
                Ok(done) => return done,
                Err(error) => error,
            };
            let longest = if error.is_permanent() { self.max } else { wait };
            let pause = longest.mul_f64(rand::rng().random_range(0.5..=1.0));
            failed(&error, pause);
            tokio::time::sleep(pause).await;
            wait = self.max.min(wait.saturating_mul(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    fn passing() -> FetchError {
        FetchError::NotFound {
            url: "http://h/f".into(),
            detail: String::new(),
        }
    }

    fn permanent() -> FetchError {
        FetchError::NotWasm {
            what: "f".into(),
            looks: "is empty",
        }
    }

    /// The waits before the attempt that works.
    async fn waits(errors: Vec<FetchError>) -> Vec<f64> {
        let mut errors = errors.into_iter();
        let (mut told, begin) = (Vec::new(), Instant::now());
        Retry::default()
            .until_done(
                || std::future::ready(errors.next().map_or(Ok(()), Err)),
                |_, wait| told.push(wait.as_secs_f64()),
            )
            .await;
        let slept = begin.elapsed().as_secs_f64();
        // Tokio's clock has whole milliseconds.
        assert!((slept - told.iter().sum::<f64>()).abs() < 0.002 * (told.len() + 1) as f64);
        told
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_the_longest() {
        let waits = waits(vec![passing(); 12]).await;
        for (attempt, wait) in waits.iter().enumerate() {
            let longest = f64::from(1_u32 << attempt).min(300.0);
            assert!((longest / 2.0..=longest).contains(wait), "{attempt}: {wait}");
        }
        assert_eq!(waits.len(), 12);
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_not_mend_itself_is_asked_seldom() {
        assert!(
            waits(vec![permanent(), permanent()])
                .await
                .iter()
                .all(|wait| *wait >= 150.0)
        );
        assert!(waits(vec![]).await.is_empty());
    }
}
