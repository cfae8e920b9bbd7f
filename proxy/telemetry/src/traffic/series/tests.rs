#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::super::labels::{HttpLabels, TcpLabels};
use super::super::tcp::TcpSeries;
use super::{GRACE, SEARCH_PAUSE, Series, SeriesMap, SeriesOptions};

const HOUR: Duration = Duration::from_secs(3600);

fn map(max_series: usize) -> SeriesMap<TcpSeries> {
    SeriesMap::new(SeriesOptions {
        idle: HOUR,
        max_series,
    })
}

fn flags(flags: &impl ToString) -> TcpLabels {
    TcpLabels {
        response_flags: flags.to_string().into(),
        ..TcpLabels::default()
    }
}

impl SeriesMap<TcpSeries> {
    /// `series` at a chosen time.
    fn at(&self, labels: &TcpLabels, now: Instant) -> Arc<TcpSeries> {
        let shard = self.shard(labels).unwrap();
        if let Some(entry) = shard.read().unwrap().get(labels) {
            return entry.series.clone();
        }
        self.insert(shard, labels, now)
    }
}

#[test]
fn an_idle_series_expires_and_comes_back_from_zero() {
    let map = map(100);
    let start = Instant::now();
    map.at(&flags(&"a"), start).opened();
    map.at(&flags(&"b"), start).opened();
    assert_eq!(map.sweep(start).len(), 2);
    map.at(&flags(&"b"), start).opened();
    assert_eq!(map.sweep(start + HOUR / 2).len(), 2);
    let left = map.sweep(start + HOUR);
    assert_eq!(left.len(), 1);
    assert!(
        left.iter()
            .all(|series| series.rendered().contains("response_flags=\"b\""))
    );
    assert_eq!(map.length.load(Ordering::Relaxed), 1);
    assert_eq!(map.at(&flags(&"a"), start + HOUR).activity(), 0);
}

#[test]
fn a_series_that_is_held_never_expires() {
    let map = map(1);
    let start = Instant::now();
    let held = map.at(&flags(&"held"), start);
    drop(map.sweep(start + HOUR * 5));
    // Not for a new one either.
    assert!(Arc::ptr_eq(
        &map.at(&flags(&"new"), start + HOUR * 6),
        &map.overflow
    ));
    held.closed();
    assert!(Arc::ptr_eq(&map.at(&flags(&"held"), start + HOUR * 6), &held));
    drop(held);
    // It has just moved and been held: its time begins now.
    assert_eq!(map.sweep(start + HOUR * 6).len(), 1);
    assert_eq!(map.sweep(start + HOUR * 7).len(), 0);
}

#[test]
fn the_longest_idle_gives_way_when_the_map_is_full() {
    let map = map(3);
    let start = Instant::now();
    for (flag, age) in [("a", 3), ("b", 2), ("c", 1)] {
        map.at(&flags(&flag), start).opened();
        drop(map.sweep(start + GRACE * (3 - age)));
    }
    // Each has moved last when it was made, and was seen to have moved one sweep after the other.
    let now = start + GRACE * 4;
    map.at(&flags(&"d"), now).opened();
    let flags_left: Vec<String> = map
        .sweep(now)
        .iter()
        .map(|series| {
            let (_, rest) = series.rendered().split_once("response_flags=\"").unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        })
        .collect();
    assert_eq!(flags_left, ["b", "c", "d"]);
}

#[test]
fn a_flood_of_labels_collapses_and_leaves_the_living_alone() {
    let map = map(10);
    let start = Instant::now();
    (0..10).for_each(|n| map.at(&flags(&n), start).opened());
    (10..1000).for_each(|n| map.at(&flags(&n), start + Duration::from_millis(n)).opened());
    let all = map.sweep(start + SEARCH_PAUSE);
    assert_eq!(all.len(), 11);
    let other = all
        .iter()
        .find(|series| series.rendered().contains("response_flags=\"other\""))
        .unwrap();
    assert_eq!(other.activity(), 990);
    assert!(other.rendered().contains("source_workload=\"other\""));
    // When the ten have been idle for the grace, new ones take their places.
    drop(all);
    let later = start + SEARCH_PAUSE + GRACE;
    (2000..2010).for_each(|n| map.at(&flags(&n), later).opened());
    let taken = (2000..2010).filter(|n| !Arc::ptr_eq(&map.at(&flags(&n), later), &map.overflow));
    assert_eq!(taken.count(), 10);
    assert_eq!(map.length.load(Ordering::Relaxed), 10);
}

#[test]
fn the_overflow_of_http_collapses_codes_too() {
    let overflow = <HttpLabels as super::Labels>::overflow();
    let rendered = super::Labels::render(&overflow);
    assert!(rendered.contains("response_code=\"0\"") && rendered.contains("destination_service=\"other\""));
}

#[test]
fn labels_spread_over_the_shards() {
    let map = map(2000);
    let now = Instant::now();
    (0..1600).for_each(|n| drop(map.at(&flags(&n), now)));
    let sizes: Vec<usize> = map
        .shards
        .iter()
        .map(|shard| shard.read().unwrap().len())
        .collect();
    assert!(sizes.iter().all(|size| (50..=150).contains(size)), "{sizes:?}");
}
