//! One piece of work for all who want the same at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// The work under way, by what is wanted.
///
/// It is carried by a task of its own: those who wait may leave, in whatever order, and it goes on to its end.
#[derive(Debug)]
pub(crate) struct Flights<K: Eq + Hash, V> {
    under_way: Arc<Mutex<HashMap<K, watch::Receiver<Option<V>>>>>,
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new() -> Self {
        Self {
            under_way: Arc::default(),
        }
    }

    /// The result of the work under way for `key`, or of `work`, which is begun when there is none. `None`: the work
    /// ended without a result, because the runtime is shutting down.
    pub(crate) async fn join<F>(&self, key: K, work: impl FnOnce() -> F) -> Option<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut result = self.enter(key, work);
        result.wait_for(Option::is_some).await.ok()?.clone()
    }

    fn enter<F>(&self, key: K, work: impl FnOnce() -> F) -> watch::Receiver<Option<V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = under_way.get(&key) {
            return result.clone();
        }
        let (sender, result) = watch::channel(None);
        under_way.insert(key.clone(), result.clone());
        let landing = Landing {
            under_way: self.under_way.clone(),
            key,
        };
        let work = work();
        tokio::spawn(async move {
            let value = work.await;
            // Whoever asks from here on gets work of their own: what they want may be newer than this.
            drop(landing);
            sender.send_replace(Some(value));
        });
        result
    }
}

/// Takes work off the list, also when it ends by a panic.
struct Landing<K: Eq + Hash, V> {
    under_way: Arc<Mutex<HashMap<K, watch::Receiver<Option<V>>>>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn those_who_want_the_same_share_and_the_first_may_leave() {
        let flights = Flights::new();
        let (begun, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let work = || {
            let (begun, go) = (begun.clone(), go.clone());
            move || async move {
                begun.fetch_add(1, Ordering::SeqCst);
                go.notified().await;
                7
            }
        };
        let mut first = Box::pin(flights.join("a", work()));
        let second = flights.join("a", work());
        tokio::select! {
            biased;
            _ = &mut first => panic!("nothing has been let go"),
            () = tokio::task::yield_now() => {}
        }
        drop(first);
        go.notify_one();
        assert_eq!(second.await, Some(7));
        assert_eq!(begun.load(Ordering::SeqCst), 1);

        go.notify_one();
        assert_eq!(flights.join("a", work()).await, Some(7));
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn work_that_dies_ends_the_waiting_and_is_begun_anew() {
        let flights: Flights<&str, i32> = Flights::new();
        assert_eq!(flights.join("a", || async { panic!("as a test") }).await, None);
        assert_eq!(flights.join("a", || async { 7 }).await, Some(7));
    }
}
