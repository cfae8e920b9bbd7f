#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

fn define(metrics: &GuestMetrics, generation: u64, name: &str, labels: &[&str]) -> Result<u32, String> {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    metrics.define(generation, Kind::Counter, name.to_owned(), labels)
}

fn samples(metrics: &GuestMetrics) -> Vec<(String, f64)> {
    let mut families = BTreeMap::new();
    metrics.collect(&mut families);
    let samples = families.into_values().flat_map(|family| family.samples);
    samples.map(|(_, labels, value)| (labels, value)).collect()
}

#[test]
fn a_metric_goes_on_from_generation_to_generation_until_one_defines_it_otherwise() {
    let metrics = GuestMetrics::new("p");
    let first = define(&metrics, 1, "requests", &["user"]).unwrap();
    metrics.add(first, vec!["anna".to_owned()], 1.0);
    assert_eq!(define(&metrics, 2, "requests", &["user"]), Ok(first));
    metrics.add(first, vec!["anna".to_owned()], 1.0);
    assert_eq!(
        samples(&metrics),
        [("plugin=\"p\",user=\"anna\"".to_owned(), 2.0)]
    );
    let other = define(&metrics, 3, "requests", &["user", "path"]).unwrap();
    metrics.add(other, vec!["anna".to_owned(), "/".to_owned()], 5.0);
    // What an instance of the old generation still counts has no place any more.
    metrics.add(first, vec!["anna".to_owned()], 1.0);
    assert_eq!(
        samples(&metrics),
        [("plugin=\"p\",user=\"anna\",path=\"/\"".to_owned(), 5.0)]
    );
    assert!(
        define(&metrics, 3, "requests", &[])
            .unwrap_err()
            .contains("defined already")
    );
}

#[test]
fn what_no_generation_defines_any_more_makes_room() {
    let metrics = GuestMetrics::new("p");
    for number in 0..METRICS {
        define(&metrics, 1, &format!("m{number}"), &[]).unwrap();
    }
    assert!(
        define(&metrics, 1, "more", &[])
            .unwrap_err()
            .contains("32 metrics")
    );
    assert_eq!(define(&metrics, 2, "more", &[]), Ok(0));
}
