//! The interpreter.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use cairn_api::istio::{Action, AuthorizationPolicy, Condition, Operation, Rule as RuleForm, Source};
use regex::{Regex, escape};
use serde_json::Value;

use super::NOTED;
use crate::fixtures::Call;

const DOMAINS: [&str; 2] = ["cluster.local", "alias.td"];

fn action(policy: &AuthorizationPolicy) -> Action {
    policy.spec.action.unwrap_or_default()
}

fn name(policy: &AuthorizationPolicy, rule: usize) -> String {
    format!("ns[default]-policy[{}]-rule[{rule}]", policy.metadata.name)
}

/// The provider of a policy that needs one.
fn provider(policy: &AuthorizationPolicy) -> Option<&str> {
    policy.spec.provider.as_ref().map(|provider| &*provider.name)
}

/// The rule by which a policy denies, or audits, everything.
fn broken(policy: &AuthorizationPolicy) -> Option<usize> {
    if action(policy) == Action::Custom && provider(policy).is_none() {
        return Some(0);
    }
    policy.spec.rules.iter().position(is_broken)
}

/// The rules of a sound policy that match, by name.
fn matching<'a>(policy: &'a AuthorizationPolicy, call: &'a Call) -> impl Iterator<Item = String> + 'a {
    let rules = policy.spec.rules.iter().enumerate();
    rules
        .filter(|(_, rule)| matches(rule, action(policy), call))
        .map(|(index, _)| name(policy, index))
}

/// The details of the refusal; `None`: it passes.
pub(super) fn decide(policies: &[Arc<AuthorizationPolicy>], call: &Call) -> Option<String> {
    for stage in [Action::Custom, Action::Deny] {
        let mut names = vec![];
        for policy in policies {
            let broken = broken(policy);
            let effective = match broken {
                Some(_) if action(policy) == Action::Allow => Action::Deny,
                _ => action(policy),
            };
            if effective != stage {
                continue;
            }
            match broken {
                Some(rule) => names.push(name(policy, rule)),
                None if stage == Action::Custom && !call.tcp => {}
                None => names.extend(matching(policy, call)),
            }
        }
        if let Some(first) = names.into_iter().min() {
            return Some(format!("rbac_access_denied_matched_policy[{first}]"));
        }
    }
    let mut allow = policies
        .iter()
        .filter(|policy| action(policy) == Action::Allow)
        .peekable();
    allow.peek()?;
    let allowed = allow.any(|policy| matching(policy, call).next().is_some());
    (!allowed).then(|| "rbac_access_denied_matched_policy[none]".to_owned())
}

/// The rule that audits.
pub(super) fn audited(policies: &[Arc<AuthorizationPolicy>], call: &Call) -> Option<String> {
    let audits = policies.iter().filter(|policy| action(policy) == Action::Audit);
    audits
        .flat_map(|policy| match broken(policy) {
            Some(rule) => vec![name(policy, rule)],
            None => matching(policy, call).collect(),
        })
        .min()
}

/// The providers that are asked, with the rules that ask them.
pub(super) fn asked(policies: &[Arc<AuthorizationPolicy>], call: &Call) -> Vec<(String, String)> {
    let mut asked = BTreeMap::new();
    let customs = policies.iter().filter(|policy| action(policy) == Action::Custom);
    for policy in customs.filter(|policy| !call.tcp && broken(policy).is_none()) {
        for name in matching(policy, call) {
            let first = asked
                .entry(provider(policy).unwrap().to_owned())
                .or_insert_with(|| name.clone());
            *first = name.min(first.clone());
        }
    }
    asked.into_iter().collect()
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

fn is_broken(rule: &RuleForm) -> bool {
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
    let unknown = |key: &str| key.starts_with("experimental") && key != NOTED;
    parts(rule).iter().flatten().any(|lists| {
        let set = |wanted: &str| {
            lists
                .iter()
                .any(|List(key, values, _)| *key == wanted && !values.is_empty())
        };
        lists.iter().all(|List(_, values, _)| values.is_empty())
            || (set("source.serviceAccount") && (set("source.principal") || set("source.namespace")))
            || lists.iter().any(|List(key, values, _)| {
                !values.is_empty() && (unknown(key) || values.iter().any(|value| bad_value(key, value)))
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
    let call = &match action {
        Action::Custom => Call {
            token: None,
            ..call.clone()
        },
        _ => call.clone(),
    };
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
        "request.auth.principal" => {
            let [issuer, subject] = principal(value);
            let is = |name: &str, pattern: &str| {
                let claim = call.token.as_ref().and_then(|token| token.claims[name].as_str());
                claim.is_some_and(|claim| full(pattern, claim))
            };
            is("iss", &issuer) && is("sub", &subject)
        }
        "request.auth.audiences" => claimed("aud", value, call),
        "request.auth.presenter" => claimed("azp", value, call),
        "request.auth.claims[groups]" => claimed("groups", value, call),
        "request.auth.claims[scope]" => claimed("scope", value, call),
        "request.auth.claims[a][b]" => claimed("a/b", value, call),
        _ => panic!("{key}"),
    }
}

/// The patterns of issuer and subject, as Istio reads a value.
fn principal(value: &str) -> [String; 2] {
    let any = || ".+".to_owned();
    let cut = value.rfind('/');
    let (issuer, subject) = match cut {
        Some(at) => (&value[..at], &value[at + 1..]),
        None => (value, ""),
    };
    if value == "*" {
        [any(), any()]
    } else if let Some(rest) = value.strip_prefix('*') {
        match cut {
            Some(_) if issuer == "*" => [any(), escape(subject)],
            Some(_) => [format!(".*{}", escape(&issuer[1..])), escape(subject)],
            None => [any(), format!(".*{}", escape(rest))],
        }
    } else if let Some(rest) = value.strip_suffix('*') {
        match cut {
            Some(_) if subject == "*" => [escape(issuer), any()],
            Some(_) => [
                escape(issuer),
                format!("{}.*", escape(&subject[..subject.len() - 1])),
            ],
            None => [format!("{}.*", escape(rest)), any()],
        }
    } else {
        [escape(issuer), escape(subject)]
    }
}

/// Whether one of a claim's texts matches.
fn claimed(path: &str, value: &str, call: &Call) -> bool {
    let Some(token) = &call.token else { return false };
    match &token.claims.pointer(&format!("/{path}")) {
        Some(Value::String(words)) if path == "scope" => {
            words.split(' ').any(|word| full(&pattern(value, ""), word))
        }
        Some(Value::String(text)) => full(&pattern(value, ""), text),
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(Value::as_str)
            .any(|text| full(&pattern(value, ""), text)),
        _ => false,
    }
}
