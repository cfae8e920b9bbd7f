//! Lists of values: what each kind of value may look like, and what it is compared with.

use super::lists::List;
use crate::attribute::Attribute;
use crate::blocks::Blocks;
use crate::fault::Fault;
use crate::findings::Findings;
use crate::request_principal::RequestPrincipals;
use crate::rule::{Effect, Paths, Test};
use crate::template::{Charset, Template};
use crate::text::{Globs, Pattern, Texts, Wildcard};
use crate::trust::{TrustDomains, is_name};

/// What the meaning of a value depends on, besides itself.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) effect: Effect,
    /// Namespace of the policy.
    pub(super) namespace: &'a str,
    pub(super) trust: &'a TrustDomains,
}

/// A fault, with the index of the value in its list unless it is of the whole list.
type Faults = Vec<(Option<usize>, Fault)>;

impl Scope<'_> {
    /// Whether a request that matches a value is by that nearer to passing.
    fn grants(&self, negated: bool) -> bool {
        (self.effect == Effect::Allow) != negated
    }

    /// The test for a list of values. `None` when there are faults.
    pub(super) fn test(&self, list: &List<'_>, faults: &mut Faults) -> Option<Test> {
        let values = list.values;
        for (index, value) in values.iter().enumerate() {
            if value.is_empty() {
                faults.push((Some(index), Fault::EmptyValue));
            }
        }
        let grants = self.grants(list.negated);
        let strings = || values.iter().map(String::as_str);
        // What every HTTP request has is there even when it is empty, where that refuses more.
        let texts = || {
            Texts::new(
                strings(),
                if grants {
                    Wildcard::NonEmpty
                } else {
                    Wildcard::Present
                },
            )
        };
        let test = match &list.attribute {
            Attribute::Principal => {
                let principals: Vec<String> = strings()
                    .flat_map(|value| self.trust.expand_principal(without_scheme(value)))
                    .collect();
                Test::Principal(Texts::new(
                    principals.iter().map(String::as_str),
                    Wildcard::Present,
                ))
            }
            Attribute::Namespace => Test::Namespace(Globs::new(strings())),
            Attribute::ServiceAccount => {
                let mut accounts = parse(
                    values,
                    faults,
                    |value| self.service_account(value),
                    Fault::ServiceAccount,
                );
                accounts.sort_unstable();
                Test::ServiceAccount(accounts.into())
            }
            Attribute::TrustDomain => {
                let domains: Vec<String> = strings()
                    .flat_map(|value| self.trust.expand_domain(value))
                    .collect();
                Test::TrustDomain(Globs::new(domains.iter().map(String::as_str)))
            }
            Attribute::SourceIp => Test::SourceIp(blocks(values, faults)),
            Attribute::RemoteIp => Test::RemoteIp(blocks(values, faults)),
            Attribute::DestinationIp => Test::DestinationIp(blocks(values, faults)),
            Attribute::DestinationPort => {
                Test::DestinationPort(parse(values, faults, port, Fault::Port).into())
            }
            Attribute::Sni => Test::Sni(Texts::new(strings(), Wildcard::NonEmpty).ignoring_case()),
            Attribute::Host => Test::Host(texts().ignoring_case()),
            Attribute::Authority => Test::Host(texts()),
            Attribute::Method => Test::Method(texts()),
            Attribute::Path => {
                let is_template = |value: &&str| Template::is_template(value);
                let wildcard = if grants {
                    Wildcard::NonEmpty
                } else {
                    Wildcard::Present
                };
                let templates = parse(values, faults, template, Fault::Template);
                Test::Path(Paths {
                    texts: Texts::new(strings().filter(|value| !is_template(value)), wildcard),
                    templates: templates.into_iter().flatten().collect(),
                    charset: if grants { Charset::Segment } else { Charset::Any },
                })
            }
            Attribute::Header(name) => Test::Header {
                name: name.clone(),
                values: Texts::new(strings(), Wildcard::Present),
            },
            Attribute::Noted(filter, key) => Test::Noted {
                filter: filter.clone(),
                key: key.clone(),
                values: Texts::new(strings(), Wildcard::Present),
            },
            Attribute::RequestPrincipal => Test::RequestPrincipal(RequestPrincipals::new(strings())),
            Attribute::Claim(path) => Test::Claim {
                path: path.clone(),
                values: Texts::new(strings(), Wildcard::NonEmpty),
            },
        };
        faults.is_empty().then_some(test)
    }

    /// Says which values can hardly mean what they say. They do as in Istio all the same.
    pub(super) fn lint(&self, list: &List<'_>, field: &str, findings: &mut Findings<'_>) {
        if self.effect == Effect::Custom
            && matches!(list.attribute, Attribute::RequestPrincipal | Attribute::Claim(_))
        {
            let outcome = if list.negated {
                "always holds"
            } else {
                "never holds"
            };
            findings.warning(
                field,
                format!("{outcome}: the authority is asked before tokens are read"),
                "let the authority look at the token, or decide by it with ALLOW and DENY policies",
            );
            return;
        }
        for (index, value) in list.values.iter().enumerate() {
            let Some((message, hint)) = self.doubt(&list.attribute, value) else {
                continue;
            };
            let (field, message) = (format!("{field}[{index}]"), format!("{value:?} {message}"));
            if self.grants(list.negated) {
                findings.warning(&field, message, hint);
            } else {
                let lost = match self.effect {
                    Effect::Custom => "nobody is asked because of it",
                    Effect::Audit => "nothing is audited by it",
                    Effect::Deny | Effect::Allow => "nothing is denied by it",
                };
                findings.error(&field, format!("{message}; {lost}"), hint);
            }
        }
    }

    /// What is wrong with a value that compiles, and what to do about it.
    fn doubt(&self, attribute: &Attribute, value: &str) -> Option<(String, &'static str)> {
        match attribute {
            Attribute::Principal => {
                let value = without_scheme(value);
                let expanded = self.trust.expand_principal(value);
                let reasons: Option<Vec<&str>> = expanded
                    .iter()
                    .map(|principal| self.trust.why_never(principal))
                    .collect();
                let why = reasons?.first().copied()?;
                let hint = "* is a wildcard only at the start or the end; namespaces takes it anywhere";
                Some((format!("never matches: {why}"), hint))
            }
            Attribute::Namespace | Attribute::TrustDomain => {
                let possible = value.split('*').all(|piece| piece.is_empty() || is_name(piece));
                let hint = "write a name, with * for any run of characters";
                (!possible).then(|| ("never matches: no name contains such characters".to_owned(), hint))
            }
            Attribute::Path if Template::is_template(value) => None,
            Attribute::Path
            | Attribute::Host
            | Attribute::Authority
            | Attribute::Method
            | Attribute::Sni
            | Attribute::Header(_)
            | Attribute::Noted(..)
            | Attribute::Claim(_) => {
                let literal = Pattern::parse(value).literal().contains('*');
                let hint = match attribute {
                    Attribute::Path => "write {*} for one segment and {**} for any number of them",
                    _ => "write one *, at the start or at the end",
                };
                let message =
                    "has a * that is compared literally: it is a wildcard only at the start or the end";
                literal.then(|| (message.to_owned(), hint))
            }
            Attribute::RequestPrincipal => {
                let hint = "write ISSUER/SUBJECT, ISSUER/* or */SUBJECT";
                RequestPrincipals::doubt(value).map(|why| (why.to_owned(), hint))
            }
            Attribute::ServiceAccount
            | Attribute::SourceIp
            | Attribute::RemoteIp
            | Attribute::DestinationIp
            | Attribute::DestinationPort => None,
        }
    }

    fn service_account(&self, value: &str) -> Option<(Box<str>, Box<str>)> {
        let (namespace, name) = value.split_once('/').unwrap_or((self.namespace, value));
        (is_name(namespace) && is_name(name)).then(|| (namespace.into(), name.into()))
    }
}

/// Istio compares principals without the scheme, and lets a value with it match nothing.
fn without_scheme(principal: &str) -> &str {
    principal.strip_prefix("spiffe://").unwrap_or(principal)
}

/// Reads every value; those that cannot be read are left out and taken down as faults.
fn parse<T>(
    values: &[String],
    faults: &mut Faults,
    read: impl Fn(&str) -> Option<T>,
    fault: fn(String) -> Fault,
) -> Vec<T> {
    let mut parsed = vec![];
    for (index, value) in values.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
        match read(value) {
            Some(value) => parsed.push(value),
            None => faults.push((Some(index), fault(value.clone()))),
        }
    }
    parsed
}

fn blocks(values: &[String], faults: &mut Faults) -> Blocks {
    Blocks::new(&parse(values, faults, Blocks::parse, Fault::Block))
}

/// Digits only: Rust would read `+80` too.
fn port(value: &str) -> Option<u16> {
    value
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| value.parse().ok())?
}

/// A template, or nothing for a path that is none.
fn template(path: &str) -> Option<Option<Template>> {
    if Template::is_template(path) {
        Template::parse(path).map(Some)
    } else {
        Some(None)
    }
}
