#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// `json!` values are written in place.
#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use super::*;
use crate::rules::testing::compiled;

fn balancer(form: Value) -> (LoadBalancer, Vec<String>) {
    compiled(form, LoadBalancer::new)
}

#[test]
fn policies_have_their_names() {
    for (name, policy) in [
        ("UNSPECIFIED", LoadBalancing::LeastRequest),
        ("LEAST_CONN", LoadBalancing::LeastRequest),
        ("LEAST_REQUEST", LoadBalancing::LeastRequest),
        ("ROUND_ROBIN", LoadBalancing::RoundRobin),
        ("RANDOM", LoadBalancing::Random),
        ("PASSTHROUGH", LoadBalancing::Passthrough),
    ] {
        let (read, problems) = balancer(json!({"simple": name}));
        assert_eq!((read.simple, problems), (policy, Vec::new()), "{name}");
    }
    assert_eq!(balancer(json!({})), (LoadBalancer::default(), Vec::new()));
}

#[test]
fn warmups_are_read_in_both_forms() {
    let (read, problems) = balancer(json!({
        "simple": "ROUND_ROBIN", "warmup": {"duration": "90s", "minimumPercent": 1.5, "aggression": 2},
    }));
    assert_eq!(problems, Vec::<String>::new());
    let warmup = Warmup {
        duration: Duration::from_secs(90),
        minimum_percent: 1.5,
        aggression: 2.0,
    };
    assert_eq!(read.warmup, Some(warmup));
    let (read, problems) = balancer(json!({"warmupDurationSecs": "30s"}));
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(read.warmup, Some(Warmup::lasting(Duration::from_secs(30))));
    let (read, problems) = balancer(json!({"warmupDurationSecs": "30s", "warmup": {"duration": "1s"}}));
    assert_eq!(problems, ["error f.warmupDurationSecs"]);
    assert_eq!(read.warmup, Some(Warmup::lasting(Duration::from_secs(1))));
}

#[test]
fn a_warmup_that_cannot_be_is_none() {
    for (form, problem) in [
        (json!({"warmup": {}}), "error f.warmup.duration"),
        (json!({"warmup": {"duration": "0s"}}), "error f.warmup.duration"),
        (json!({"warmupDurationSecs": "0s"}), "error f.warmupDurationSecs"),
        (
            json!({"simple": "RANDOM", "warmup": {"duration": "1s"}}),
            "error f.warmup",
        ),
        (
            json!({"simple": "PASSTHROUGH", "warmupDurationSecs": "1s"}),
            "error f.warmupDurationSecs",
        ),
        (
            json!({"consistentHash": {"useSourceIp": true}, "warmup": {"duration": "1s"}}),
            "error f.warmup",
        ),
    ] {
        let (read, problems) = balancer(form.clone());
        assert_eq!(read.warmup, None, "{form}");
        assert_eq!(problems, [problem], "{form}");
    }
    let (read, problems) =
        balancer(json!({"warmup": {"duration": "1s", "aggression": 0.5, "minimumPercent": 101}}));
    assert_eq!(read.warmup, Some(Warmup::lasting(Duration::from_secs(1))));
    assert_eq!(
        problems,
        ["error f.warmup.aggression", "error f.warmup.minimumPercent"]
    );
}

#[test]
fn hashing_goes_before_a_simple_policy() {
    let (read, problems) = balancer(json!({"simple": "RANDOM", "consistentHash": {"useSourceIp": true}}));
    assert!(read.consistent_hash.is_some());
    assert_eq!(problems, ["error f"]);
    let (read, _) = balancer(json!({"consistentHash": {}}));
    assert_eq!(read, LoadBalancer::default());
}

#[test]
fn zones_are_not_weighed() {
    let (read, problems) = balancer(json!({"zoneAwareLbSetting": {"enabled": true}}));
    assert_eq!(
        (read, problems),
        (
            LoadBalancer::default(),
            vec!["warning f.zoneAwareLbSetting".to_owned()]
        )
    );
}

#[test]
fn one_policy_acts() {
    let utilization = || json!({"weightUpdatePeriod": "2s"});
    let (read, problems) = balancer(json!({
        "backendUtilization": utilization(), "warmup": {"duration": "1s"}, "localityLbSetting": {"enabled": false},
    }));
    assert_eq!(problems, Vec::<String>::new());
    let compiled = read.backend_utilization.unwrap();
    assert_eq!(compiled.update_period, Duration::from_secs(2));
    assert!(read.warmup.is_some() && read.locality.is_some());

    let (read, problems) = balancer(
        json!({"simple": "RANDOM", "backendUtilization": utilization(), "warmup": {"duration": "1s"}}),
    );
    assert_eq!(problems, ["error f.backendUtilization"]);
    assert!(read.backend_utilization.is_some() && read.warmup.is_some());

    let (read, problems) =
        balancer(json!({"consistentHash": {"useSourceIp": true}, "backendUtilization": utilization()}));
    assert_eq!(problems, ["error f.backendUtilization"]);
    assert!(read.consistent_hash.is_some() && read.backend_utilization.is_none());

    let (_, problems) = balancer(json!({"backendUtilization": {"weightExpirationPeriod": "0s"}}));
    assert_eq!(problems, ["error f.backendUtilization.weightExpirationPeriod"]);
    // UNSPECIFIED is no policy.
    let (read, problems) = balancer(json!({"simple": "UNSPECIFIED", "backendUtilization": {}}));
    assert_eq!((read.backend_utilization.is_some(), problems), (true, Vec::new()));
}
