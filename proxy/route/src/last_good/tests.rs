#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// `json!` values are written in place.
#![allow(clippy::needless_pass_by_value)]

use std::sync::Arc;

use cairn_api::istio::VirtualService;
use cairn_config::Severity;
use serde_json::{Value, json};

use super::LastGood;

fn version(http: Value) -> Arc<VirtualService> {
    let document =
        json!({"metadata": {"name": "a", "namespace": "default"}, "spec": {"hosts": ["a"], "http": http}});
    Arc::new(serde_json::from_value(document).unwrap())
}

fn good(status: u32) -> Arc<VirtualService> {
    version(json!([{"directResponse": {"status": status}}]))
}

fn bad() -> Arc<VirtualService> {
    version(json!([{"match": [{"uri": {"regex": "("}}], "directResponse": {"status": 200}}]))
}

#[test]
fn the_last_version_without_errors_stays_in_force() {
    let (first, broken, second) = (good(200), bad(), good(201));
    let mut last_good = LastGood::default();
    assert_eq!(last_good.admit([&first]), (vec![Arc::clone(&first)], vec![]));

    let (admitted, problems) = last_good.admit([&broken]);
    assert!(Arc::ptr_eq(&admitted[0], &first));
    assert_eq!(
        problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .count(),
        2
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem.message.contains("not in force"))
    );

    let (again, same) = last_good.admit([&broken]);
    assert!(Arc::ptr_eq(&again[0], &first));
    assert_eq!(same, problems, "what is unchanged says the same as before");

    assert_eq!(last_good.admit([&second]), (vec![second], vec![]));
}

#[test]
fn what_never_was_right_comes_as_it_is() {
    let broken = bad();
    let (admitted, problems) = LastGood::default().admit([&broken]);
    assert!(Arc::ptr_eq(&admitted[0], &broken));
    assert!(
        !problems
            .iter()
            .any(|problem| problem.message.contains("not in force"))
    );
}

#[test]
fn what_is_deleted_is_forgotten() {
    let (first, broken) = (good(200), bad());
    let mut last_good = LastGood::default();
    last_good.admit([&first]);
    last_good.admit([]);
    assert!(Arc::ptr_eq(&last_good.admit([&broken]).0[0], &broken));
}
