//! From rules as users write them to [`Rule`]s.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use cairn_api::istio::{JwtPresence, JwtRule, RequestAuthentication};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;
use http::HeaderName;

use crate::audience::Audiences;
use crate::key_ring::KeyRing;
use crate::keys::{KeySource, Keys, is_fetchable};
use crate::place::{HeaderPlace, Place};
use crate::rule::Rule;

/// How long a fetch may take when the rule does not say, as in Istio.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Claims that are words with spaces between in any rule, as in Istio.
const WORDS: [&str; 2] = ["permission", "scope"];

/// Header fields that say where a request goes and where it ends; a claim has no say in that.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The rules of some policies in the order in which they are tried: by issuer, then as written.
pub(crate) fn rules<'p>(
    policies: impl IntoIterator<Item = &'p RequestAuthentication>,
    ring: &KeyRing,
) -> (Vec<Arc<Rule>>, Vec<Problem>) {
    let (mut rules, mut problems) = (Vec::new(), Vec::new());
    let mut shared: Vec<Arc<[Place]>> = Vec::new();
    for policy in policies {
        let metadata = &policy.metadata;
        let object = ObjectRef::new(
            Kind::RequestAuthentication,
            metadata.namespace.as_str(),
            metadata.name.as_str(),
        );
        for (index, written) in policy.spec.jwt_rules.iter().enumerate() {
            let findings = Findings {
                object: &object,
                path: format!("spec.jwtRules[{index}]"),
                problems: &mut problems,
                sound: true,
            };
            rules.push(Arc::new(rule(written, ring, &mut shared, findings)));
        }
    }
    rules.sort_by(|a, b| a.issuer.cmp(&b.issuer));
    (rules, problems)
}

/// Takes down what is wrong with one rule.
struct Findings<'a> {
    object: &'a ObjectRef,
    path: String,
    problems: &'a mut Vec<Problem>,
    sound: bool,
}

impl Findings<'_> {
    fn error(&mut self, field: &str, message: &str, hint: &str) {
        self.sound = false;
        let message = format!("{message}; until this is right, tokens of the rule's issuer are refused");
        let field = format!("{}.{field}", self.path);
        self.problems
            .push(Problem::error(self.object.clone(), field, message, hint));
    }

    fn warning(&mut self, field: &str, message: &str, hint: &str) {
        let field = format!("{}.{field}", self.path);
        self.problems
            .push(Problem::warning(self.object.clone(), field, message, hint));
    }
}

fn rule(
    written: &JwtRule,
    ring: &KeyRing,
    shared: &mut Vec<Arc<[Place]>>,
    mut findings: Findings<'_>,
) -> Rule {
    let found = &mut findings;
    if written.issuer.is_empty() {
        found.error(
            "issuer",
            "the issuer is missing",
            "write the iss claim of the tokens",
        );
    }
    for (index, _) in written
        .audiences
        .iter()
        .enumerate()
        .filter(|(_, one)| one.is_empty())
    {
        found.error(
            &format!("audiences[{index}]"),
            "the audience is empty",
            "leave audiences out to accept any",
        );
    }
    let places = share(places(written, found), shared);
    let (payload_to, claims_to) = outputs(written, found);
    let keys = keys(written, ring, found);
    let mut words: Vec<Box<str>> = written
        .space_delimited_claims
        .iter()
        .map(|one| one.as_str().into())
        .collect();
    words.extend(WORDS.map(Box::from));
    Rule {
        issuer: written.issuer.as_str().into(),
        audiences: Audiences::new(written.audiences.iter().map(String::as_str)),
        places,
        keys: keys.filter(|_| findings.sound),
        required: written.presence == Some(JwtPresence::Required),
        forward: written.forward_original_token,
        payload_to,
        claims_to,
        words: words.into(),
    }
}

fn places(written: &JwtRule, found: &mut Findings<'_>) -> Vec<Place> {
    let mut places = Vec::new();
    for (index, header) in written.from_headers.iter().enumerate() {
        match HeaderName::from_str(&header.name) {
            Ok(name) => places.push(Place::Header(HeaderPlace {
                name,
                prefix: header.prefix.as_str().into(),
            })),
            Err(_) => found.error(
                &format!("fromHeaders[{index}].name"),
                &format!("{:?} is not the name of a header", header.name),
                "write a name like x-jwt-assertion",
            ),
        }
    }
    type Kind = fn(Box<str>) -> Place;
    let named: [(&str, &[String], Kind); 2] = [
        ("fromParams", &written.from_params, Place::Param),
        ("fromCookies", &written.from_cookies, Place::Cookie),
    ];
    for (field, names, kind) in named {
        for (index, name) in names.iter().enumerate() {
            if name.is_empty() {
                found.error(
                    &format!("{field}[{index}]"),
                    "the name is empty",
                    "write the name, or leave the element out",
                );
            } else {
                places.push(kind(name.as_str().into()));
            }
        }
    }
    if places.is_empty() {
        places.extend(Place::defaults());
    }
    places.sort();
    places.dedup();
    places
}

/// The same places are one, so that a request's are searched once.
fn share(places: Vec<Place>, shared: &mut Vec<Arc<[Place]>>) -> Arc<[Place]> {
    if let Some(same) = shared.iter().find(|other| ***other == *places) {
        return same.clone();
    }
    let places: Arc<[Place]> = places.into();
    shared.push(places.clone());
    places
}

type Outputs = (Option<HeaderName>, Box<[(HeaderName, Box<str>)]>);

fn outputs(written: &JwtRule, found: &mut Findings<'_>) -> Outputs {
    let payload_to = match written.output_payload_to_header.as_str() {
        "" => None,
        name => output("outputPayloadToHeader", name, found),
    };
    let mut claims_to: Vec<(HeaderName, Box<str>)> = Vec::new();
    for (index, one) in written.output_claim_to_headers.iter().enumerate() {
        let path = format!("outputClaimToHeaders[{index}]");
        if one.claim.is_empty() {
            found.error(
                &format!("{path}.claim"),
                "the claim is missing",
                "write the name of a claim, with dots between nested names",
            );
        }
        let field = format!("{path}.header");
        let Some(name) = output(&field, &one.header, found) else {
            continue;
        };
        let before = payload_to
            .iter()
            .chain(claims_to.iter().map(|(before, _)| before));
        if before.into_iter().any(|before| *before == name) {
            found.warning(
                &field,
                &format!("the header {name} is written more than once"),
                "give each its own header; as it is, the request has a line for each",
            );
        }
        claims_to.push((name, one.claim.as_str().into()));
    }
    (payload_to, claims_to.into())
}

fn output(field: &str, name: &str, found: &mut Findings<'_>) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_str(name) else {
        found.error(
            field,
            &format!("{name:?} is not the name of a header"),
            "write a name like x-jwt-claim-sub",
        );
        return None;
    };
    if RESERVED.contains(&name.as_str()) {
        found.error(
            field,
            &format!("the header {name} is not for claims"),
            "it says where requests go or end; write a name like x-jwt-claim-sub",
        );
        return None;
    }
    Some(name)
}

fn keys(written: &JwtRule, ring: &KeyRing, found: &mut Findings<'_>) -> Option<Arc<Keys>> {
    let timeout = match written.timeout {
        None => TIMEOUT,
        Some(timeout) if *timeout >= Duration::from_millis(1) => *timeout,
        Some(_) => {
            found.error("timeout", "the timeout is shorter than 1ms", "write 1ms or more");
            return None;
        }
    };
    let source = if !written.jwks.is_empty() {
        if !written.jwks_uri.is_empty() {
            found.warning(
                "jwksUri",
                "it is not asked, because jwks is given too",
                "keep one of jwks and jwksUri",
            );
        }
        KeySource::Inline(written.jwks.as_str().into())
    } else if !written.jwks_uri.is_empty() {
        let url = Box::from(written.jwks_uri.as_str());
        if !is_fetchable(&url) {
            found.error(
                "jwksUri",
                "this is not a URL with scheme http or https",
                "write a URL like https://example.com/.well-known/jwks.json",
            );
            return None;
        }
        KeySource::Url { url, timeout }
    } else {
        let issuer = written.issuer.trim_end_matches('/');
        if !is_fetchable(issuer) {
            found.error(
                "jwks",
                "there are neither jwks nor jwksUri, and the issuer is not a URL at which discovery could find them",
                "write jwks or jwksUri",
            );
            return None;
        }
        let url = format!("{issuer}/.well-known/openid-configuration").into();
        KeySource::Discovery { url, timeout }
    };
    let (keys, result) = ring.keys(source);
    if let Err(error) = result {
        found.error("jwks", &error.to_string(), "write a JSON Web Key Set (RFC 7517)");
        return None;
    }
    if let Some(set) = keys.current().as_ref() {
        for (index, unusable) in set.skipped() {
            found.warning(
                "jwks",
                &format!("the key at index {index} is not used: {unusable}"),
                "keys are RSA of 2048 bits or more, EC on P-256, P-384 or P-521, or OKP with Ed25519",
            );
        }
    }
    Some(keys)
}

#[cfg(test)]
mod tests;
