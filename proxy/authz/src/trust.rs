//! Trust domains and their aliases.

use crate::text::Pattern;

/// The trust domain that policies may always write for that of the mesh.
const LOCAL: &str = "cluster.local";

/// The trust domain of the mesh, and its aliases. A workload counts as the same in each of them.
#[derive(Debug, Clone)]
pub(crate) struct TrustDomains(Vec<String>);

impl TrustDomains {
    pub(crate) fn new(trust_domain: &str, aliases: &[String]) -> TrustDomains {
        let all = [trust_domain]
            .into_iter()
            .chain(aliases.iter().map(String::as_str));
        TrustDomains(all.map(str::to_owned).collect())
    }

    /// The principals that a principal value stands for: itself in each trust domain, if it names one that the mesh has.
    ///
    /// Only values of the full form `TRUST-DOMAIN/ns/NAMESPACE/sa/NAME` are expanded, as in Istio.
    pub(crate) fn expand_principal(&self, value: &str) -> Vec<String> {
        let as_written = || vec![value.to_owned()];
        let Some((domain, rest)) = value.split_once('/') else {
            return as_written();
        };
        if rest.split('/').count() != 4 || domain == "*" {
            return as_written();
        }
        if domain != LOCAL && !self.0.iter().any(|known| overlaps(domain, known)) {
            return as_written();
        }
        let mut expanded: Vec<String> = vec![];
        for known in &self.0 {
            let covered = domain.strip_prefix('*').is_some_and(|end| known.ends_with(end));
            let principal = if covered {
                value.to_owned()
            } else {
                format!("{known}/{rest}")
            };
            if !expanded.contains(&principal) {
                expanded.push(principal);
            }
        }
        expanded
    }

    /// The trust domains that a trust domain value stands for.
    pub(crate) fn expand_domain(&self, value: &str) -> Vec<String> {
        if self.0.iter().any(|known| known == value) {
            self.0.clone()
        } else {
            vec![value.to_owned()]
        }
    }

    /// Why no peer of this mesh can have a principal that the value matches.
    pub(crate) fn why_never(&self, principal: &str) -> Option<&'static str> {
        const FORM: &str = "a principal is TRUST-DOMAIN/ns/NAMESPACE/sa/NAME";
        const DOMAIN: &str = "the trust domain is neither that of the mesh nor an alias";
        let pattern = Pattern::parse(principal);
        let parts: Vec<&str> = pattern.literal().split('/').collect();
        let fixed = |parts: &[&str], open: usize, places: [(usize, &str); 2]| {
            parts.len() <= 5
                && places.into_iter().all(|(place, word)| match parts.get(place) {
                    Some(part) if place == open => word.starts_with(part) || word.ends_with(part),
                    Some(part) => *part == word,
                    None => true,
                })
                && parts
                    .iter()
                    .enumerate()
                    .all(|(place, part)| place == open || is_name(part))
        };
        match pattern {
            Pattern::Any => None,
            Pattern::Exact(_) => {
                let formed = parts.len() == 5 && fixed(&parts, usize::MAX, [(1, "ns"), (3, "sa")]);
                let known = parts
                    .first()
                    .is_some_and(|domain| self.accepts(|known| known == *domain));
                if formed {
                    (!known).then_some(DOMAIN)
                } else {
                    Some(FORM)
                }
            }
            Pattern::Prefix(_) => {
                let formed = fixed(&parts, parts.len() - 1, [(1, "ns"), (3, "sa")]);
                let known = parts.first().is_some_and(|domain| match parts.len() {
                    1 => self.accepts(|known| known.starts_with(domain)),
                    _ => self.accepts(|known| known == *domain),
                });
                if formed {
                    (!known).then_some(DOMAIN)
                } else {
                    Some(FORM)
                }
            }
            Pattern::Suffix(_) => {
                let reversed: Vec<&str> = parts.iter().rev().copied().collect();
                let formed = fixed(&reversed, reversed.len() - 1, [(1, "sa"), (3, "ns")]);
                (!formed).then_some(FORM)
            }
        }
    }

    fn accepts(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.0.iter().any(|known| known.contains('*') || matches(known))
    }
}

/// Whether either of the two, read as a pattern, matches the other.
fn overlaps(a: &str, b: &str) -> bool {
    let matches = |text: &str, pattern: &str| {
        text == pattern
            || pattern
                .strip_suffix('*')
                .is_some_and(|start| text.starts_with(start))
            || pattern.strip_prefix('*').is_some_and(|end| text.ends_with(end))
    };
    matches(a, b) || matches(b, a)
}

/// Whether the text has the alphabet of a part of a SPIFFE ID.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
mod tests;
