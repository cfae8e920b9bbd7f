#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::future::poll_fn;

use super::*;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_silence_counts_from_its_own_beginning() {
    let mut silence = Silence::default();
    let began = Instant::now();
    for _ in 0..3 {
        let waited = tokio::time::timeout(Duration::from_secs(40), poll_fn(|cx| silence.poll(cx, LIMIT)));
        assert!(waited.await.is_err());
        silence.end();
    }
    assert_eq!(began.elapsed().as_secs(), 120);
    poll_fn(|cx| silence.poll(cx, LIMIT)).await;
    assert_eq!(began.elapsed().as_secs(), 180);
}
