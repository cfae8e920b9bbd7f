#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// `json!` values are written in place.
#![allow(clippy::needless_pass_by_value)]

use cairn_api::istio::TrafficPolicy as Form;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::rules::load_balancer::LoadBalancing;
use crate::rules::testing::compiled;

fn level(form: Value) -> (Level, Vec<String>) {
    compiled(form, |form: &Form, field: &mut Field<'_>| Level::new(form, field))
}

fn merged(host: Value, subset: Value, port: u16) -> TrafficPolicy {
    let read = |form: Value| {
        let (level, problems) = level(form.clone());
        assert_eq!(problems, Vec::<String>::new());
        (!form.is_null()).then_some(level)
    };
    let (host, subset) = (read(or_empty(&host)), read(or_empty(&subset)));
    TrafficPolicy::merged(host.as_ref(), subset.as_ref(), port)
}

fn or_empty(form: &Value) -> Value {
    if form.is_null() { json!({}) } else { form.clone() }
}

/// Every piece, told apart by `mark`.
fn pieces(mark: u32) -> Value {
    json!({
        "loadBalancer": {"simple": if mark.is_multiple_of(2) {"RANDOM"} else {"ROUND_ROBIN"}},
        "connectionPool": {"tcp": {"maxConnections": mark}},
        "outlierDetection": {"consecutive5xxErrors": mark},
        "tls": {"mode": "SIMPLE", "sni": format!("{mark}.com")},
    })
}

fn whole(mark: u32) -> Value {
    let mut form = pieces(mark);
    form["proxyProtocol"] = json!({"version": "V2"});
    form["tunnel"] = json!({"targetHost": "t.com", "targetPort": mark});
    form["retryBudget"] = json!({"percent": 5, "minRetryConcurrency": mark});
    form
}

fn with_port(mut form: Value, port: u16, mut settings: Value) -> Value {
    settings["port"] = json!({"number": port});
    form["portLevelSettings"] = json!([settings]);
    form
}

/// The marks of the pieces of a policy; 0 where there is none.
fn marks(policy: &TrafficPolicy) -> [u32; 5] {
    let sni = match &policy.tls {
        Some(ClientTls::Originate(tls)) => tls
            .sni
            .as_deref()
            .unwrap()
            .trim_end_matches(".com")
            .parse()
            .unwrap(),
        _ => 0,
    };
    [
        policy.connection_pool.max_connections.unwrap_or(0),
        policy.outlier_detection.as_ref().map_or(0, |it| it.server_errors),
        sni,
        policy.tunnel.as_ref().map_or(0, |it| u32::from(it.port)),
        policy.retry_budget.as_ref().map_or(0, |it| it.minimum),
    ]
}

#[test]
fn what_nothing_is_said_of_is_the_default() {
    assert_eq!(TrafficPolicy::merged(None, None, 80), TrafficPolicy::default());
    assert_eq!(merged(json!({}), json!({}), 80), TrafficPolicy::default());
}

#[test]
fn a_subset_replaces_piece_by_piece() {
    let all = merged(whole(2), json!({}), 80);
    assert_eq!(marks(&all), [2, 2, 2, 2, 2]);
    assert_eq!(all.load_balancer.simple, LoadBalancing::Random);
    assert_eq!(all.proxy_protocol, Some(ProxyProtocol::V2));
    assert_eq!(marks(&merged(whole(2), whole(3), 80)), [3, 3, 3, 3, 3]);
    let pool = json!({"connectionPool": {"http": {"maxRetries": 9}}});
    let own_pool = merged(whole(2), pool, 80);
    assert_eq!(
        marks(&own_pool),
        [0, 2, 2, 2, 2],
        "a piece is replaced as a whole"
    );
    assert_eq!(own_pool.connection_pool.max_retries, Some(9));
    assert_eq!(marks(&merged(json!({}), whole(3), 80)), [3, 3, 3, 3, 3]);
}

#[test]
fn policies_of_load_balancing_are_not_mixed() {
    let by_load =
        |period: &str| json!({"loadBalancer": {"backendUtilization": {"weightUpdatePeriod": period}}});
    let simple = || json!({"loadBalancer": {"simple": "RANDOM"}});
    let period = |policy: TrafficPolicy| {
        policy
            .load_balancer
            .backend_utilization
            .map(|it| it.update_period.as_secs())
    };
    assert_eq!(period(merged(by_load("2s"), json!({}), 80)), Some(2));
    assert_eq!(period(merged(by_load("2s"), by_load("3s"), 80)), Some(3));
    assert_eq!(period(merged(by_load("2s"), simple(), 80)), None);
    let over = merged(simple(), by_load("2s"), 80).load_balancer;
    assert_eq!(
        (over.simple, over.backend_utilization.is_some()),
        (LoadBalancing::LeastRequest, true)
    );
    let listed = with_port(by_load("2s"), 80, by_load("4s"));
    assert_eq!(period(merged(listed.clone(), json!({}), 80)), Some(4));
    assert_eq!(period(merged(listed, json!({}), 81)), Some(2));
}

#[test]
fn a_listed_port_has_nothing_of_its_level() {
    let host = with_port(
        whole(2),
        81,
        json!({"connectionPool": {"tcp": {"maxConnections": 4}}}),
    );
    assert_eq!(marks(&merged(host.clone(), json!({}), 80)), [2, 2, 2, 2, 2]);
    let listed = merged(host.clone(), json!({}), 81);
    assert_eq!(marks(&listed), [4, 0, 0, 0, 0]);
    assert_eq!(listed.load_balancer.simple, LoadBalancing::LeastRequest);
    assert_eq!(listed.proxy_protocol, None);
    // The subset's pieces for all ports go before those of the host for this one.
    assert_eq!(
        marks(&merged(host.clone(), json!({"tls": pieces(3)["tls"]}), 81)),
        [4, 0, 3, 0, 0]
    );
    // A port that the subset lists has nothing of the host but what no port can have of its own.
    let subset = with_port(json!({}), 80, pieces(5));
    assert_eq!(marks(&merged(host.clone(), subset, 80)), [5, 5, 5, 2, 2]);
    let empty = with_port(whole(3), 80, json!({}));
    assert_eq!(marks(&merged(host, empty, 80)), [0, 0, 0, 2, 2]);
}

#[test]
fn ports_that_cannot_be_are_pointed_out() {
    let (level, problems) = level(json!({"portLevelSettings": [
        {"port": {"number": 0}},
        {"port": {"number": 65536}},
        {},
        {"port": {"number": 80}, "connectionPool": {"tcp": {"maxConnections": 1}}},
        {"port": {"number": 80}, "connectionPool": {"tcp": {"maxConnections": -2}}},
    ]}));
    assert_eq!(
        problems,
        [
            "error f.portLevelSettings[0].port.number",
            "error f.portLevelSettings[1].port.number",
            "error f.portLevelSettings[2].port.number",
            "error f.portLevelSettings[4].connectionPool.tcp.maxConnections",
            "warning f.portLevelSettings[4].port.number",
        ]
    );
    assert_eq!(marks(&TrafficPolicy::merged(Some(&level), None, 80))[0], 1);
}

#[test]
fn tunnels_and_budgets_are_checked() {
    let (read, problems) = level(json!({
        "tunnel": {"protocol": "GET", "targetPort": 70000},
        "retryBudget": {"percent": 120, "budgetInterval": "0s"},
        "proxyProtocol": {},
    }));
    assert_eq!(
        problems,
        [
            "error f.tunnel.protocol",
            "error f.tunnel.targetHost",
            "error f.tunnel.targetPort",
            "error f.retryBudget.percent",
        ]
    );
    let policy = TrafficPolicy::merged(Some(&read), None, 80);
    assert_eq!(policy.tunnel, None);
    assert_eq!(policy.proxy_protocol, Some(ProxyProtocol::V1));
    let budget = RetryBudget {
        percent: 20.0,
        minimum: 3,
        interval: None,
    };
    assert_eq!(policy.retry_budget, Some(budget));
    let post = merged(
        json!({"tunnel": {"protocol": "POST", "targetHost": "t", "targetPort": 1}, "retryBudget": {"budgetInterval": "2s"}}),
        json!({}),
        80,
    );
    assert!(post.tunnel.unwrap().by_post);
    assert_eq!(post.retry_budget.unwrap().interval, Some(Duration::from_secs(2)));
}

proptest! {
    /// Against the rule said for one piece: the subset's port, the subset, the host's port, the host; where a level lists the
    /// port, its search ends there.
    #[test]
    fn merging_is_as_it_is_said(
        host in prop::option::of(1u32..9),
        host_port in prop::option::of(prop::option::of(1u32..9)),
        subset in prop::option::of(1u32..9),
        subset_port in prop::option::of(prop::option::of(1u32..9)),
    ) {
        let pool = |mark: Option<u32>| match mark {
            Some(mark) => json!({"connectionPool": {"tcp": {"maxConnections": mark}}}),
            None => json!({}),
        };
        let form = |all, port: Option<Option<u32>>| match port {
            Some(port) => with_port(pool(all), 80, pool(port)),
            None => pool(all),
        };
        let expected = match (subset_port, subset, host_port) {
            (Some(listed), _, _) => listed,
            (None, Some(subset), _) => Some(subset),
            (None, None, Some(listed)) => listed,
            (None, None, None) => host,
        };
        let policy = merged(form(host, host_port), form(subset, subset_port), 80);
        prop_assert_eq!(policy.connection_pool.max_connections, expected);
    }
}
