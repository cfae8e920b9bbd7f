//! Rules as requests meet them.

use std::sync::Arc;

use cairn_identity::SpiffeId;
use cairn_jwt::{Authenticated, ClaimPath};
use http::HeaderName;

use crate::blocks::Blocks;
use crate::request::{Http, Request};
use crate::request_principal::RequestPrincipals;
use crate::template::{Charset, Template};
use crate::text::{Globs, Texts};
use crate::verdict::Reason;

/// A rule: one of its sources, one of its operations and all other conditions have to hold. No source is any source, no operation any operation.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// Place in the order of evaluation.
    pub(crate) name: Arc<str>,
    /// What a refusal by this rule is reported as.
    pub(crate) details: Arc<str>,
    pub(crate) reason: Reason,
    pub(crate) from: Box<[Alternative]>,
    pub(crate) to: Box<[Alternative]>,
    pub(crate) when: Alternative,
}

/// What a match of a policy's rules means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Effect {
    Custom,
    Audit,
    Deny,
    Allow,
}

/// Conditions that all have to hold.
pub(crate) type Alternative = Box<[Arc<Condition>]>;

/// One list of values of a policy.
#[derive(Debug)]
pub(crate) struct Condition {
    /// Where it is written, from the rule on: `from[0].source.principals`.
    pub(crate) field: Box<str>,
    /// The values, as written.
    pub(crate) written: Box<[String]>,
    pub(crate) test: Test,
    /// Whether none of the values may match, instead of one having to.
    pub(crate) negated: bool,
}

/// What of a request is compared, and with what.
#[derive(Debug)]
pub(crate) enum Test {
    Principal(Texts),
    Namespace(Globs),
    /// Namespace and name; sorted.
    ServiceAccount(Box<[(Box<str>, Box<str>)]>),
    TrustDomain(Globs),
    SourceIp(Blocks),
    RemoteIp(Blocks),
    DestinationIp(Blocks),
    DestinationPort(Box<[u16]>),
    Sni(Texts),
    Host(Texts),
    Method(Texts),
    Path(Paths),
    Header {
        name: HeaderName,
        values: Texts,
    },
    /// What a filter has noted.
    Noted {
        filter: Box<str>,
        key: Box<str>,
        values: Texts,
    },
    RequestPrincipal(RequestPrincipals),
    /// A claim of the request's token.
    Claim {
        path: ClaimPath,
        values: Texts,
    },
}

/// Path values: text and templates.
#[derive(Debug)]
pub(crate) struct Paths {
    pub(crate) texts: Texts,
    pub(crate) templates: Box<[Template]>,
    pub(crate) charset: Charset,
}

impl Rule {
    pub(crate) fn matches(&self, request: &Request<'_>) -> bool {
        let one_of = |alternatives: &[Alternative]| {
            alternatives.is_empty()
                || alternatives
                    .iter()
                    .any(|conditions| all_hold(conditions, request))
        };
        one_of(&self.to) && one_of(&self.from) && all_hold(&self.when, request)
    }

    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Arc<Condition>> {
        let alternatives = self.from.iter().chain(&self.to).chain([&self.when]);
        alternatives.flatten()
    }
}

fn all_hold(conditions: &[Arc<Condition>], request: &Request<'_>) -> bool {
    conditions.iter().all(|condition| condition.holds(request))
}

impl Condition {
    pub(crate) fn holds(&self, request: &Request<'_>) -> bool {
        self.test.matches(request) != self.negated
    }
}

impl Test {
    /// Whether it looks at what only HTTP requests have.
    pub(crate) fn is_http_only(&self) -> bool {
        match self {
            Test::Host(_)
            | Test::Method(_)
            | Test::Path(_)
            | Test::Header { .. }
            | Test::Noted { .. }
            | Test::RequestPrincipal(_)
            | Test::Claim { .. } => true,
            Test::Principal(_)
            | Test::Namespace(_)
            | Test::ServiceAccount(_)
            | Test::TrustDomain(_)
            | Test::SourceIp(_)
            | Test::RemoteIp(_)
            | Test::DestinationIp(_)
            | Test::DestinationPort(_)
            | Test::Sni(_) => false,
        }
    }

    fn matches(&self, request: &Request<'_>) -> bool {
        let peer = |matches: &dyn Fn(&SpiffeId) -> bool| request.peer.is_some_and(matches);
        let http = |matches: &dyn Fn(&Http<'_>) -> bool| request.http.as_ref().is_some_and(matches);
        let token = |matches: &dyn Fn(&Authenticated) -> bool| http(&|http| http.token.is_some_and(matches));
        match self {
            Test::Principal(values) => peer(&|peer| values.matches(peer.principal().as_bytes())),
            Test::Namespace(values) => peer(&|peer| values.matches(peer.namespace())),
            Test::ServiceAccount(values) => peer(&|peer| {
                let wanted = (peer.namespace(), peer.service_account());
                values
                    .binary_search_by(|(namespace, name)| (&**namespace, &**name).cmp(&wanted))
                    .is_ok()
            }),
            Test::TrustDomain(values) => peer(&|peer| values.matches(peer.trust_domain())),
            Test::SourceIp(blocks) => blocks.contains(request.source_ip),
            Test::RemoteIp(blocks) => blocks.contains(request.remote_ip),
            Test::DestinationIp(blocks) => blocks.contains(request.destination.ip()),
            Test::DestinationPort(ports) => ports.contains(&request.destination.port()),
            Test::Sni(values) => request.sni.is_some_and(|name| values.matches(name.as_bytes())),
            Test::Host(values) => http(&|http| values.matches(http.authority.as_bytes())),
            Test::Method(values) => http(&|http| values.matches(http.method.as_bytes())),
            Test::Path(paths) => http(&|http| paths.matches(http.path)),
            Test::Header { name, values } => http(&|http| {
                let mut lines = http.headers.get_all(name).iter();
                lines.any(|value| values.matches(value.as_bytes()))
            }),
            Test::Noted { filter, key, values } => http(&|http| {
                let mut noted = noted(http, filter, key);
                noted.any(|value| values.matches(value.as_bytes()))
            }),
            Test::RequestPrincipal(principals) => token(&|token| {
                let subject = token.subject();
                subject.is_some_and(|subject| principals.matches(token.issuer(), subject))
            }),
            Test::Claim { path, values } => token(&|token| {
                let mut claims = token.values(path);
                claims.any(|value| values.matches(value.as_bytes()))
            }),
        }
    }

    /// What the request has where the test looks, in words.
    pub(crate) fn seen(&self, request: &Request<'_>) -> String {
        let peer = |part: &dyn Fn(&SpiffeId) -> String| match request.peer {
            Some(peer) => part(peer),
            None => "no identity".to_owned(),
        };
        let http = |part: &dyn Fn(&Http<'_>) -> String| match &request.http {
            Some(http) => part(http),
            None => "no HTTP request".to_owned(),
        };
        let token = |part: &dyn Fn(&Authenticated) -> String| {
            http(&|http| match http.token {
                Some(token) => part(token),
                None => "no token".to_owned(),
            })
        };
        match self {
            Test::Principal(_) => peer(&|peer| format!("{:?}", peer.principal())),
            Test::Namespace(_) => peer(&|peer| format!("{:?}", peer.namespace())),
            Test::ServiceAccount(_) => {
                peer(&|peer| format!("\"{}/{}\"", peer.namespace(), peer.service_account()))
            }
            Test::TrustDomain(_) => peer(&|peer| format!("{:?}", peer.trust_domain())),
            Test::SourceIp(_) => request.source_ip.to_string(),
            Test::RemoteIp(_) => request.remote_ip.to_string(),
            Test::DestinationIp(_) => request.destination.ip().to_string(),
            Test::DestinationPort(_) => request.destination.port().to_string(),
            Test::Sni(_) => request
                .sni
                .map_or_else(|| "no server name".to_owned(), |name| format!("{name:?}")),
            Test::Host(_) => http(&|http| format!("{:?}", http.authority)),
            Test::Method(_) => http(&|http| format!("{:?}", http.method)),
            Test::Path(_) => http(&|http| format!("{:?}", http.path)),
            Test::Header { name, .. } => http(&|http| {
                let lines: Vec<String> = http
                    .headers
                    .get_all(name)
                    .iter()
                    .map(|value| format!("{value:?}"))
                    .collect();
                if lines.is_empty() {
                    "no such header".to_owned()
                } else {
                    lines.join(", ")
                }
            }),
            Test::Noted { filter, key, .. } => http(&|http| {
                let values: Vec<String> = noted(http, filter, key)
                    .map(|value| format!("{value:?}"))
                    .collect();
                match values.is_empty() {
                    true => format!("nothing noted by {filter}"),
                    false => values.join(", "),
                }
            }),
            Test::RequestPrincipal(_) => token(&|token| match token.subject() {
                Some(subject) => format!("\"{}/{subject}\"", token.issuer()),
                None => "a token without a subject".to_owned(),
            }),
            Test::Claim { path, .. } => token(&|token| {
                let values: Vec<String> = token.values(path).map(|value| format!("{value:?}")).collect();
                let names: Vec<&str> = path.names().collect();
                match values.is_empty() {
                    true => format!("no text in the claim {}", names.join(".")),
                    false => values.join(", "),
                }
            }),
        }
    }
}

fn noted<'a>(http: &Http<'a>, filter: &str, key: &str) -> impl Iterator<Item = &'a str> {
    let notes = http.noted.iter();
    notes.filter_map(move |(by, name, value)| (**by == *filter && **name == *key).then_some(&**value))
}

impl Paths {
    fn matches(&self, path: &str) -> bool {
        self.texts.matches(path.as_bytes())
            || self
                .templates
                .iter()
                .any(|template| template.matches(path, self.charset))
    }
}
