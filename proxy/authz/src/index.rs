//! Finding the rules that can match a request without looking at those that cannot.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::request::Request;
use crate::rule::{Alternative, Condition, Rule, Test};
use crate::text::Pattern;

/// Rules of one action, in the order of their names.
///
/// A rule is filed under hashes of exact values of which a request must have one for the rule to match, in that dimension where it has
/// the least company. What is found is always compared in full, so that a collision of hashes costs time and nothing else. The
/// other rules are always tried.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stage {
    rules: Box<[Arc<Rule>]>,
    always: Box<[u32]>,
    filed: HashMap<u64, Box<[u32]>, BuildHasherDefault<Hashed>>,
    /// Dimensions in use, so that a request is hashed only in these.
    dimensions: Dimensions,
    /// Lengths of the path prefixes in use, ascending.
    prefix_lengths: Box<[usize]>,
}

/// Fewer rules than this are tried one after the other: hashing a request would cost more.
const WORTH_FILING: usize = 5;

impl Stage {
    pub(crate) fn new(mut rules: Vec<Arc<Rule>>) -> Stage {
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        let choices: Vec<Vec<Filing>> = if rules.len() < WORTH_FILING {
            rules.iter().map(|_| vec![]).collect()
        } else {
            rules.iter().map(|rule| filings(rule)).collect()
        };
        let mut company: HashMap<u64, usize> = HashMap::new();
        for key in choices.iter().flatten().flat_map(|filing| &filing.keys) {
            *company.entry(*key).or_default() += 1;
        }
        let mut always = vec![];
        let mut filed: HashMap<u64, Vec<u32>, BuildHasherDefault<Hashed>> = HashMap::default();
        let (mut dimensions, mut prefix_lengths) = (Dimensions::default(), vec![]);
        for (number, filings) in (0u32..).zip(choices) {
            let crowd = |filing: &Filing| {
                filing
                    .keys
                    .iter()
                    .filter_map(|key| company.get(key))
                    .max()
                    .copied()
            };
            let Some(best) = filings.into_iter().min_by_key(crowd) else {
                always.push(number);
                continue;
            };
            for key in best.keys {
                let bucket = filed.entry(key).or_default();
                if bucket.last() != Some(&number) {
                    bucket.push(number);
                }
            }
            dimensions.insert(best.dimension);
            prefix_lengths.extend(best.prefix_lengths);
        }
        prefix_lengths.sort_unstable();
        prefix_lengths.dedup();
        Stage {
            rules: rules.into(),
            always: always.into(),
            filed: filed
                .into_iter()
                .map(|(key, rules)| (key, rules.into()))
                .collect(),
            dimensions,
            prefix_lengths: prefix_lengths.into(),
        }
    }

    /// The first rule that matches.
    pub(crate) fn first(&self, request: &Request<'_>) -> Option<&Rule> {
        let mut best: Option<(u32, &Rule)> = None;
        let _ = self.candidates(request, |numbers| {
            for number in numbers {
                if best.is_some_and(|(first, _)| *number >= first) {
                    break;
                }
                if let Some(rule) = self.matching(*number, request) {
                    best = Some((*number, rule));
                    break;
                }
            }
            ControlFlow::Continue(())
        });
        best.map(|(_, rule)| rule)
    }

    /// Whether some rule matches.
    pub(crate) fn any(&self, request: &Request<'_>) -> bool {
        let found = self.candidates(request, |numbers| {
            match numbers
                .iter()
                .any(|number| self.matching(*number, request).is_some())
            {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        found.is_break()
    }

    fn matching(&self, number: u32, request: &Request<'_>) -> Option<&Rule> {
        let rule = self.rules.get(usize::try_from(number).ok()?)?;
        rule.matches(request).then_some(rule)
    }

    /// Calls `visit` with every list of rules, each ascending, that can match.
    fn candidates(
        &self,
        request: &Request<'_>,
        mut visit: impl FnMut(&[u32]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        visit(&self.always)?;
        let mut look_up = |key: u64| match self.filed.get(&key) {
            Some(rules) => visit(rules),
            None => ControlFlow::Continue(()),
        };
        if let Some(peer) = request.peer {
            if self.dimensions.contains(Dimension::Account) {
                look_up(account_key(peer.namespace(), peer.service_account()))?;
            }
            if self.dimensions.contains(Dimension::Namespace) {
                look_up(namespace_key(peer.namespace()))?;
            }
        }
        if self.dimensions.contains(Dimension::Port) {
            look_up(port_key(request.destination.port()))?;
        }
        let Some(http) = &request.http else {
            return ControlFlow::Continue(());
        };
        if self.dimensions.contains(Dimension::Host) {
            look_up(host_key(http.authority))?;
        }
        if self.dimensions.contains(Dimension::Method) {
            look_up(method_key(http.method))?;
        }
        if self.dimensions.contains(Dimension::Path) {
            let mut lengths = self.prefix_lengths.iter().copied().peekable();
            let mut hash = Hash::new(Dimension::Path);
            for (length, byte) in http.path.bytes().enumerate() {
                if lengths.next_if_eq(&length).is_some() {
                    look_up(hash.finish(PREFIX))?;
                }
                hash.byte(byte);
            }
            if lengths.next_if_eq(&http.path.len()).is_some() {
                look_up(hash.finish(PREFIX))?;
            }
            look_up(hash.finish(WHOLE))?;
        }
        ControlFlow::Continue(())
    }
}

/// What rules are filed by, best first: of two equally good choices the earlier one is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimension {
    Account = 1,
    Path = 2,
    Host = 4,
    Namespace = 8,
    Method = 16,
    Port = 32,
}

const DIMENSIONS: [Dimension; 6] = [
    Dimension::Account,
    Dimension::Path,
    Dimension::Host,
    Dimension::Namespace,
    Dimension::Method,
    Dimension::Port,
];

#[derive(Debug, Clone, Copy, Default)]
struct Dimensions(u8);

impl Dimensions {
    fn insert(&mut self, dimension: Dimension) {
        self.0 |= dimension as u8;
    }

    fn contains(self, dimension: Dimension) -> bool {
        self.0 & dimension as u8 != 0
    }
}

/// One way to file a rule: a request has to have one of these keys, or the rule cannot match it.
#[derive(Debug)]
struct Filing {
    dimension: Dimension,
    keys: Vec<u64>,
    prefix_lengths: Vec<usize>,
}

/// All the ways to file a rule. None: it has to be tried always.
fn filings(rule: &Rule) -> Vec<Filing> {
    let filing = |dimension| filing(rule, dimension);
    DIMENSIONS.into_iter().filter_map(filing).collect()
}

fn filing(rule: &Rule, dimension: Dimension) -> Option<Filing> {
    let of = |conditions: &Alternative| {
        conditions
            .iter()
            .find_map(|condition| of_condition(condition, dimension))
    };
    let of_all = |alternatives: &[Alternative]| -> Option<Filing> {
        alternatives.iter().map(of).reduce(|all, one| {
            let (mut all, one) = (all?, one?);
            all.keys.extend(one.keys);
            all.prefix_lengths.extend(one.prefix_lengths);
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
    let mut prefix_lengths = vec![];
    let keys: Vec<u64> = match (dimension, &condition.test) {
        (Dimension::Account, Test::ServiceAccount(accounts)) => accounts
            .iter()
            .map(|(namespace, name)| account_key(namespace, name))
            .collect(),
        (Dimension::Account, Test::Principal(values)) => {
            let accounts = values.patterns()?.map(account_of);
            accounts
                .map(|account| account.map(|(namespace, name)| account_key(namespace, name)))
                .collect::<Option<_>>()?
        }
        (Dimension::Namespace, Test::ServiceAccount(accounts)) => accounts
            .iter()
            .map(|(namespace, _)| namespace_key(namespace))
            .collect(),
        (Dimension::Namespace, Test::Principal(values)) => values
            .patterns()?
            .map(|value| namespace_of(value).map(namespace_key))
            .collect::<Option<_>>()?,
        (Dimension::Namespace, Test::Namespace(names)) => {
            names.exact_only()?.iter().map(|n| namespace_key(n)).collect()
        }
        (Dimension::Port, Test::DestinationPort(ports)) => ports.iter().map(|port| port_key(*port)).collect(),
        (Dimension::Host, Test::Host(hosts)) => {
            hosts.exact_only()?.iter().map(|host| host_key(host)).collect()
        }
        (Dimension::Method, Test::Method(methods)) => {
            methods.exact_only()?.iter().map(|m| method_key(m)).collect()
        }
        (Dimension::Path, Test::Path(paths)) => {
            let mut prefix_key = |prefix: &str| {
                prefix_lengths.push(prefix.len());
                path_key(prefix, PREFIX)
            };
            let mut keys = vec![];
            for pattern in paths.texts.patterns()? {
                keys.push(match pattern {
                    Pattern::Exact(path) => path_key(path, WHOLE),
                    Pattern::Prefix(prefix) => prefix_key(prefix),
                    Pattern::Suffix(_) | Pattern::Any => return None,
                });
            }
            keys.extend(
                paths
                    .templates
                    .iter()
                    .map(|template| prefix_key(&template.literal_prefix())),
            );
            keys
        }
        _ => return None,
    };
    Some(Filing {
        dimension,
        keys,
        prefix_lengths,
    })
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

/// Ends of a path key, which keep a path apart from the same text as a prefix.
const WHOLE: u8 = 1;
const PREFIX: u8 = 2;
/// Ends every other key.
const END: u8 = 0;

fn account_key(namespace: &str, name: &str) -> u64 {
    let mut hash = Hash::new(Dimension::Account);
    namespace.bytes().for_each(|byte| hash.byte(byte));
    hash.byte(b'/');
    name.bytes().for_each(|byte| hash.byte(byte));
    hash.finish(END)
}

fn namespace_key(name: &str) -> u64 {
    key(Dimension::Namespace, name.bytes(), END)
}

fn host_key(host: &str) -> u64 {
    key(
        Dimension::Host,
        host.bytes().map(|byte| byte.to_ascii_lowercase()),
        END,
    )
}

fn method_key(method: &str) -> u64 {
    key(Dimension::Method, method.bytes(), END)
}

fn port_key(port: u16) -> u64 {
    key(Dimension::Port, port.to_be_bytes(), END)
}

fn path_key(path: &str, end: u8) -> u64 {
    key(Dimension::Path, path.bytes(), end)
}

fn key(dimension: Dimension, bytes: impl IntoIterator<Item = u8>, end: u8) -> u64 {
    let mut hash = Hash::new(dimension);
    bytes.into_iter().for_each(|byte| hash.byte(byte));
    hash.finish(end)
}

/// FNV-1a, because the hashes of all prefixes of a path come out of one pass over it.
///
/// Nobody gains by colliding: the keys are those of policies, and a request only looks them up.
#[derive(Debug, Clone, Copy)]
struct Hash(u64);

impl Hash {
    fn new(dimension: Dimension) -> Hash {
        let mut hash = Hash(0xcbf2_9ce4_8422_2325);
        hash.byte(dimension as u8);
        hash
    }

    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn finish(mut self, end: u8) -> u64 {
        self.byte(end);
        // FNV mixes upwards only, and hash tables look at the lowest bits too.
        self.0 ^ (self.0 >> 32)
    }
}

/// Passes keys that are hashes already.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
