#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

#[tokio::test(start_paused = true)]
async fn phases_in_order() {
    let (drain, watch) = channel();
    assert!(!watch.is_draining());
    drain.start();
    watch.draining().await;
    assert!(watch.is_draining());
    assert!(timeout(Duration::from_secs(1), watch.forced()).await.is_err());
    drain.force();
    drain.start();
    watch.forced().await;
    drain.watch().forced().await;
}

#[tokio::test(start_paused = true)]
async fn finish_waits_for_all_and_forces_the_slow() {
    let (drain, watch) = channel();
    let other = drain.watch();
    tokio::spawn(async move {
        watch.draining().await;
    });
    let obedient = tokio::spawn(async move {
        other.forced().await;
    });
    assert!(!drain.finish(Duration::from_secs(5)).await);
    obedient.await.unwrap();

    let (drain, watch) = channel();
    tokio::spawn(async move {
        watch.draining().await;
    });
    assert!(drain.finish(Duration::from_secs(5)).await);

    let (drain, _stubborn) = channel();
    assert!(!drain.finish(Duration::from_secs(5)).await);
}

#[tokio::test(start_paused = true)]
async fn without_a_drain_nothing_is_said() {
    let watch = DrainWatch::never();
    assert!(
        timeout(Duration::from_secs(3600), watch.draining())
            .await
            .is_err()
    );
}
