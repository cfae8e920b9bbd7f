//! The cost of a decision at 1, 100 and 10,000 rules: it should hardly depend on the number.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use cairn_api::istio::AuthorizationPolicy;
use cairn_authz::{CompileOptions, Http, PolicySet, Request};
use cairn_identity::SpiffeId;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::HeaderMap;
use serde_json::{Value, json};

/// The rule of a number.
type RuleOf = fn(usize) -> Value;

/// One policy of each action with `count` rules between them, of the form that `rule` gives.
fn policies(count: usize, rule: RuleOf) -> [Arc<AuthorizationPolicy>; 2] {
    let policy = |name: &str, action: &str, rules: Vec<Value>| -> Arc<AuthorizationPolicy> {
        let spec = json!({"action": action, "rules": rules});
        let document = json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec});
        Arc::new(serde_json::from_value(document).unwrap())
    };
    let half = count.div_ceil(2);
    let deny = policy(
        "deny",
        "DENY",
        (half..count).map(|number| rule(number + count)).collect(),
    );
    let allow = policy("allow", "ALLOW", (0..half).map(rule).collect());
    [deny, allow]
}

fn compile(policies: &[Arc<AuthorizationPolicy>]) -> PolicySet {
    PolicySet::compile(policies, [], &CompileOptions::default()).0
}

fn by_path(number: usize) -> Value {
    json!({
        "from": [{"source": {"namespaces": ["default"]}}],
        "to": [{"operation": {"methods": ["GET"], "paths": [format!("/api/v1/items/{number}*")]}}],
    })
}

fn by_principal(number: usize) -> Value {
    json!({
        "from": [{"source": {"principals": [format!("cluster.local/ns/default/sa/app-{number}")]}}],
        "to": [{"operation": {"methods": ["GET", "POST"]}}],
    })
}

fn by_header(number: usize) -> Value {
    json!({"when": [{"key": "request.headers[x-tenant]", "values": [format!("tenant-{number}")]}]})
}

/// Nothing to file such a rule by, so that each is tried.
fn by_suffix(number: usize) -> Value {
    json!({"to": [{"operation": {"paths": [format!("*{number}/detail")]}}]})
}

fn evaluate(c: &mut Criterion) {
    let peer = SpiffeId::new("cluster.local", "default", "app-0");
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant", "tenant-0".parse().unwrap());
    headers.insert("user-agent", "curl/8.0".parse().unwrap());
    let http = Http {
        method: "GET",
        path: "/api/v1/items/0/detail",
        authority: "items.default:8080",
        headers: &headers,
        noted: &[],
        token: None,
    };
    let request = Request {
        peer: Some(&peer),
        source_ip: [10, 0, 0, 1].into(),
        remote_ip: [10, 0, 0, 1].into(),
        destination: ([10, 1, 0, 1], 8080).into(),
        http: Some(http),
        sni: None,
    };
    let forms: [(&str, RuleOf); 4] = [
        ("path", by_path),
        ("principal", by_principal),
        ("header", by_header),
        ("suffix", by_suffix),
    ];
    for (name, rule) in forms {
        let mut group = c.benchmark_group(name);
        for count in [1, 100, 10_000] {
            let set = compile(&policies(count, rule));
            assert!(set.evaluate(&request).is_allow());
            group.bench_with_input(BenchmarkId::from_parameter(count), &set, |b, set| {
                b.iter(|| set.evaluate(black_box(&request)));
            });
        }
        group.finish();
    }
    c.bench_function("compile 10000 rules", |b| {
        b.iter(|| policies(black_box(10_000), by_path))
    });
}

criterion_group!(benches, evaluate);
criterion_main!(benches);
