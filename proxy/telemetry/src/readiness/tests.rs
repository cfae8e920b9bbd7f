#![allow(clippy::unwrap_used)]

use std::time::Duration;

use tokio::time::timeout;

use super::Readiness;

#[tokio::test]
async fn ready_when_every_task_is_done() {
    let readiness = Readiness::default();
    assert!(readiness.is_ready());
    let config = readiness.task("config");
    let certificate = readiness.task("certificate");
    assert_eq!(readiness.pending(), ["config", "certificate"]);
    config.done();
    assert_eq!(readiness.pending(), ["certificate"]);
    let waiting = tokio::spawn({
        let readiness = readiness.clone();
        async move { readiness.ready().await }
    });
    certificate.done();
    timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    assert!(readiness.is_ready());
}

#[tokio::test]
async fn a_task_that_is_dropped_stays_pending() {
    let readiness = Readiness::default();
    drop(readiness.task("config"));
    assert_eq!(readiness.pending(), ["config"]);
    assert!(
        timeout(Duration::from_millis(20), readiness.ready())
            .await
            .is_err()
    );
}

#[test]
fn a_drain_makes_a_ready_process_unready() {
    let readiness = Readiness::default();
    readiness.task("config").done();
    assert!(readiness.is_ready());
    let _drain = readiness.task("drain");
    assert_eq!(readiness.pending(), ["drain"]);
}

#[test]
fn tasks_of_the_same_name_are_different_tasks() {
    let readiness = Readiness::default();
    let first = readiness.task("listener");
    let _second = readiness.task("listener");
    first.done();
    assert_eq!(readiness.pending(), ["listener"]);
}
