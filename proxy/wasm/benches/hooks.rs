//! What filters cost in the host alone: a hook, a fresh instance, a body, a call of the guest, and loading one.
//!
//! `cargo bench -p cairn-wasm` builds the filters `bench` and `probe` from source and prints a time for each. The goals, on
//! one core of a server: a hook that does nothing below 0.5 µs, ten reads and one append below 2 µs, a fresh instance for each hook
//! below 30 µs, 64 KiB of a body below 30 µs, and a component loaded in less than 150 ms.
#![allow(
    clippy::expect_used,
    reason = "a benchmark of a filter that fails would measure nothing"
)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cairn_tests::component;
use cairn_wasm::{
    Answer, Call, Calling, Engine, EngineOptions, Exchange, Filter, Grants, Isolation, Outbound, RequestHead,
    Spec, Unknown,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::runtime::Runtime;

/// Requests that are made ready before their hooks are timed.
const BATCH: u64 = 64;
/// A body, in parts as HTTP/2 brings them.
const PARTS: usize = 4;
const PART: usize = 16 << 10;

/// With the four that begin with a colon, sixteen lines.
const FIELDS: [(&str, &str); 12] = [
    ("user-agent", "cairn-bench/1"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", "en"),
    ("authorization", "Bearer 4e9f1c2a7b4e9f1c2a7b"),
    ("cache-control", "no-cache"),
    ("cookie", "session=4e9f1c2a7b; theme=dark"),
    ("x-b3-sampled", "0"),
    ("x-b3-spanid", "00f067aa0ba902b7"),
    ("x-b3-traceid", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ("x-request-id", "9b6a1d2e-3f0c-4f5e-8a76-0d4c1b2a3e4f"),
    ("x-tenant", "blue"),
];

fn hooks(criterion: &mut Criterion) {
    let Some((bench, probe)) = component("bench").zip(component("probe")) else {
        return;
    };
    let runtime = runtime();
    let engine = Engine::new(&EngineOptions::default()).expect("an engine");
    let load = |component: &Path, config: &str, isolation| {
        let component = std::fs::read(component).expect("a component");
        let loading = Filter::load(&engine, &component, spec(config, isolation));
        runtime.block_on(loading).expect("a filter")
    };
    let shared = Isolation::Shared;
    let heads = [
        ("nothing", r#"{"head": "nothing"}"#, shared),
        ("sixteen lines seen", r#"{"head": "see"}"#, shared),
        ("ten reads, one append", r#"{"head": "read"}"#, shared),
        (
            "nothing, fresh instance",
            r#"{"head": "nothing"}"#,
            Isolation::Request,
        ),
        (
            "ten reads, one append, fresh instance",
            r#"{"head": "read"}"#,
            Isolation::Request,
        ),
        ("not subscribed", "{}", shared),
    ];
    let mut group = criterion.benchmark_group("head");
    for (name, config, isolation) in heads {
        let filter = load(&bench, config, isolation);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| runtime.block_on(head(&filter, times)));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("guest calls");
    let calls = [
        (
            "shared::add",
            r#"{"do": "shared_add", "key": "k", "by": 1, "into": "x-bench"}"#,
        ),
        (
            "outbound::http",
            r#"{"do": "call", "target": "app:80", "path": "/", "into": "x-bench"}"#,
        ),
    ];
    for (name, action) in calls {
        let config = format!(r#"{{"subscribe": {{"request_head": []}}, "request_head": {action}}}"#);
        let filter = load(&probe, &config, shared);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| runtime.block_on(head(&filter, times)));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("body of 64 KiB");
    group.throughput(Throughput::Bytes((PARTS * PART) as u64));
    for (name, config) in [
        ("passed", r#"{"body": "pass"}"#),
        ("replaced", r#"{"body": "replace"}"#),
    ] {
        let filter = load(&bench, config, shared);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| runtime.block_on(body(&filter, times)));
        });
    }
    group.finish();
}

fn loading(criterion: &mut Criterion) {
    let Some(bench) = component("bench") else {
        return;
    };
    let component = std::fs::read(bench).expect("a component");
    let runtime = runtime();
    let directory = tempfile::tempdir().expect("a directory");
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    for (name, cache) in [
        ("compiled", None),
        ("from the cache", Some(directory.path().join("compiled"))),
    ] {
        let options = EngineOptions {
            cache,
            ..EngineOptions::default()
        };
        let engine = Engine::new(&options).expect("an engine");
        group.bench_function(name, |bencher| {
            // Nobody has the last one any more when the next is loaded.
            bencher.iter(|| {
                let loading = Filter::load(&engine, &component, spec("{}", Isolation::Shared));
                black_box(runtime.block_on(loading).expect("a filter"));
            });
        });
    }
    group.finish();
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn spec(config: &str, isolation: Isolation) -> Spec {
    Spec {
        config: config.as_bytes().into(),
        isolation,
        grants: Grants {
            shared: true,
            ticker: true,
            targets: BTreeSet::from(["app:80".to_owned()]),
            outbound: Some(Arc::new(AtOnce)),
        },
        ..Spec::new("default/bench")
    }
}

/// The time that so many head hooks take.
async fn head(filter: &Filter, times: u64) -> Duration {
    let request = request();
    let mut took = Duration::ZERO;
    let mut left = times;
    while left > 0 {
        let batch = left.min(BATCH);
        let mut exchanges: Vec<Exchange> = (0..batch).map(|_| exchange(&request)).collect();
        let began = Instant::now();
        for exchange in &mut exchanges {
            let answer = filter.on_request_head(exchange, false).await;
            black_box(answer.expect("the hook succeeds"));
        }
        took += began.elapsed();
        left -= batch;
    }
    took
}

/// The time that so many bodies take.
async fn body(filter: &Filter, times: u64) -> Duration {
    let mut exchange = exchange(&request());
    let part = vec![b'x'; PART];
    let began = Instant::now();
    for _ in 0..times {
        for number in 1..=PARTS {
            let verdict = filter.on_request_body(&mut exchange, &part, number == PARTS, false);
            black_box(verdict.await.expect("the hook succeeds"));
        }
    }
    began.elapsed()
}

fn request() -> RequestHead {
    let lines = FIELDS.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    RequestHead {
        method: Method::GET,
        target: PathAndQuery::from_static("/shop/items?id=7&sort=price"),
        authority: Authority::from_static("app.default.svc.cluster.local"),
        scheme: "http",
        headers: HeaderMap::from_iter(lines),
    }
}

fn exchange(request: &RequestHead) -> Exchange {
    Exchange::new(request.clone(), Arc::new(Unknown))
}

/// A service that answers at once.
struct AtOnce;

impl Outbound for AtOnce {
    fn call(&self, _: Call) -> Calling {
        Box::pin(async {
            Ok(Answer {
                status: StatusCode::OK,
                headers: HeaderMap::new(),
                body: Bytes::from_static(b"yes"),
            })
        })
    }
}

criterion_group!(benches, hooks, loading);
criterion_main!(benches);
