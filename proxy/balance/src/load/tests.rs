#![allow(clippy::unwrap_used)]

use super::*;

fn report(text: &str) -> LoadReport {
    LoadReport::parse(format!("TEXT {text}").as_bytes()).unwrap()
}

fn weight(text: &str, error_penalty: f64, metrics: &[&str]) -> Option<f64> {
    let settings = Utilization {
        error_penalty,
        metrics: metrics.iter().map(|name| (*name).to_owned()).collect(),
        ..Utilization::default()
    };
    settings.weight(&report(text))
}

#[test]
fn a_weight_is_what_the_endpoint_could_serve() {
    let all = "rps_fractional=100,cpu_utilization=0.5,application_utilization=0.25,named_metrics.a=0.125,utilization.b=1";
    for (text, penalty, metrics, expected) in [
        (
            "rps_fractional=100,cpu_utilization=0.5",
            0.0,
            &[][..],
            Some(200.0),
        ),
        ("rps_fractional=0.5,cpu_utilization=2", 0.0, &[], Some(0.25)),
        (all, 0.0, &[], Some(400.0)),
        (all, 0.0, &["named_metrics.a"], Some(800.0)),
        (all, 0.0, &["named_metrics.a", "utilization.*"], Some(100.0)),
        (all, 0.0, &["cpu_utilization", "mem_utilization"], Some(200.0)),
        // What is asked for and not reported, or nothing, leaves the others.
        (all, 0.0, &["named_metrics.z", "mem_utilization"], Some(400.0)),
        // Errors count in proportion.
        (
            "rps_fractional=100,cpu_utilization=0.5,eps=50",
            0.0,
            &[],
            Some(200.0),
        ),
        (
            "rps_fractional=100,cpu_utilization=0.5,eps=50",
            1.0,
            &[],
            Some(100.0),
        ),
        (
            "rps_fractional=100,cpu_utilization=0.5,eps=50",
            3.0,
            &[],
            Some(50.0),
        ),
        ("rps_fractional=100,eps=50", 1.0, &[], Some(200.0)),
        // What does not say enough.
        ("", 1.0, &[], None),
        ("rps_fractional=100", 1.0, &[], None),
        ("cpu_utilization=0.5,eps=1", 1.0, &[], None),
        ("cpu_utilization=0.5,eps=1", 0.0, &[], None),
        (
            "rps_fractional=100,named_metrics.a=-1",
            0.0,
            &["named_metrics.a"],
            None,
        ),
        // Beyond what can be compared.
        ("rps_fractional=1e300,cpu_utilization=1e-300", 0.0, &[], None),
        (
            "rps_fractional=1e300,cpu_utilization=1",
            0.0,
            &[],
            Some(4_294_967_295.0),
        ),
        ("rps_fractional=1e-300,cpu_utilization=1e300", 0.0, &[], None),
    ] {
        assert_eq!(
            weight(text, penalty, metrics),
            expected,
            "{text} {penalty} {metrics:?}"
        );
    }
}

#[test]
fn a_weight_counts_after_a_while_and_for_a_while() {
    let settings = Utilization::default();
    let load = Load::new();
    let busy = report("rps_fractional=10,cpu_utilization=1");
    assert_eq!(load.weight(&settings, 0), None);
    assert!(!load.observe(&report("rps_fractional=10"), &settings, 0));
    assert!(load.observe(&busy, &settings, 1_000));
    assert_eq!(load.weight(&settings, 10_999), None);
    assert_eq!(load.weight(&settings, 11_000), Some(10.0));
    assert!(load.observe(&report("rps_fractional=30,cpu_utilization=1"), &settings, 12_000));
    assert_eq!(load.weight(&settings, 12_000), Some(30.0));
    // A report that says nothing keeps nothing alive.
    assert!(!load.observe(&report("eps=1"), &settings, 100_000));
    assert_eq!(load.weight(&settings, 192_000), Some(30.0));
    assert_eq!(load.weight(&settings, 192_001), None);
    // After a gap it takes a while again.
    assert!(load.observe(&busy, &settings, 200_000));
    assert_eq!(load.weight(&settings, 209_999), None);
    assert_eq!(load.weight(&settings, 210_000), Some(10.0));
}

#[test]
fn a_weight_may_count_at_once() {
    let settings = Utilization {
        stabilization: Duration::ZERO,
        ..Utilization::default()
    };
    let load = Load::new();
    assert_eq!(load.weight(&settings, 5), None);
    assert!(load.observe(&report("rps_fractional=10,cpu_utilization=1"), &settings, 5));
    assert_eq!(load.weight(&settings, 5), Some(10.0));
    // The clocks of two threads need not agree to the millisecond.
    assert_eq!(load.weight(&settings, 4), Some(10.0));
}
