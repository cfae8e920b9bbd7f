//! One test at a time, on the whole machine.

use std::time::Duration;

use tokio::net::TcpListener;

/// Held by a test whose mesh has addresses that are the same on every run: those of the examples, and those that a mesh gives
/// to what has none.
#[derive(Debug)]
pub struct Exclusive {
    // The system takes it back when the process ends, however that comes about.
    _lock: TcpListener,
}

impl Exclusive {
    /// Waits for its turn.
    pub async fn take() -> Exclusive {
        // Nobody else listens there.
        const LOCK: &str = "127.255.0.1:15999";
        for _ in 0..6000 {
            if let Ok(lock) = TcpListener::bind(LOCK).await {
                return Exclusive { _lock: lock };
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("another test holds {LOCK} and does not end");
    }
}
