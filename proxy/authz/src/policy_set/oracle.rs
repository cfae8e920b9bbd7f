//! The compiled set against an interpreter of the YAML that does as Istio does: it turns every value into a regular expression.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::net::IpAddr;
use std::sync::LazyLock;

use cairn_api::istio::Action;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::*;
use crate::fixtures::{Call, Token, policy};

mod interpreter;

use interpreter::{asked, audited, decide};

const NOTED: &str = "experimental.envoy.filters.tagger[level]";

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

const REQUEST_PRINCIPALS: &[&str] = &[
    "*",
    "https://i/alice",
    "https://i/*",
    "https://i/a*",
    "*/bob",
    "*ce",
    "https*",
    "j",
    "j/",
    "*://i/bob",
    "*/*",
    "j/bob",
];
const CLAIMS: &[&str] = &["x", "y", "x*", "*y", "*", "xy"];

const SOURCES: Fields = &[
    ("principals", PRINCIPALS, ""),
    ("notPrincipals", PRINCIPALS, ""),
    ("requestPrincipals", REQUEST_PRINCIPALS, ""),
    ("notRequestPrincipals", REQUEST_PRINCIPALS, ""),
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
    ("request.auth.principal", REQUEST_PRINCIPALS, ""),
    ("request.auth.audiences", CLAIMS, ""),
    ("request.auth.presenter", CLAIMS, ""),
    ("request.auth.claims[groups]", CLAIMS, ""),
    ("request.auth.claims[scope]", CLAIMS, ""),
    ("request.auth.claims[a][b]", CLAIMS, ""),
];

fn values(good: &'static [&'static str], bad: &'static str) -> impl Strategy<Value = Vec<&'static str>> {
    let value = prop_oneof![900 => select(good), 1 => Just(bad)];
    prop_oneof![3 => vec(value.clone(), 1..=1), 2 => vec(value, 1..=3)]
}

/// An object with one or two of the fields; rarely with none.
fn object(fields: Fields) -> impl Strategy<Value = Value> {
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
        json!({"key": "source.ip"}),
    ]);
    prop_oneof![150 => known, 1 => rare]
}

fn rule() -> impl Strategy<Value = Value> {
    let count = || prop_oneof![4 => Just(0usize), 5 => Just(1), 2 => Just(2)];
    let from = (count(), vec(object(SOURCES), 2));
    let to = (count(), vec(object(OPERATIONS), 2));
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
        "ALLOW", "ALLOW", "ALLOW", "DENY", "DENY", "DENY", "CUSTOM", "CUSTOM", "AUDIT",
    ]);
    let provider = prop_oneof![20 => Just(Some("b")), 20 => Just(Some("a")), 1 => Just(None)];
    let one = (
        action,
        provider,
        prop_oneof![vec(rule(), 0..=3), vec(rule(), 4..=14)],
    );
    vec(one, 1..=4).prop_map(|all| {
        let policies = all.into_iter().enumerate();
        policies
            .map(|(n, (action, provider, rules))| {
                let mut spec = json!({"action": action, "rules": rules});
                if let (Some(name), "CUSTOM") = (provider, action) {
                    spec["provider"] = json!({"name": name});
                }
                policy(&format!("p{n}"), spec)
            })
            .collect()
    })
}

static TOKENS: LazyLock<Vec<Token>> = LazyLock::new(|| {
    let mut tokens = vec![];
    for (issuer, subject) in [
        ("https://i", Some("alice")),
        ("https://i", Some("bob")),
        ("https://i", None),
        ("j", Some("bob")),
        ("j", Some("")),
        ("j", Some("*")),
    ] {
        for claims in [
            json!({}),
            json!({"aud": "x", "azp": "y", "groups": ["x", "y"], "scope": "x xy", "a": {"b": "x"}}),
            json!({"aud": ["y", "z"], "azp": "xy", "groups": "x", "scope": " y ", "a": "x"}),
            json!({"aud": ["xy"], "azp": "", "groups": [], "scope": ["x y"], "a": {"b": ["y", 1, "z"]}}),
        ] {
            let mut claims = claims;
            claims["iss"] = json!(issuer);
            if let Some(subject) = subject {
                claims["sub"] = json!(subject);
            }
            tokens.push(Token::new(claims));
        }
    }
    tokens
});

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
        prop_oneof![1 => Just(None), 5 => select(&**TOKENS).prop_map(Some)],
    )
        .prop_map(
            |(
                peer,
                (source, remote, destination, port),
                (method, path, authority),
                headers,
                sni,
                tcp,
                token,
            )| {
                let call = Call {
                    token,
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
            let audit = set.audit(&call.request()).map(|rule| rule.to_string());
            prop_assert_eq!(audit, audited(&policies, call), "{:#?}\n{:#?}", policies, call);
            let customs = set.customs(&call.request());
            let customs: Vec<_> =
                customs.map(|one| (one.provider.to_string(), one.policy.to_string())).collect();
            prop_assert_eq!(customs, asked(&policies, call), "{:#?}\n{:#?}", policies, call);
        }
    }
}

/// The decision that follows from the explanation.
fn explained(set: &PolicySet, call: &Call) -> bool {
    use crate::explain::Outcome;
    let steps = set.explain(&call.request());
    let refused = steps.iter().any(|step| match step.outcome {
        Outcome::Broken(_) => step.action != Action::Audit,
        Outcome::Matches => step.action == Action::Deny || (call.tcp && step.action == Action::Custom),
        _ => false,
    });
    let mut allow = steps
        .iter()
        .filter(|step| step.action == Action::Allow)
        .peekable();
    !refused && (allow.peek().is_none() || allow.any(|step| step.outcome == Outcome::Matches))
}
