//! Compiled policies against an interpreter that reads the forms anew for every connection.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use cairn_api::istio::{
    Action, AuthorizationPolicy, AuthorizationPolicySpec, Condition, From, Operation, Rule, Source, To,
    WorkloadSelector,
};
use cairn_api::k8s::{ConfigMap, Pod};
use cairn_api::meta::Key;
use cairn_config::{Objects, State};
use cairn_identity::SpiffeId;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Connection, Verdict};
use crate::snapshot::Snapshot;

const DOMAINS: [&str; 2] = ["td", "old"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_policies_say_what_is_written(
        policies in vec(policy(), 0..5),
        connections in vec(connection(), 12),
    ) {
        let snapshot = compile(&policies);
        for connection in connections {
            let workload = snapshot.workload(&format!("Kubernetes//Pod/{}", connection.pod)).unwrap();
            let destination = (workload.addresses[0], connection.port).into();
            let source = IpAddr::V4(connection.source);
            let seen = Connection { peer: connection.peer.as_ref(), source, destination };
            let compiled = snapshot.l4().verdict(workload, &seen);
            let expected = naive::allows(&policies, &connection, &workload.labels);
            prop_assert_eq!(compiled == Verdict::Allow, expected, "{:?} {:?}", compiled, connection);
        }
    }
}

fn compile(policies: &[AuthorizationPolicy]) -> Snapshot {
    let mut objects = Objects::default();
    for (index, (namespace, name, app)) in [("a", "x", "x"), ("a", "y", "y"), ("b", "x", "x")]
        .into_iter()
        .enumerate()
    {
        let mut pod = Pod::default();
        pod.metadata.labels.insert("app".to_owned(), app.to_owned());
        pod.metadata.name = name.to_owned();
        pod.metadata.namespace = namespace.to_owned();
        pod.status.get_or_insert_default().pod_ip = format!("10.1.0.{}", index + 1);
        objects.pods.insert(Key::new(namespace, name), Arc::new(pod));
    }
    for (index, policy) in policies.iter().enumerate() {
        let mut policy = policy.clone();
        policy.metadata.name = format!("p{index}");
        objects
            .authorization_policies
            .insert(policy.metadata.key(), Arc::new(policy));
    }
    let mut config = ConfigMap::default();
    config.data.insert(
        "mesh".to_owned(),
        "{trustDomain: td, trustDomainAliases: [old]}".to_owned(),
    );
    objects
        .config_maps
        .insert(Key::new("istio-system", "istio"), Arc::new(config));
    Snapshot::compile(&State::from_objects(objects)).0
}

#[derive(Clone, Debug)]
struct Arrives {
    pod: &'static str,
    peer: Option<SpiffeId>,
    source: Ipv4Addr,
    port: u16,
}

fn connection() -> impl Strategy<Value = Arrives> {
    let peer = (
        select(vec!["td", "old", "third"]),
        select(vec!["a", "b"]),
        select(vec!["x", "y"]),
    );
    let peer = option::weighted(
        0.8,
        peer.prop_map(|(domain, namespace, account)| SpiffeId::new(domain, namespace, account)),
    );
    let source = select(vec![[10, 1, 0, 1], [10, 1, 0, 2], [192, 168, 0, 1]]).prop_map(Ipv4Addr::from);
    (
        select(vec!["a/x", "a/y", "b/x"]),
        peer,
        source,
        select(vec![80, 8080]),
    )
        .prop_map(|(pod, peer, source, port)| Arrives {
            pod,
            peer,
            source,
            port,
        })
}

fn policy() -> impl Strategy<Value = AuthorizationPolicy> {
    let selector = option::weighted(0.5, select(vec!["x", "y"]));
    let action = select(vec![
        None,
        Some(Action::Allow),
        Some(Action::Deny),
        Some(Action::Deny),
    ]);
    (
        select(vec!["a", "b", "istio-system"]),
        selector,
        action,
        vec(rule(), 0..4),
    )
        .prop_map(|(namespace, app, action, rules)| {
            let selector = app.map(|app| WorkloadSelector {
                match_labels: BTreeMap::from([("app".to_owned(), app.to_owned())]),
            });
            let spec = AuthorizationPolicySpec {
                selector,
                action,
                rules,
                ..Default::default()
            };
            let mut policy = AuthorizationPolicy {
                spec,
                ..Default::default()
            };
            policy.metadata.namespace = namespace.to_owned();
            policy
        })
}

fn rule() -> impl Strategy<Value = Rule> {
    let from = vec(source().prop_map(|source| From { source: Some(source) }), 0..3);
    let to = vec(
        operation().prop_map(|operation| To {
            operation: Some(operation),
        }),
        0..3,
    );
    (from, to, vec(condition(), 0..3)).prop_map(|(from, to, when)| Rule { from, to, when })
}

/// Mostly nothing, else one or two of the values, rarely the odd one.
fn some(values: &'static [&'static str], odd: &'static str) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        60 => Just(Vec::new()),
        39 => vec(select(values).prop_map(str::to_owned), 1..3),
        1 => Just(vec![odd.to_owned()]),
    ]
}

const PRINCIPALS: &[&str] = &[
    "td/ns/a/sa/x",
    "old/ns/a/sa/x",
    "cluster.local/ns/b/sa/y",
    "third/ns/a/sa/y",
    "spiffe://td/ns/b/sa/x",
    "td/ns/b/*",
    "third/*",
    "*/sa/y",
    "*",
];
const NAMESPACES: &[&str] = &["a", "b", "a*", "*b", "*"];
const ACCOUNTS: &[&str] = &["x", "a/x", "b/y"];
const ADDRESSES: &[&str] = &["10.1.0.1", "10.0.0.0/8", "192.168.0.0/16", "::/0", "0.0.0.0/0"];
const PORTS: &[&str] = &["80", "8080", "9999"];

fn source() -> impl Strategy<Value = Source> {
    let pair = |values, odd| (some(values, odd), some(values, odd));
    let request = some(&["*"], "x");
    (
        pair(PRINCIPALS, "a*b*"),
        pair(NAMESPACES, "*b*"),
        pair(ACCOUNTS, "a/b/c"),
        pair(ADDRESSES, "10.0.0.0/40"),
        pair(&["td", "t*"], "*t*"),
        prop_oneof![9 => Just(Vec::new()), 1 => request],
    )
        .prop_map(
            |(principals, namespaces, accounts, ips, domains, request_principals)| Source {
                principals: principals.0,
                not_principals: principals.1,
                namespaces: namespaces.0,
                not_namespaces: namespaces.1,
                service_accounts: accounts.0,
                not_service_accounts: accounts.1,
                ip_blocks: ips.0,
                not_ip_blocks: ips.1,
                trust_domains: domains.0,
                not_trust_domains: domains.1,
                request_principals,
                ..Default::default()
            },
        )
}

fn operation() -> impl Strategy<Value = Operation> {
    let methods = prop_oneof![9 => Just(Vec::new()), 1 => some(&["GET"], "PUT")];
    let ports = vec(select(PORTS).prop_map(str::to_owned), 1..3);
    (
        prop_oneof![4 => ports, 1 => some(PORTS, "0")],
        some(PORTS, "http"),
        methods,
    )
        .prop_map(|(ports, not_ports, methods)| Operation {
            ports,
            not_ports,
            methods,
            ..Default::default()
        })
}

fn condition() -> impl Strategy<Value = Condition> {
    let keyed = |key: &'static str, values: &'static [&'static str]| {
        vec(select(values).prop_map(str::to_owned), 0..3).prop_map(move |values| (key, values))
    };
    let attribute = prop_oneof![
        9 => keyed("source.principal", PRINCIPALS),
        9 => keyed("source.namespace", NAMESPACES),
        9 => keyed("source.ip", ADDRESSES),
        9 => keyed("source.serviceAccount", ACCOUNTS),
        9 => keyed("destination.ip", ADDRESSES),
        9 => keyed("destination.port", PORTS),
        3 => keyed("request.headers[x]", PORTS),
        1 => keyed("source.port", PORTS),
    ];
    (attribute, any::<bool>()).prop_map(|((key, values), negated)| {
        let (values, not_values) = if negated {
            (Vec::new(), values)
        } else {
            (values, Vec::new())
        };
        Condition {
            key: key.to_owned(),
            values,
            not_values,
        }
    })
}

/// Reads policies as their documentation does, without compiling anything.
mod naive {
    use super::{
        Action, Arrives, AuthorizationPolicy, BTreeMap, Condition, DOMAINS, Operation, Rule, Source,
    };

    pub(super) fn allows(
        policies: &[AuthorizationPolicy],
        connection: &Arrives,
        labels: &BTreeMap<String, String>,
    ) -> bool {
        let (namespace, _) = connection.pod.split_once('/').unwrap();
        let selected: Vec<&AuthorizationPolicy> = policies
            .iter()
            .filter(|policy| {
                let here =
                    policy.metadata.namespace == namespace || policy.metadata.namespace == "istio-system";
                let selector = policy
                    .spec
                    .selector
                    .as_ref()
                    .map(|selector| &selector.match_labels);
                here && selector.is_none_or(|selector| selector.iter().all(|(k, v)| labels.get(k) == Some(v)))
            })
            .collect();
        let of = |action: Action| {
            selected
                .iter()
                .filter(move |policy| policy.spec.action.unwrap_or(Action::Allow) == action)
        };
        if selected
            .iter()
            .any(|policy| policy.spec.rules.iter().any(|rule| !understood(rule)))
        {
            return false;
        }
        let met = |policy: &AuthorizationPolicy, beyond: bool| {
            policy.spec.rules.iter().any(|rule| {
                (beyond || !sees_requests(rule)) && meets(rule, connection, &policy.metadata.namespace)
            })
        };
        if of(Action::Deny).any(|policy| met(policy, true)) {
            return false;
        }
        of(Action::Allow).next().is_none() || of(Action::Allow).any(|policy| met(policy, false))
    }

    fn understood(rule: &Rule) -> bool {
        let text = |text: &String| {
            let inner = text.trim_start_matches("spiffe://");
            let inner = inner
                .strip_prefix('*')
                .unwrap_or_else(|| inner.strip_suffix('*').unwrap_or(inner));
            !inner.contains('*') && !text.is_empty()
        };
        let account = |text: &String| text.matches('/').count() < 2;
        let address = |text: &String| !text.ends_with("/40");
        let port = |text: &String| text.parse::<u16>().is_ok_and(|port| port > 0);
        let sources = rule.from.iter().all(|from| {
            let source = from.source.as_ref().unwrap();
            *source != Source::default()
                && [
                    &source.principals,
                    &source.not_principals,
                    &source.namespaces,
                    &source.not_namespaces,
                ]
                .iter()
                .chain(&[&source.trust_domains, &source.not_trust_domains])
                .all(|values| values.iter().all(text))
                && source
                    .service_accounts
                    .iter()
                    .chain(&source.not_service_accounts)
                    .all(account)
                && source.ip_blocks.iter().chain(&source.not_ip_blocks).all(address)
        });
        let operations = rule.to.iter().all(|to| {
            let operation = to.operation.as_ref().unwrap();
            *operation != Operation::default() && operation.ports.iter().chain(&operation.not_ports).all(port)
        });
        let conditions = rule.when.iter().all(|condition| {
            condition.key != "source.port" && condition.values.len() + condition.not_values.len() > 0
        });
        sources && operations && conditions
    }

    fn sees_requests(rule: &Rule) -> bool {
        rule.from
            .iter()
            .any(|from| !from.source.as_ref().unwrap().request_principals.is_empty())
            || rule
                .to
                .iter()
                .any(|to| !to.operation.as_ref().unwrap().methods.is_empty())
            || rule
                .when
                .iter()
                .any(|condition| condition.key.starts_with("request."))
    }

    fn meets(rule: &Rule, connection: &Arrives, own: &str) -> bool {
        let from = rule.from.is_empty()
            || rule
                .from
                .iter()
                .any(|from| is_source(from.source.as_ref().unwrap(), connection, own));
        let to = rule.to.is_empty()
            || rule
                .to
                .iter()
                .any(|to| is_operation(to.operation.as_ref().unwrap(), connection));
        from && to
            && rule
                .when
                .iter()
                .all(|condition| is_condition(condition, connection, own))
    }

    fn is_source(source: &Source, connection: &Arrives, own: &str) -> bool {
        [
            ("source.principal", &source.principals, &source.not_principals),
            ("source.namespace", &source.namespaces, &source.not_namespaces),
            (
                "source.serviceAccount",
                &source.service_accounts,
                &source.not_service_accounts,
            ),
            (
                "source.trustDomain",
                &source.trust_domains,
                &source.not_trust_domains,
            ),
            ("source.ip", &source.ip_blocks, &source.not_ip_blocks),
        ]
        .into_iter()
        .all(|(key, values, not_values)| holds(key, values, not_values, connection, own))
    }

    fn is_operation(operation: &Operation, connection: &Arrives) -> bool {
        holds(
            "destination.port",
            &operation.ports,
            &operation.not_ports,
            connection,
            "",
        )
    }

    fn is_condition(condition: &Condition, connection: &Arrives, own: &str) -> bool {
        condition.key.starts_with("request.")
            || holds(
                &condition.key,
                &condition.values,
                &condition.not_values,
                connection,
                own,
            )
    }

    fn holds(key: &str, values: &[String], not_values: &[String], connection: &Arrives, own: &str) -> bool {
        let is = |value: &String| equals(key, value, connection, own);
        (values.is_empty() || values.iter().any(is)) && !not_values.iter().any(is)
    }

    fn equals(key: &str, value: &str, connection: &Arrives, own: &str) -> bool {
        let peer = connection.peer.as_ref();
        match key {
            "destination.port" => value == connection.port.to_string(),
            "source.ip" => is_within(value, connection.source.octets()),
            "destination.ip" => {
                let index = ["a/x", "a/y", "b/x"]
                    .iter()
                    .position(|pod| *pod == connection.pod)
                    .unwrap();
                is_within(value, [10, 1, 0, u8::try_from(index).unwrap() + 1])
            }
            "source.namespace" => peer.is_some_and(|peer| glob(value, peer.namespace())),
            "source.trustDomain" => peer.is_some_and(|peer| glob(value, peer.trust_domain())),
            "source.serviceAccount" => peer.is_some_and(|peer| {
                let whole = if value.contains('/') {
                    value.to_owned()
                } else {
                    format!("{own}/{value}")
                };
                whole == format!("{}/{}", peer.namespace(), peer.service_account())
            }),
            "source.principal" => peer.is_some_and(|peer| {
                let value = value.trim_start_matches("spiffe://");
                let principal = peer.to_string().replace("spiffe://", "");
                let ours = DOMAINS
                    .iter()
                    .any(|domain| principal.starts_with(&format!("{domain}/")));
                let local = DOMAINS
                    .iter()
                    .chain(&["cluster.local"])
                    .find_map(|domain| value.strip_prefix(&format!("{domain}/")));
                match (local, principal.split_once('/')) {
                    (Some(value), Some((_, principal))) if ours => glob(value, principal),
                    _ => glob(value, &principal),
                }
            }),
            other => panic!("{other}"),
        }
    }

    fn glob(pattern: &str, text: &str) -> bool {
        match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
            (Some(""), _) => !text.is_empty(),
            (Some(end), _) => text.ends_with(end),
            (None, Some(start)) => text.starts_with(start),
            (None, None) => pattern == text,
        }
    }

    fn is_within(range: &str, address: [u8; 4]) -> bool {
        let (network, length) = range.split_once('/').unwrap_or((range, "32"));
        if network.contains(':') {
            return false;
        }
        let octets: Vec<u8> = network.split('.').map(|octet| octet.parse().unwrap()).collect();
        let bits = |octets: &[u8]| {
            octets
                .iter()
                .fold(0u64, |bits, octet| bits << 8 | u64::from(*octet))
        };
        let drop = 32 - length.parse::<u32>().unwrap();
        bits(&octets) >> drop == bits(&address) >> drop
    }
}
