//! The compiled set against an interpreter of the YAML that does as Istio does: it turns every value into a regular expression.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;

use cairn_api::istio::{Action, Condition, Operation, Rule as RuleForm, Source};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use regex::{Regex, escape};
use serde_json::{Map, Value, json};

use super::*;
use crate::fixtures::{Call, policy};

const NOTED: &str = "experimental.envoy.filters.tagger[level]";
const DOMAINS: [&str; 2] = ["cluster.local", "alias.td"];

/// The details of the refusal; `None`: it passes.
fn decide(policies: &[Arc<AuthorizationPolicy>], call: &Call) -> Option<String> {
    let action = |policy: &AuthorizationPolicy| policy.spec.action.unwrap_or_default();
    let name = |policy: &AuthorizationPolicy, rule: usize| {
        format!(
            "rbac_access_denied_matched_policy[ns[default]-policy[{}]-rule[{rule}]]",
            policy.metadata.name
        )
    };
    for stage in [Action::Custom, Action::Deny] {
        let mut names = vec![];
        for policy in policies {
            let broken = policy
                .spec
                .rules
                .iter()
                .position(|rule| is_broken(rule, action(policy)));
            let effective = match broken {
                Some(_) if action(policy) == Action::Allow => Action::Deny,
                _ => action(policy),
            };
            if effective != stage {
                continue;
            }
            match broken {
                Some(rule) => names.push(name(policy, rule)),
                None => {
                    for (index, rule) in policy.spec.rules.iter().enumerate() {
                        if matches(rule, action(policy), call) {
                            names.push(name(policy, index));
                        }
                    }
                }
            }
        }
        if let Some(first) = names.into_iter().min() {
            return Some(first);
        }
    }
    let mut allow = policies
        .iter()
        .filter(|policy| action(policy) == Action::Allow)
        .peekable();
    allow.peek()?;
    let allowed = allow.any(|policy| {
        policy
            .spec
            .rules
            .iter()
            .any(|rule| matches(rule, Action::Allow, call))
    });
    (!allowed).then(|| "rbac_access_denied_matched_policy[none]".to_owned())
}

/// A list of values, by what it is about.
struct List<'a>(&'a str, &'a [String], bool);

fn source_lists(s: &Source) -> Vec<List<'_>> {
    vec![
        List("source.principal", &s.principals, false),
        List("source.principal", &s.not_principals, true),
        List("request.auth.principal", &s.request_principals, false),
        List("request.auth.principal", &s.not_request_principals, true),
        List("source.namespace", &s.namespaces, false),
        List("source.namespace", &s.not_namespaces, true),
        List("source.serviceAccount", &s.service_accounts, false),
        List("source.serviceAccount", &s.not_service_accounts, true),
        List("source.trustDomain", &s.trust_domains, false),
        List("source.trustDomain", &s.not_trust_domains, true),
        List("source.ip", &s.ip_blocks, false),
        List("source.ip", &s.not_ip_blocks, true),
        List("remote.ip", &s.remote_ip_blocks, false),
        List("remote.ip", &s.not_remote_ip_blocks, true),
    ]
}

fn operation_lists(o: &Operation) -> Vec<List<'_>> {
    vec![
        List("host", &o.hosts, false),
        List("host", &o.not_hosts, true),
        List("destination.port", &o.ports, false),
        List("destination.port", &o.not_ports, true),
        List("method", &o.methods, false),
        List("method", &o.not_methods, true),
        List("path", &o.paths, false),
        List("path", &o.not_paths, true),
    ]
}

fn condition_lists(c: &Condition) -> Vec<List<'_>> {
    vec![List(&c.key, &c.values, false), List(&c.key, &c.not_values, true)]
}

/// The lists of a rule, as alternatives of sources, of operations, and the rest.
fn parts(rule: &RuleForm) -> [Vec<Vec<List<'_>>>; 3] {
    [
        rule.from
            .iter()
            .map(|from| from.source.as_ref().map(source_lists).unwrap_or_default())
            .collect(),
        rule.to
            .iter()
            .map(|to| to.operation.as_ref().map(operation_lists).unwrap_or_default())
            .collect(),
        rule.when.iter().map(condition_lists).collect(),
    ]
}

fn is_broken(rule: &RuleForm, action: Action) -> bool {
    let bad_value = |key: &str, value: &str| {
        value.is_empty()
            || match key {
                "destination.port" => !full(r"\d+", value) || value.parse::<u32>().unwrap() > 65535,
                "source.ip" | "remote.ip" => {
                    value.parse::<IpAddr>().is_err() && value.parse::<ipnet::IpNet>().is_err()
                }
                "path" => value.contains("{*}") && value.contains("/*"),
                "source.serviceAccount" => value.contains('*'),
                _ => false,
            }
    };
    let token =
        |key: &str, negated: bool| key.starts_with("request.auth") && (action == Action::Allow) == negated;
    let unknown = |key: &str| key.starts_with("experimental") && key != NOTED;
    parts(rule).iter().flatten().any(|lists| {
        let set = |wanted: &str| {
            lists
                .iter()
                .any(|List(key, values, _)| *key == wanted && !values.is_empty())
        };
        lists.iter().all(|List(_, values, _)| values.is_empty())
            || (set("source.serviceAccount") && (set("source.principal") || set("source.namespace")))
            || lists.iter().any(|List(key, values, negated)| {
                !values.is_empty()
                    && (unknown(key)
                        || token(key, *negated)
                        || values.iter().any(|value| bad_value(key, value)))
            })
    })
}

fn matches(rule: &RuleForm, action: Action, call: &Call) -> bool {
    let is_http =
        |key: &str| ["host", "method", "path"].contains(&key) || key.starts_with("request.") || key == NOTED;
    let [from, to, when] = parts(rule);
    let any_http = [&from, &to, &when]
        .into_iter()
        .flatten()
        .flatten()
        .any(|List(key, values, _)| is_http(key) && !values.is_empty());
    if call.tcp && action == Action::Allow && any_http {
        return false;
    }
    let all = |lists: &Vec<List<'_>>| {
        lists.iter().all(|List(key, values, negated)| {
            if values.is_empty() || (call.tcp && is_http(key)) {
                return true;
            }
            let strict = (action == Action::Allow) != *negated;
            values.iter().any(|value| value_matches(key, value, strict, call)) != *negated
        })
    };
    (from.is_empty() || from.iter().any(all)) && (to.is_empty() || to.iter().any(all)) && when.iter().all(all)
}

fn full(regex: &str, text: &str) -> bool {
    thread_local! {
        static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        let compile = || Regex::new(&format!("^(?s:{regex})$")).unwrap();
        compiled
            .entry(regex.to_owned())
            .or_insert_with(compile)
            .is_match(text)
    })
}

fn pattern(value: &str, start: &str) -> String {
    match value {
        "*" => ".+".to_owned(),
        _ if value.starts_with('*') => format!("{start}.*{}", escape(&value[1..])),
        _ if value.ends_with('*') => format!("{start}{}.*", escape(&value[..value.len() - 1])),
        _ => format!("{start}{}", escape(value)),
    }
}

fn value_matches(key: &str, value: &str, strict: bool, call: &Call) -> bool {
    let peer = call.peer.as_ref().map(ToString::to_string).unwrap_or_default();
    let within = |address: IpAddr| {
        let block = value
            .parse()
            .unwrap_or_else(|_| ipnet::IpNet::from(value.parse::<IpAddr>().unwrap().to_canonical()));
        block.contains(&address.to_canonical())
    };
    match key {
        "source.principal" => {
            let value = value.strip_prefix("spiffe://").unwrap_or(value);
            let parts: Vec<&str> = value.splitn(2, '/').collect();
            if value.split('/').count() == 5 && DOMAINS.contains(&parts[0]) {
                DOMAINS
                    .iter()
                    .any(|domain| full(&pattern(&format!("{domain}/{}", parts[1]), "spiffe://"), &peer))
            } else {
                full(&pattern(value, "spiffe://"), &peer)
            }
        }
        "source.namespace" => full(
            &format!(".*/ns/{}/.*", escape(value).replace("\\*", "[^/]*")),
            &peer,
        ),
        "source.serviceAccount" => {
            let (namespace, name) = value.split_once('/').unwrap_or(("default", value));
            full(
                &format!(
                    "spiffe://.+/ns/{}/(.+/|)sa/{}(/.+)?",
                    escape(namespace),
                    escape(name)
                ),
                &peer,
            )
        }
        "source.trustDomain" => {
            let values = if DOMAINS.contains(&value) {
                DOMAINS.to_vec()
            } else {
                vec![value]
            };
            values.iter().any(|value| {
                full(
                    &format!("spiffe://{}/.*", escape(value).replace("\\*", "[^/]*")),
                    &peer,
                )
            })
        }
        "source.ip" => within(call.source_ip),
        "remote.ip" => within(call.remote_ip),
        "destination.ip" => within(call.destination.ip()),
        "destination.port" => value.parse() == Ok(call.destination.port()),
        "connection.sni" => full(&pattern(value, ""), call.sni.as_deref().unwrap_or_default()),
        "host" => full(&format!("(?i){}", pattern(value, "")), &call.authority),
        "method" => full(&pattern(value, ""), &call.method),
        "path" if value.contains("{*") => {
            let (one, any) = match strict {
                true => ("[a-zA-Z0-9-._~%!$&'()+,;:@]+", "[a-zA-Z0-9-._~%!$&'()+,;:@/]*"),
                false => ("[^/]+", ".*"),
            };
            full(
                &escape(value)
                    .replace(&escape("{**}"), any)
                    .replace(&escape("{*}"), one),
                &call.path,
            )
        }
        "path" => full(&pattern(value, ""), &call.path),
        "request.headers[x]" => {
            let mut lines = call
                .headers
                .get_all("x")
                .iter()
                .map(|line| line.to_str().unwrap());
            lines.any(|line| value == "*" || full(&pattern(value, ""), line))
        }
        NOTED => {
            let is_level = |filter: &str, key: &str| filter == "tagger" && key == "level";
            let mut levels = call.noted.iter().filter(|(filter, key, _)| is_level(filter, key));
            levels.any(|(_, _, level)| value == "*" || full(&pattern(value, ""), level))
        }
        "request.headers[:authority]" => full(&pattern(value, ""), &call.authority),
        _ if key.starts_with("request.auth") => false,
        _ => panic!("{key}"),
    }
}

/// Fields, their good values, and a bad one.
type Fields = &'static [(&'static str, &'static [&'static str], &'static str)];

const PRINCIPALS: &[&str] = &[
    "cluster.local/ns/default/sa/sleep",
    "*",
    "*/sa/sleep",
    "*/ns/web/sa/web",
    "*/web",
    "*/ns/sa/sa",
    "cluster.local/ns/default/*",
    "cluster.local/ns/web/sa/w*",
    "alias.td*",
    "spiffe://alias.td/ns/default/sa/web",
    "cluster.local/ns/web/sa/web",
    "other.td/ns/web/sa/web",
    "sleep",
];
const NAMESPACES: &[&str] = &["default", "web", "de*", "*b", "*", "d*t", "ns"];
const ACCOUNTS: &[&str] = &["sleep", "web/web", "default/web", "ns/sa"];
const TRUST_DOMAINS: &[&str] = &["cluster.local", "alias.td", "*.td", "other.td", "*l*"];
const BLOCKS: &[&str] = &[
    "10.0.0.1",
    "10.0.0.0/8",
    "192.0.2.0/24",
    "2001:db8::/32",
    "::ffff:10.0.0.1",
    "0.0.0.0/0",
];
const HOSTS: &[&str] = &["a.example", "*.example", "a.example:80", "A.*", "*", "B"];
const METHODS: &[&str] = &["GET", "POST", "P*", "*", "*T"];
const PATHS: &[&str] = &[
    "/a",
    "/a/*",
    "/a*",
    "*/c",
    "/a/{*}",
    "/a/{**}",
    "/{*}/b",
    "/{*}/b/{**}",
    "/a/{**}/c",
    "/{**}.x",
    "*",
    "/a/b/c",
    "/b",
    "/",
];
const PORTS: &[&str] = &["80", "5000", "05000"];

const SOURCES: Fields = &[
    ("principals", PRINCIPALS, ""),
    ("notPrincipals", PRINCIPALS, ""),
    ("namespaces", NAMESPACES, ""),
    ("notNamespaces", NAMESPACES, ""),
    ("serviceAccounts", ACCOUNTS, "*"),
    ("notServiceAccounts", ACCOUNTS, "*"),
    ("trustDomains", TRUST_DOMAINS, ""),
    ("notTrustDomains", TRUST_DOMAINS, ""),
    ("ipBlocks", BLOCKS, "10.0.0.0/33"),
    ("notIpBlocks", BLOCKS, "10.0.0"),
    ("remoteIpBlocks", BLOCKS, "x"),
    ("notRemoteIpBlocks", BLOCKS, "*"),
];
const OPERATIONS: Fields = &[
    ("hosts", HOSTS, ""),
    ("notHosts", HOSTS, ""),
    ("methods", METHODS, ""),
    ("notMethods", METHODS, ""),
    ("paths", PATHS, "/*/{*}"),
    ("paths", PATHS, ""),
    ("notPaths", PATHS, "/*/{*}"),
    ("ports", PORTS, "http"),
    ("notPorts", PORTS, "70000"),
];
const CONDITIONS: Fields = &[
    ("source.ip", BLOCKS, "x"),
    ("remote.ip", BLOCKS, "x"),
    ("source.namespace", NAMESPACES, ""),
    ("source.serviceAccount", ACCOUNTS, "*"),
    ("source.trustDomain", TRUST_DOMAINS, ""),
    ("source.principal", PRINCIPALS, ""),
    ("destination.ip", BLOCKS, ""),
    ("destination.port", PORTS, "x"),
    ("connection.sni", &["x", "*", "x*"], ""),
    ("request.headers[x]", &["1", "2", "*", "1*", "*2"], ""),
    (NOTED, &["1", "2", "*", "1*", "*2"], ""),
    ("request.headers[:authority]", &["a.example", "*"], ""),
];

fn values(good: &'static [&'static str], bad: &'static str) -> impl Strategy<Value = Vec<&'static str>> {
    let value = prop_oneof![900 => select(good), 1 => Just(bad)];
    prop_oneof![3 => vec(value.clone(), 1..=1), 2 => vec(value, 1..=3)]
}

/// An object with one or two of the fields; rarely with none, or with one about tokens.
fn object(fields: Fields, token: &'static str) -> impl Strategy<Value = Value> {
    let field = (0..fields.len()).prop_flat_map(move |index| {
        let (name, good, bad) = fields[index];
        (Just(name), values(good, bad))
    });
    let to_json = |fields: Vec<(&str, Vec<&str>)>| {
        let fields: Map<String, Value> = fields
            .into_iter()
            .map(|(name, values)| (name.to_owned(), json!(values)))
            .collect();
        Value::Object(fields)
    };
    prop_oneof![
        200 => vec(field.clone(), 1..=1).prop_map(to_json),
        150 => vec(field, 2..=2).prop_map(to_json),
        1 => Just(json!({})),
        1 => Just(if token.is_empty() { json!({}) } else { json!({token: ["*"]}) }),
    ]
}

fn condition() -> impl Strategy<Value = Value> {
    let known = (0..CONDITIONS.len()).prop_flat_map(|index| {
        let (key, good, bad) = CONDITIONS[index];
        let lists = prop_oneof![
            values(good, bad).prop_map(|values| (values, vec![])),
            values(good, bad).prop_map(|values| (vec![], values)),
            (values(good, bad), values(good, bad)),
        ];
        lists.prop_map(move |(values, not)| json!({"key": key, "values": values, "notValues": not}))
    });
    let rare = select(vec![
        json!({"key": "experimental.x[y]", "values": ["x"]}),
        json!({"key": "request.auth.claims[x]", "values": ["x"]}),
        json!({"key": "request.auth.principal", "notValues": ["x"]}),
        json!({"key": "source.ip"}),
    ]);
    prop_oneof![150 => known, 1 => rare]
}

fn rule() -> impl Strategy<Value = Value> {
    let count = || prop_oneof![4 => Just(0usize), 5 => Just(1), 2 => Just(2)];
    let from = (count(), vec(object(SOURCES, "notRequestPrincipals"), 2));
    let to = (count(), vec(object(OPERATIONS, ""), 2));
    let when = (
        prop_oneof![4 => Just(0usize), 2 => Just(1), 1 => Just(2)],
        vec(condition(), 2),
    );
    (from, to, when).prop_map(|((from_count, from), (to_count, to), (when_count, when))| {
        let from: Vec<Value> = from
            .into_iter()
            .take(from_count)
            .map(|source| json!({"source": source}))
            .collect();
        let to: Vec<Value> = to
            .into_iter()
            .take(to_count)
            .map(|operation| json!({"operation": operation}))
            .collect();
        let when: Vec<Value> = when.into_iter().take(when_count).collect();
        json!({"from": from, "to": to, "when": when})
    })
}

fn policies() -> impl Strategy<Value = Vec<Arc<AuthorizationPolicy>>> {
    let action = select(vec![
        "ALLOW", "ALLOW", "ALLOW", "DENY", "DENY", "DENY", "CUSTOM", "AUDIT",
    ]);
    let one = (action, prop_oneof![vec(rule(), 0..=3), vec(rule(), 4..=14)]);
    vec(one, 1..=4).prop_map(|all| {
        let policies = all.into_iter().enumerate();
        policies
            .map(|(n, (action, rules))| policy(&format!("p{n}"), json!({"action": action, "rules": rules})))
            .collect()
    })
}

fn call() -> impl Strategy<Value = Call> {
    const PEERS: &[&str] = &[
        "cluster.local/ns/default/sa/sleep",
        "cluster.local/ns/web/sa/web",
        "alias.td/ns/default/sa/web",
        "alias.td/ns/web/sa/web",
        "other.td/ns/web/sa/web",
        "cluster.local/ns/ns/sa/sa",
    ];
    const PATHS: &[&str] = &[
        "/a", "/a/", "/a/b", "/a/b/c", "/a/x=1", "/a/b/d.x", "/b", "/", "/x/b", "/x/b/", "/ä/b", "/A",
    ];
    let peer = prop_oneof![6 => select(PEERS).prop_map(|peer| Call::peer(peer).peer), 1 => Just(None)];
    let address = || {
        select(vec![
            "10.0.0.1",
            "10.9.9.9",
            "192.0.2.1",
            "2001:db8::1",
            "::ffff:10.0.0.1",
            "198.51.100.1",
        ])
    };
    let addresses = (address(), address(), address(), select(vec![80u16, 5000, 8080]));
    let head = (
        select(vec!["GET", "POST", "get"]),
        select(PATHS),
        select(vec!["a.example", "A.Example", "a.example:80", "b"]),
    );
    let headers = vec(select(vec!["1", "2", "12", ""]), 0..=2);
    (
        peer,
        addresses,
        head,
        headers,
        select(vec![None, Some("x"), Some("xy")]),
        any::<Index>(),
    )
        .prop_map(
            |(peer, (source, remote, destination, port), (method, path, authority), headers, sni, tcp)| {
                let call = Call {
                    peer,
                    source_ip: source.parse().unwrap(),
                    remote_ip: remote.parse().unwrap(),
                    destination: (destination.parse::<IpAddr>().unwrap(), port).into(),
                    method: method.to_owned(),
                    path: path.to_owned(),
                    authority: authority.to_owned(),
                    sni: sni.map(str::to_owned),
                    tcp: tcp.index(5) == 0,
                    ..Call::default()
                };
                let values = headers.into_iter();
                values.fold(call, |call, value| {
                    // The same value by another name, so that names count too.
                    let call = call.header("x", value).noted("tagger", value, "1");
                    call.noted("tagger", "level", value).noted("other", "level", "2")
                })
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_compiled_set_decides_as_the_interpreter(policies in policies(), calls in vec(call(), 6)) {
        let options = CompileOptions { aliases: vec!["alias.td".to_owned()], ..CompileOptions::default() };
        let (set, problems) = PolicySet::compile(&policies, [], &options);
        for call in &calls {
            let expected = decide(&policies, call);
            let found = match set.evaluate(&call.request()) {
                Verdict::Allow => None,
                Verdict::Deny(denial) => Some(denial.details.to_string()),
            };
            prop_assert_eq!(&found, &expected, "{:#?}\n{:#?}\n{:#?}", policies, call, problems);
            prop_assert_eq!(explained(&set, call), expected.is_none());
        }
    }
}

/// The decision that follows from the explanation.
fn explained(set: &PolicySet, call: &Call) -> bool {
    use crate::explain::Outcome;
    let steps = set.explain(&call.request());
    let refused = steps.iter().any(|step| match step.outcome {
        Outcome::Broken(_) => true,
        Outcome::Matches => step.action != Action::Allow,
        _ => false,
    });
    let mut allow = steps
        .iter()
        .filter(|step| step.action == Action::Allow)
        .peekable();
    !refused && (allow.peek().is_none() || allow.any(|step| step.outcome == Outcome::Matches))
}
