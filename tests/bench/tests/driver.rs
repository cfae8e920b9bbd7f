//! The benchmark runs, on a few requests and without Envoy: what it measures here means nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use cairn_tests::{Process, binary, component};
use serde_json::Value;

const SCENARIOS: [&str; 4] = ["base", "policy", "re-encapsulation", "routes-10"];

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_is_driven_and_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("measured.json");
    let waypoint = binary("waypoint");
    let output = Process::start(
        env!("CARGO_BIN_EXE_bench").as_ref(),
        &[
            "waypoint",
            "--alone",
            "--rounds=1",
            "--requests=128",
            "--streams=8",
            "--waypoint",
            waypoint.to_str().unwrap(),
            "--scenario",
            &SCENARIOS.join(","),
            "--json",
            file.to_str().unwrap(),
        ],
    )
    .wait();
    assert_eq!(output.code, Some(0), "{}", output.text);
    let written: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let scenarios = written["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), SCENARIOS.len());
    for (scenario, name) in scenarios.iter().zip(SCENARIOS) {
        assert_eq!(scenario["scenario"], name);
        let waypoint = &scenario["waypoints"][0];
        assert_eq!(waypoint["name"], "cairn");
        assert!(
            waypoint["requests_per_second"].as_f64().unwrap() > 0.0,
            "{waypoint}"
        );
        assert!(waypoint["resident_kib"].as_u64().unwrap() > 0, "{waypoint}");
        assert!(output.text.contains(name), "{}", output.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_driven_and_written_down() {
    // Nothing to drive without a compiler for them, which says so.
    if component("bench").is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("measured.json");
    let waypoint = binary("waypoint");
    let output = Process::start(
        env!("CARGO_BIN_EXE_bench").as_ref(),
        &[
            "filters",
            "--alone",
            "--rounds=1",
            "--requests=64",
            "--streams=8",
            "--reloads=20",
            "--large=1",
            "--waypoint",
            waypoint.to_str().unwrap(),
            "--json",
            file.to_str().unwrap(),
        ],
    )
    .wait();
    assert_eq!(output.code, Some(0), "{}", output.text);
    let written: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let scenarios = written["scenarios"].as_array().unwrap();
    let names: Vec<&str> = scenarios
        .iter()
        .filter_map(|one| one["scenario"].as_str())
        .collect();
    assert_eq!(names, ["filters-0", "filters-1", "filters-10"]);
    let findings = written["findings"].as_array().unwrap();
    for what in [
        "cairn: each of ten filters",
        "memory of each of 512 instances",
        "replaced by YAML that names another module",
        "memory at the end",
        "p99 beside a filter that spins, to that without",
        "p99.9 meanwhile, to that without",
    ] {
        let found = findings.iter().find(|one| one["what"] == what);
        assert!(
            found.is_some_and(|one| one["value"].is_f64()),
            "{what}: {written}"
        );
        assert!(output.text.contains(what), "{}", output.text);
    }
}

#[tokio::test]
async fn traffic_is_driven_and_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("measured.json");
    let waypoint = binary("waypoint");
    let output = Process::start(
        env!("CARGO_BIN_EXE_bench").as_ref(),
        &[
            "traffic",
            "--rounds=1",
            "--requests=512",
            "--streams=8",
            "--services=20",
            "--waypoint",
            waypoint.to_str().unwrap(),
            "--json",
            file.to_str().unwrap(),
        ],
    )
    .wait();
    assert_eq!(output.code, Some(0), "{}", output.text);
    let written: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let findings = written["findings"].as_array().unwrap();
    for what in [
        "cost with retries, outlier detection and limits, to that without",
        "200 rules of 20 services compiled",
        "one of them changed, until it is in force",
        "p99.9 at a hundred changes a second, to that without",
    ] {
        let found = findings.iter().find(|one| one["what"] == what);
        let value = found.and_then(|one| one["value"].as_f64());
        assert!(value.is_some_and(|value| value > 0.0), "{what}: {written}");
    }
}
