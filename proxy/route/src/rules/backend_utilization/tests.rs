#![allow(clippy::needless_pass_by_value)]

use serde_json::{Value, json};

use super::*;
use crate::rules::testing::compiled;

fn utilization(form: Value) -> (BackendUtilization, Vec<String>) {
    compiled(form, BackendUtilization::new)
}

#[test]
fn what_is_left_out_is_as_envoy_has_it() {
    let (read, problems) = utilization(json!({}));
    assert_eq!((&read, problems), (&BackendUtilization::default(), Vec::new()));
    assert_eq!(
        [
            read.stabilization_period,
            read.expiration_period,
            read.update_period
        ],
        [10, 180, 1].map(Duration::from_secs)
    );
    assert_eq!((read.error_penalty, read.metric_names.len()), (0.0, 0));
}

#[test]
fn all_fields_are_read() {
    let names = [
        "named_metrics.queue",
        "utilization.*",
        "request_cost.a.b",
        "cpu_utilization",
    ];
    let (read, problems) = utilization(json!({
        "weightStabilizationPeriod": "0s", "weightExpirationPeriod": "1m", "weightUpdatePeriod": "0.1s",
        "errorUtilizationPenaltyPercent": 250, "metricNamesForComputingUtilization": names,
    }));
    assert_eq!(problems, Vec::<String>::new());
    let expected = BackendUtilization {
        stabilization_period: Duration::ZERO,
        expiration_period: Duration::from_secs(60),
        update_period: Duration::from_millis(100),
        error_penalty: 2.5,
        metric_names: names.map(str::to_owned).into(),
    };
    assert_eq!(read, expected);
}

#[test]
fn what_cannot_be_is_said_and_left_out() {
    for (form, problem) in [
        (
            json!({"weightStabilizationPeriod": "0.0001s"}),
            "error f.weightStabilizationPeriod",
        ),
        (
            json!({"weightExpirationPeriod": "0s"}),
            "error f.weightExpirationPeriod",
        ),
        (json!({"weightUpdatePeriod": "0s"}), "error f.weightUpdatePeriod"),
        (
            json!({"metricNamesForComputingUtilization": ["queue"]}),
            "error f.metricNamesForComputingUtilization[0]",
        ),
    ] {
        let (read, problems) = utilization(form.clone());
        assert_eq!(
            (read, problems),
            (BackendUtilization::default(), vec![problem.to_owned()]),
            "{form}"
        );
    }
    let (read, problems) = utilization(json!({"weightUpdatePeriod": "20ms"}));
    assert_eq!(read.update_period, Duration::from_millis(100));
    assert_eq!(problems, ["warning f.weightUpdatePeriod"]);
    let names = ["eps", "", "metrics.a", "named_metrics.", "rps", "named_metrics.a"];
    let (read, problems) = utilization(json!({"metricNamesForComputingUtilization": names}));
    assert_eq!(read.metric_names, ["eps", "named_metrics.a"]);
    let places: Vec<_> = problems
        .iter()
        .map(|it| it.trim_start_matches("error f.metricNamesForComputingUtilization"))
        .collect();
    assert_eq!(places, ["[1]", "[2]", "[3]", "[4]"]);
}
