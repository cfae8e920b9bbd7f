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

#[tokio::test(start_paused = true)]
async fn a_connection_that_ages_is_told_for_itself() {
    let (drain, watch) = channel();
    let own = watch.clone().aging(Duration::from_secs(60));
    assert!(timeout(Duration::from_secs(59), own.draining()).await.is_err());
    assert!(timeout(Duration::from_secs(2), own.draining()).await.is_ok());
    assert!(!watch.is_draining(), "the others go on");
    drain.force();
    own.forced().await;
    drop(watch);
    assert!(timeout(Duration::from_secs(1), drain.completed()).await.is_err());
    drop(own);
    drain.completed().await;
}

#[tokio::test(start_paused = true)]
async fn a_young_connection_is_told_with_the_others() {
    let (drain, watch) = channel();
    let own = watch.aging(Duration::from_secs(3600));
    let finish = tokio::spawn(drain.finish(Duration::from_secs(5)));
    own.draining().await;
    drop(own);
    assert!(finish.await.unwrap());
}
