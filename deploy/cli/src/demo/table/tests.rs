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

#[tokio::test]
async fn one_difference_is_enough() {
    let mut table = Table::new(Paint::none());
    table.step("a call");
    let good = |good| async move { Ok(Outcome::new(200, good)) };
    assert!(table.check("GET /hello", "200", good(true)).await);
    assert!(table.conclude());
    assert!(!table.check("GET /hello", "403", good(false)).await);
    assert!(
        !table
            .check("GET /hello", "403", async { anyhow::bail!("no answer") })
            .await
    );
    assert!(!table.conclude());
    assert_eq!(
        table.differences[0],
        "step 1, GET /hello: expected 403; observed 200"
    );
    assert_eq!(
        table.differences[1],
        "step 1, GET /hello: expected 403; observed no answer"
    );
}
