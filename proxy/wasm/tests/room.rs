//! Filters share one engine's room.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use cairn_tests::component;
use cairn_wasm::{Engine, EngineOptions, Exchange, Filter, Isolation, RequestHead, Spec, Unknown};

fn exchange() -> Exchange {
    let head = RequestHead {
        method: http::Method::GET,
        target: http::uri::PathAndQuery::from_static("/"),
        authority: http::uri::Authority::from_static("app"),
        scheme: "http",
        headers: http::HeaderMap::new(),
    };
    Exchange::new(head, Arc::new(Unknown))
}

fn spec(name: &str, isolation: Isolation) -> Spec {
    Spec {
        config: Arc::from(&br#"{"head": "read"}"#[..]),
        isolation,
        ..Spec::new(name)
    }
}

#[tokio::test]
async fn what_is_idle_makes_way_for_what_is_needed() {
    let Some(component) = component("bench") else {
        return;
    };
    let component = std::fs::read(component).unwrap();
    let options = EngineOptions {
        slots: 2,
        ..EngineOptions::default()
    };
    let engine = Engine::new(&options).unwrap();
    let mut filters = Vec::new();
    for name in ["one", "two", "three", "four"] {
        let loading = Filter::load(&engine, &component, spec(name, Isolation::Shared));
        filters.push(loading.await.unwrap());
    }
    for _ in 0..3 {
        for filter in &filters {
            let mut exchange = exchange();
            let answer = filter.on_request_head(&mut exchange, true).await.unwrap();
            assert!(answer.changed);
        }
    }
    let idle: i64 = filters.iter().map(|filter| filter.spec().meter.instances()).sum();
    assert_eq!(idle, 2);
}

#[tokio::test]
async fn a_fresh_instance_is_made_when_it_is_asked_for() {
    let Some(component) = component("probe") else {
        return;
    };
    let component = std::fs::read(component).unwrap();
    let engine = Engine::new(&EngineOptions::default()).unwrap();
    let config = br#"{"request_head": {"do": "count", "into": "x-count"}}"#;
    let mut wanted = Spec {
        config: Arc::from(&config[..]),
        ..Spec::new("counts")
    };
    wanted.grants.shared = true;
    wanted.grants.ticker = true;
    wanted.grants.targets = ["app:80".to_owned()].into_iter().collect();
    let filter = Filter::load(&engine, &component, wanted).await.unwrap();
    let count = async |afresh: bool| {
        let mut exchange = exchange();
        if afresh {
            exchange.try_afresh();
        }
        filter.on_request_head(&mut exchange, true).await.unwrap();
        let head = exchange.request().unwrap();
        head.headers["x-count"].to_str().unwrap().to_owned()
    };
    assert_eq!((count(false).await, count(false).await), ("1".into(), "2".into()));
    assert_eq!(count(true).await, "1");
    assert_eq!(filter.spec().meter.instances(), 1);
}
