//! The ways to file a rule.

use http::HeaderName;

use super::key::{
    DIMENSIONS, Dimension, PREFIX, WHOLE, account_key, header_key, host_key, method_key, namespace_key,
    path_key, port_key,
};
use crate::rule::{Alternative, Condition, Paths, Rule, Test};
use crate::text::Pattern;

/// One way to file a rule: a request has to have one of these keys, or the rule cannot match it.
#[derive(Debug)]
pub(super) struct Filing {
    pub(super) dimension: Dimension,
    pub(super) keys: Vec<u64>,
    /// Of paths: the lengths of the prefixes among them.
    pub(super) prefix_lengths: Vec<usize>,
    /// Of paths: the length of the longest that is not a prefix.
    pub(super) longest_path: usize,
    /// Of headers: the name.
    pub(super) header: Option<HeaderName>,
}

/// All the ways to file a rule. None: it has to be tried always.
pub(super) fn filings(rule: &Rule) -> Vec<Filing> {
    let filing = |dimension| filing(rule, dimension);
    DIMENSIONS.into_iter().filter_map(filing).collect()
}

fn filing(rule: &Rule, dimension: Dimension) -> Option<Filing> {
    let of = |conditions: &Alternative| {
        conditions
            .iter()
            .find_map(|condition| of_condition(condition, dimension))
    };
    // Each of the alternatives could be the one that holds.
    let of_all = |alternatives: &[Alternative]| -> Option<Filing> {
        alternatives.iter().map(of).reduce(|all, one| {
            let (mut all, one) = (all?, one?);
            all.keys.extend(one.keys);
            all.prefix_lengths.extend(one.prefix_lengths);
            all.longest_path = all.longest_path.max(one.longest_path);
            Some(all)
        })?
    };
    of(&rule.when)
        .or_else(|| of_all(&rule.from))
        .or_else(|| of_all(&rule.to))
}

fn of_condition(condition: &Condition, dimension: Dimension) -> Option<Filing> {
    if condition.negated {
        return None;
    }
    let mut filing = Filing {
        dimension,
        keys: vec![],
        prefix_lengths: vec![],
        longest_path: 0,
        header: None,
    };
    match (dimension, &condition.test) {
        (Dimension::Account, Test::ServiceAccount(accounts)) => {
            filing.keys.extend(
                accounts
                    .iter()
                    .map(|(namespace, name)| account_key(namespace, name)),
            );
        }
        (Dimension::Account, Test::Principal(values)) => {
            for value in values.patterns()? {
                let (namespace, name) = account_of(value)?;
                filing.keys.push(account_key(namespace, name));
            }
        }
        (Dimension::Namespace, Test::ServiceAccount(accounts)) => {
            filing
                .keys
                .extend(accounts.iter().map(|(namespace, _)| namespace_key(namespace)));
        }
        (Dimension::Namespace, Test::Principal(values)) => {
            for value in values.patterns()? {
                filing.keys.push(namespace_key(namespace_of(value)?));
            }
        }
        (Dimension::Namespace, Test::Namespace(names)) => {
            filing
                .keys
                .extend(names.exact_only()?.iter().map(|name| namespace_key(name)));
        }
        (Dimension::Port, Test::DestinationPort(ports)) => {
            filing.keys.extend(ports.iter().map(|port| port_key(*port)));
        }
        (Dimension::Host, Test::Host(hosts)) => {
            filing
                .keys
                .extend(hosts.exact_only()?.iter().map(|host| host_key(host)));
        }
        (Dimension::Method, Test::Method(methods)) => {
            filing
                .keys
                .extend(methods.exact_only()?.iter().map(|method| method_key(method)));
        }
        (Dimension::Header, Test::Header { name, values }) => {
            filing.keys.extend(
                values
                    .exact_only()?
                    .iter()
                    .map(|value| header_key(name, value.as_bytes())),
            );
            filing.header = Some(name.clone());
        }
        (Dimension::Path, Test::Path(paths)) => file_paths(paths, &mut filing)?,
        _ => return None,
    }
    Some(filing)
}

fn file_paths(paths: &Paths, filing: &mut Filing) -> Option<()> {
    let templates: Vec<String> = paths
        .templates
        .iter()
        .map(|template| template.literal_prefix())
        .collect();
    let templates = templates.iter().map(|prefix| Pattern::Prefix(prefix));
    for pattern in paths.texts.patterns()?.chain(templates) {
        match pattern {
            Pattern::Exact(path) => {
                filing.keys.push(path_key(path, WHOLE));
                filing.longest_path = filing.longest_path.max(path.len());
            }
            Pattern::Prefix(prefix) => {
                filing.keys.push(path_key(prefix, PREFIX));
                filing.prefix_lengths.push(prefix.len());
            }
            Pattern::Suffix(_) | Pattern::Any => return None,
        }
    }
    Some(())
}

/// Namespace and service account of every principal that a value matches.
fn account_of(value: Pattern<'_>) -> Option<(&str, &str)> {
    let (Pattern::Exact(text) | Pattern::Suffix(text)) = value else {
        return None;
    };
    // Read from the end, where `…/ns/NAMESPACE/sa/NAME` is fixed; from the start, `ns` could be the name of a namespace.
    let (rest, name) = text.rsplit_once("/sa/")?;
    let (_, namespace) = rest.rsplit_once("/ns/")?;
    let whole = !namespace.contains('/') && !name.contains('/');
    whole.then_some((namespace, name))
}

/// Namespace of every principal that a value matches.
fn namespace_of(value: Pattern<'_>) -> Option<&str> {
    let Pattern::Prefix(text) = value else {
        return account_of(value).map(|(namespace, _)| namespace);
    };
    let (_, rest) = text.split_once("/ns/")?;
    let (namespace, _) = rest.split_once('/')?;
    Some(namespace)
}
