#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

#[test]
fn durations_are_readable() {
    let of = |micros| readable(Duration::from_micros(micros));
    assert_eq!(of(3_210), "3.2 ms");
    assert_eq!(of(9_960), "10 ms");
    assert_eq!(of(84_400), "84 ms");
    assert_eq!(of(999_600), "1.00 s");
    assert_eq!(of(5_012_000), "5.01 s");
}

#[test]
fn columns_are_aligned_whatever_is_in_them() {
    let one = cells(["a", "b", "c"], "1.0 ms");
    let other = cells(["a longer text", "503 fault filter abort", "200"], "5.01 s");
    assert_eq!(one.chars().count(), other.chars().count());
    assert_eq!(one.find('b'), other.find("503"));
}

#[test]
fn one_difference_is_enough() {
    let mut table = Table::new(Paint::none());
    table.step = 3;
    let took = Duration::from_millis(12);
    let line = table.enter("GET /hello", "200", Ok(Outcome::new("200", true)), took);
    assert!(
        line.starts_with("   ok   GET /hello  ") && line.ends_with("  12 ms"),
        "{line}"
    );
    assert!(table.conclusion().starts_with("All 1 checks came as expected"));

    let line = table.enter(
        "GET /hello",
        "403",
        Ok(Outcome::new("200", false).took(took * 2)),
        took,
    );
    assert!(
        line.starts_with("   FAIL GET /hello  ") && line.ends_with("  24 ms"),
        "{line}"
    );
    table.enter("GET /health", "403", Err(anyhow::anyhow!("no answer")), took);
    assert_eq!(
        table.conclusion(),
        "2 of 3 checks did not:\n  step 3, GET /hello: expected 403; observed 200\n  \
         step 3, GET /health: expected 403; observed no answer"
    );
}
