#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

/// The probability that exactly `hits` of `n` trials succeed, each with probability `p`.
fn binomial(n: u32, hits: u32, p: f64) -> f64 {
    let choose: f64 = (1..=hits)
        .map(|k| (f64::from(n - hits + k) / f64::from(k)).ln())
        .sum();
    (choose + f64::from(hits) * p.ln() + f64::from(n - hits) * (1.0 - p).ln()).exp()
}

#[test]
fn a_correct_split_hardly_ever_fails() {
    let outside = (0..=SPLIT_REQUESTS).filter(|hits| !SPLIT_TO_V1.contains(hits));
    let fails: f64 = outside.map(|hits| binomial(SPLIT_REQUESTS, hits, 0.9)).sum();
    assert!(fails < 1e-6, "{fails}");
}

#[test]
fn a_wrong_split_is_found() {
    let within = |p| {
        SPLIT_TO_V1
            .map(|hits| binomial(SPLIT_REQUESTS, hits, p))
            .sum::<f64>()
    };
    assert!(within(0.5) < 1e-9);
    assert!(within(0.7) < 0.02);
    assert!(within(1.0 - 1e-12) < 1e-6);
}

#[test]
fn lines_are_told_apart() {
    let line = |from: &str, text: &str| Line {
        from: from.into(),
        text: text.to_owned(),
    };
    assert_eq!(
        hop(&line("ztunnel", "… direction=\"outbound\" bytes_sent=1"), "id-1"),
        Some(0)
    );
    assert_eq!(
        hop(&line("waypoint default/namespace", "… \"id-1\" …"), "id-1"),
        Some(1)
    );
    assert_eq!(
        hop(&line("waypoint default/namespace", "… \"id-2\" …"), "id-1"),
        None
    );
    assert_eq!(
        hop(&line("ztunnel", "… direction=\"inbound\" bytes_sent=1"), "id-1"),
        Some(2)
    );
}

#[test]
fn the_edited_policy_is_another_one() {
    let edited = ALLOW_SLEEP.replace("sa/sleep", "sa/notsleep");
    assert!(edited.contains("cluster.local/ns/default/sa/notsleep"));
    assert!(!edited.contains("sa/sleep"));
}
