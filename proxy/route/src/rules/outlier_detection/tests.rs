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

fn detection(form: Value) -> (OutlierDetection, Vec<String>) {
    compiled(form, OutlierDetection::new)
}

#[test]
fn every_field_is_read() {
    let (read, problems) = detection(json!({
        "splitExternalLocalOriginErrors": true, "consecutiveLocalOriginFailures": 2, "consecutiveGatewayErrors": 3,
        "consecutive5xxErrors": 0, "interval": "1s", "baseEjectionTime": "2m", "maxEjectionPercent": 100,
        "minHealthPercent": 40, "outlierDetectionHttpErrorCodes": [429, 500],
    }));
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        read,
        OutlierDetection {
            server_errors: 0,
            gateway_errors: 3,
            local_errors: Some(2),
            error_codes: vec![429, 500],
            interval: Duration::from_secs(1),
            base_ejection: Duration::from_secs(120),
            max_ejection_percent: 100,
            min_health_percent: 40,
        }
    );
}

#[test]
fn what_is_left_out_has_istios_defaults() {
    assert_eq!(detection(json!({})), (OutlierDetection::default(), Vec::new()));
    let (read, _) = detection(json!({"splitExternalLocalOriginErrors": true, "maxEjectionPercent": 0}));
    assert_eq!((read.local_errors, read.max_ejection_percent), (Some(5), 10));
}

#[test]
fn the_deprecated_count_is_of_gateway_errors() {
    let (read, problems) = detection(json!({"consecutiveErrors": 7}));
    assert_eq!((read.gateway_errors, read.server_errors), (7, 5));
    assert_eq!(problems, ["warning f.consecutiveErrors"]);
    let (read, _) = detection(json!({"consecutiveErrors": 7, "consecutiveGatewayErrors": 2}));
    assert_eq!(read.gateway_errors, 2);
}

#[test]
fn what_is_wrong_is_said_and_has_its_default() {
    let (read, problems) = detection(json!({
        "consecutiveErrors": -1, "consecutiveLocalOriginFailures": 3, "interval": "0s", "baseEjectionTime": "1us",
        "maxEjectionPercent": 101, "minHealthPercent": -1, "outlierDetectionHttpErrorCodes": [99, 100, 599, 600, 70000],
    }));
    let mut problems = problems;
    problems.sort();
    assert_eq!(
        problems,
        [
            "error f.baseEjectionTime",
            "error f.consecutiveErrors",
            "error f.consecutiveLocalOriginFailures",
            "error f.interval",
            "error f.maxEjectionPercent",
            "error f.minHealthPercent",
            "error f.outlierDetectionHttpErrorCodes[0]",
            "error f.outlierDetectionHttpErrorCodes[3]",
            "error f.outlierDetectionHttpErrorCodes[4]",
        ]
    );
    let expected = OutlierDetection {
        error_codes: vec![100, 599],
        ..OutlierDetection::default()
    };
    assert_eq!(read, expected);
}
