//! What finding a route costs among ten routes and among ten thousand.
//!
//! `cargo bench -p cairn-route` prints a time for each kind of table and size. Of one kind, the larger table should cost
//! what its cache misses cost: two or three times as much, not a thousand times. With regular expressions it is five to
//! seven times, because ten thousand automata do not fit into a cache either.

use std::hint::black_box;
use std::sync::Arc;

use cairn_api::istio::VirtualService;
use cairn_route::{Inputs, RequestHead, RouteTable, compile};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

const SIZES: [usize; 2] = [10, 10_000];
const REQUESTS: usize = 10_000;

/// Kinds of tables: what the route of a number matches.
type Kind = (&'static str, fn(usize) -> Value);

const KINDS: [Kind; 6] = [
    (
        "exact",
        |number| json!({"uri": {"exact": format!("/service/{number}/item")}}),
    ),
    (
        "prefix",
        |number| json!({"uri": {"prefix": format!("/service/{number}/")}}),
    ),
    (
        "regex",
        |number| json!({"uri": {"regex": format!("/service/{number}/[a-z]+")}}),
    ),
    (
        "ignore-case",
        |number| json!({"uri": {"prefix": format!("/Service/{number}/")}, "ignoreUriCase": true}),
    ),
    (
        "header",
        |number| json!({"uri": {"prefix": "/"}, "headers": {"x-user": {"exact": number.to_string()}}}),
    ),
    ("path-and-header", |number| {
        let (row, column) = (number / 100, number % 100);
        json!({"uri": {"prefix": format!("/service/{row}/")}, "headers": {"x-user": {"exact": column.to_string()}}})
    }),
];

fn find(criterion: &mut Criterion) {
    for (kind, block) in KINDS {
        let mut group = criterion.benchmark_group(kind);
        for size in SIZES {
            let table = table(size, block);
            // As many requests whatever the size, so that reading them costs the same.
            let requests: Vec<(String, HeaderMap)> =
                (0..REQUESTS).map(|number| request(kind, number % size)).collect();
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                // Jumping about, so that the larger table is not read from the nearest cache only.
                let mut number = 0;
                bencher.iter(|| {
                    number = (number + 7919) % requests.len();
                    let found = requests
                        .get(number)
                        .and_then(|(path, headers)| table.find(&head(path, headers)));
                    assert!(black_box(found).is_some());
                });
            });
        }
        group.finish();
    }
}

#[allow(
    clippy::expect_used,
    reason = "a benchmark of a table that is not there would measure nothing"
)]
fn table(size: usize, block: fn(usize) -> Value) -> RouteTable {
    let routes: Vec<Value> = (0..size)
        .map(|number| json!({"match": [block(number)], "directResponse": {"status": 200}}))
        .collect();
    let document = json!({
        "metadata": {"name": "all", "namespace": "default"},
        "spec": {"hosts": ["all"], "http": routes},
    });
    let virtual_service: VirtualService = serde_json::from_value(document).expect("a VirtualService");
    let (table, _) = compile(&Inputs {
        service_host: "all.default.svc.cluster.local",
        service_namespace: "default",
        waypoint_namespace: "default",
        port: 80,
        virtual_services: &[Arc::new(virtual_service)],
        ..Inputs::default()
    });
    table.expect("routes")
}

/// A request that the route of this number matches.
fn request(kind: &str, number: usize) -> (String, HeaderMap) {
    let (row, column) = if kind == "path-and-header" {
        (number / 100, number % 100)
    } else {
        (number, number)
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-user", HeaderValue::from(column));
    headers.insert("user-agent", HeaderValue::from_static("bench"));
    headers.insert("accept", HeaderValue::from_static("*/*"));
    (format!("/service/{row}/item"), headers)
}

fn head<'a>(path: &'a str, headers: &'a HeaderMap) -> RequestHead<'a> {
    RequestHead {
        method: "GET",
        path,
        query: None,
        authority: "all",
        scheme: "http",
        headers,
        noted: &[],
        token: None,
        source: None,
    }
}

criterion_group!(benches, find);
criterion_main!(benches);
