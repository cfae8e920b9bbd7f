//! The policies that bind to one target, as one thing to ask.

use std::fmt;
use std::sync::Arc;

use cairn_api::istio::{AuthorizationPolicy, RequestAuthentication};
use cairn_api::meta::ObjectRef;
use cairn_config::{BrokenPolicy, Problem};

use crate::attach::{self, Targets};
use crate::compile::{Body, Policy, broken, compile};
use crate::custom::{Custom, Customs};
use crate::explain::{Step, explain};
use crate::index::Stage;
use crate::request::Request;
use crate::rule::{Effect, Rule};
use crate::trust::TrustDomains;
use crate::verdict::{Denial, Reason, Verdict, details};

/// What policies depend on, besides themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileOptions {
    /// Trust domain of the mesh.
    pub trust_domain: String,
    /// Further trust domains whose identities count as the mesh's own.
    pub aliases: Vec<String>,
    /// Namespace whose policies may be about the whole mesh.
    pub root_namespace: String,
}

impl Default for CompileOptions {
    fn default() -> CompileOptions {
        CompileOptions {
            trust_domain: "cluster.local".to_owned(),
            aliases: vec![],
            root_namespace: "istio-system".to_owned(),
        }
    }
}

/// What is wrong with a policy: with its targets, its rules, its values. It is asked of every policy, whether it binds to anything or not.
#[must_use]
pub fn check(policy: &AuthorizationPolicy, existing: &Targets, options: &CompileOptions) -> Vec<Problem> {
    let mut problems = attach::problems(policy, existing, &options.root_namespace);
    compile(policy, &trust_domains(options), &mut problems);
    problems
}

/// What is wrong with a RequestAuthentication: with its targets, its rules, its key sets.
#[must_use]
pub fn check_authentication(
    policy: &RequestAuthentication,
    existing: &Targets,
    options: &CompileOptions,
) -> Vec<Problem> {
    let mut problems = attach::authentication_problems(policy, existing, &options.root_namespace);
    problems.extend(cairn_jwt::check(policy));
    problems
}

/// The policies that bind to one target, compiled: what a waypoint asks before it lets a request pass.
///
/// Policies are applied as in Istio, by who holds the set: first those are asked whom [`customs`](Self::customs) names, and each of them must
/// allow; then tokens are read; then [`audit`](Self::audit) takes down what it is to, and [`evaluate`](Self::evaluate) refuses by a match in
/// a DENY policy and, if there are ALLOW policies, by no match in any of them. Where several rules refuse, the first by Envoy's
/// order, that of their names, is reported. The set is immutable; a request costs as much as the rules that could match it.
#[derive(Default)]
pub struct PolicySet {
    enforced: Stages,
    /// The policies that are only rehearsed, if there are any.
    rehearsed: Option<Box<Stages>>,
    policies: Box<[Policy]>,
    asks_for_server_name: bool,
}

#[derive(Default)]
struct Stages {
    customs: Customs,
    /// What is left of CUSTOM policies to decide here: those that are broken, and connections.
    custom: Layered,
    /// Set when there are AUDIT policies.
    audit: Option<Layered>,
    deny: Layered,
    allow: Layered,
    /// What is refused because nothing allows it. Set when there are ALLOW policies.
    not_allowed: Option<Denial>,
}

/// The rules of one action, for HTTP requests and for TCP connections.
#[derive(Default)]
struct Layered {
    http: Stage,
    tcp: Stage,
}

impl PolicySet {
    /// Compiles the policies that bind to a target (see [`select`](crate::attach::select)), and the denial of those that cannot be read.
    ///
    /// What is wrong with a policy does not keep the others from being compiled: a policy with an error denies everything.
    #[must_use]
    pub fn compile<'a>(
        policies: &[Arc<AuthorizationPolicy>],
        broken_policies: impl IntoIterator<Item = &'a BrokenPolicy>,
        options: &CompileOptions,
    ) -> (PolicySet, Vec<Problem>) {
        let trust = trust_domains(options);
        let mut problems = vec![];
        let mut compiled: Vec<Policy> = policies
            .iter()
            .map(|policy| compile(policy, &trust, &mut problems))
            .collect();
        compiled.extend(
            broken_policies
                .into_iter()
                .map(|policy| broken(policy.object.clone(), Effect::Deny, false, 0, &policy.reason)),
        );
        compiled.sort_by(|a, b| (a.effect, &a.object).cmp(&(b.effect, &b.object)));
        let (rehearsed, enforced): (Vec<&Policy>, Vec<&Policy>) =
            compiled.iter().partition(|policy| policy.dry_run);
        let set = PolicySet {
            enforced: Stages::new(&enforced),
            rehearsed: (!rehearsed.is_empty()).then(|| Box::new(Stages::new(&rehearsed))),
            asks_for_server_name: compiled
                .iter()
                .any(|policy| !policy.dry_run && policy.asks_for_server_name()),
            policies: compiled.into(),
        };
        (set, problems)
    }

    /// Whether there is no policy, so that everything passes and nothing is rehearsed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// Whether some policy that is enforced looks at the server name of a connection's TLS. Who does not know it must not ask: a denial of
    /// that name would not match.
    #[must_use]
    pub fn asks_for_server_name(&self) -> bool {
        self.asks_for_server_name
    }

    /// The providers that sound CUSTOM policies name, in order, each once. Whether the mesh has them is for the caller to find out: what it
    /// cannot ask, it must refuse. Those that are only rehearsed are not among them.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<str>> {
        self.enforced.customs.providers()
    }

    /// The policies that name a provider, so that it can be said where.
    pub fn asking<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = &'a ObjectRef> {
        let enforced = self.policies.iter().filter(|policy| !policy.dry_run);
        enforced
            .filter(move |policy| policy.provider.as_deref() == Some(provider))
            .map(|policy| &policy.object)
    }

    /// Who must allow a request, besides [`evaluate`](Self::evaluate): for each provider, in the order of their names, the first rule that
    /// matches. What the request's token says makes no difference, as tokens are read later. Allocates nothing.
    pub fn customs<'a>(&'a self, request: &Request<'a>) -> impl Iterator<Item = Custom> + use<'a> {
        self.enforced.customs.of(request)
    }

    /// Who would have been asked by the CUSTOM policies with the annotation `istio.io/dry-run: "true"`. Nobody is.
    pub fn rehearse_customs<'a>(&'a self, request: &Request<'a>) -> impl Iterator<Item = Custom> + use<'a> {
        let rehearsed = self.rehearsed.as_ref();
        let request = *request;
        rehearsed
            .into_iter()
            .flat_map(move |stages| stages.customs.of(&request))
    }

    /// The first rule of an AUDIT policy that matches, for the log; nothing depends on it. An AUDIT policy that is broken matches
    /// everything. Allocates nothing.
    #[must_use]
    pub fn audit(&self, request: &Request<'_>) -> Option<Arc<str>> {
        let rule = self.enforced.audit.as_ref()?.of(request).first(request)?;
        Some(Arc::clone(&rule.name))
    }

    /// What connections that are not HTTP are refused by, and only because nobody can be asked about them: to be told where a target may get
    /// such.
    #[must_use]
    pub fn problems_of_connections(&self) -> Vec<Problem> {
        let asking = self
            .policies
            .iter()
            .filter(|policy| !policy.dry_run && policy.provider.is_some());
        asking
            .filter(|policy| matches!(&policy.body, Body::Rules(rules) if !rules.is_empty()))
            .map(|policy| {
                Problem::unsupported(
                    policy.object.clone(),
                    "spec.action",
                    "external authorization is for HTTP requests; other connections that match, as far as can be told, are denied",
                    "decide on other connections with ALLOW and DENY policies, and keep them out of the rules of this one by their ports",
                )
            })
            .collect()
    }

    /// Decides on a request, as far as that is decided here. Allocates nothing.
    #[must_use]
    pub fn evaluate(&self, request: &Request<'_>) -> Verdict {
        if self.policies.is_empty() {
            Verdict::Allow
        } else {
            self.enforced.evaluate(request)
        }
    }

    /// What the policies with the annotation `istio.io/dry-run: "true"` would have decided, were they the only ones. `None`: there are none.
    /// Whom they would have asked is said by [`rehearse_customs`](Self::rehearse_customs).
    #[must_use]
    pub fn rehearse(&self, request: &Request<'_>) -> Option<Verdict> {
        self.rehearsed.as_ref().map(|stages| stages.evaluate(request))
    }

    /// Every policy and every rule in the order of evaluation, with what each makes of the request.
    #[must_use]
    pub fn explain(&self, request: &Request<'_>) -> Vec<Step> {
        explain(&self.policies, request)
    }
}

fn trust_domains(options: &CompileOptions) -> TrustDomains {
    TrustDomains::new(&options.trust_domain, &options.aliases)
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.policies.iter().map(|policy| policy.object.to_string()))
            .finish()
    }
}

impl Stages {
    fn new(policies: &[&Policy]) -> Stages {
        let of = |effect| policies.iter().filter(move |policy| policy.effect == effect);
        let broken_allow = of(Effect::Allow).filter(|policy| matches!(policy.body, Body::Broken(_)));
        let allow = of(Effect::Allow).filter(|policy| matches!(policy.body, Body::Rules(_)));
        let broken_custom = of(Effect::Custom).filter(|policy| matches!(policy.body, Body::Broken(_)));
        Stages {
            customs: Customs::new(policies),
            custom: Layered {
                http: Layered::new(broken_custom).http,
                tcp: Layered::new(of(Effect::Custom)).tcp,
            },
            audit: of(Effect::Audit).next().map(|_| Layered::new(of(Effect::Audit))),
            // A broken ALLOW policy denies, like any other.
            deny: Layered::new(of(Effect::Deny).chain(broken_allow)),
            not_allowed: of(Effect::Allow).next().map(|_| Denial {
                policy: None,
                details: details(None),
                reason: Reason::NotAllowed,
            }),
            allow: Layered::new(allow),
        }
    }

    fn evaluate(&self, request: &Request<'_>) -> Verdict {
        let refusing = self
            .custom
            .of(request)
            .first(request)
            .or_else(|| self.deny.of(request).first(request));
        if let Some(rule) = refusing {
            return Verdict::Deny(Denial {
                policy: Some(Arc::clone(&rule.name)),
                details: Arc::clone(&rule.details),
                reason: rule.reason.clone(),
            });
        }
        match &self.not_allowed {
            Some(denial) if !self.allow.of(request).any(request) => Verdict::Deny(denial.clone()),
            _ => Verdict::Allow,
        }
    }
}

impl Layered {
    fn new<'a>(policies: impl Iterator<Item = &'a &'a Policy>) -> Layered {
        let (mut http, mut tcp): (Vec<Arc<Rule>>, Vec<Arc<Rule>>) = (vec![], vec![]);
        for policy in policies {
            match &policy.body {
                Body::Rules(rules) => {
                    http.extend(rules.iter().map(|forms| Arc::clone(&forms.http)));
                    tcp.extend(rules.iter().filter_map(|forms| forms.tcp.clone()));
                }
                Body::Broken(rule) => {
                    http.push(Arc::clone(rule));
                    tcp.push(Arc::clone(rule));
                }
            }
        }
        Layered {
            http: Stage::new(http),
            tcp: Stage::new(tcp),
        }
    }

    fn of(&self, request: &Request<'_>) -> &Stage {
        if request.http.is_some() {
            &self.http
        } else {
            &self.tcp
        }
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
