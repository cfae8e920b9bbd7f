//! Phase 5, authorize: whether the peer may do this.
//!
//! Policies see the normalised path that is also matched and forwarded. Every set that binds must agree.

use std::sync::Arc;

use cairn_authz::{PolicySet, Request, Verdict};

use crate::downstream::{Downstream, Held};
use crate::exchange::Scope;
use crate::failure::Failure;
use crate::hello::Hello;
use crate::proxy::Proxy;

/// Refuses what a policy forbids; each set is asked about the request as it is to see it.
pub(crate) fn check<'a>(policies: impl Iterator<Item = (&'a PolicySet, Request<'a>)>) -> Result<(), Failure> {
    for (set, request) in policies {
        if let Some(Verdict::Deny(denial)) = set.rehearse(&request) {
            tracing::info!(target: "authz", rule = denial.policy.as_deref(), "dry run: would be denied: {denial}");
        }
        for custom in set.rehearse_customs(&request) {
            tracing::info!(target: "authz", rule = &*custom.policy, "dry run: would ask {}", custom.provider);
        }
        if let Some(rule) = set.audit(&request) {
            tracing::info!(target: "authz", rule = &*rule, "audit");
        }
        if let Verdict::Deny(denial) = set.evaluate(&request) {
            tracing::debug!(target: "authz", "{denial}");
            return Err(Failure::Denied(denial.details));
        }
    }
    Ok(())
}

/// Ends when a later version of the configuration than `seen` forbids what was allowed: a connection, which may have come
/// to have a filter that it would go past, or the request that turned one into something else than HTTP.
pub(crate) async fn revoked(
    proxy: &Proxy,
    downstream: &Downstream,
    held: Held<'_>,
    mut seen: u64,
) -> Failure {
    let mut versions = proxy.version.subscribe();
    loop {
        if versions.wait_for(|version| *version != seen).await.is_err() {
            std::future::pending::<()>().await;
        }
        let plans = proxy.plans.load_full();
        seen = plans.version;
        let scope = Scope::of(&plans, &downstream.target, &downstream.peer);
        if matches!(scope, Scope::Gone) {
            return Failure::ClusterNotFound;
        }
        if let Held::Connection(Hello::Unread) = held
            && scope.asks_for_server_name(downstream)
        {
            return Failure::UnreadableHello;
        }
        if let Held::Connection(_) = held
            && let Some(attached) = scope.unmissable()
        {
            let plugin = Arc::clone(&attached.spec.label);
            return Failure::Unfiltered { plugin };
        }
        let access = match held {
            Held::Request(asked) => downstream.access_of(&asked.parts, &asked.authority, asked.learnt()),
            Held::Connection(hello) => downstream.access(hello.name().map(AsRef::as_ref)),
        };
        // Nobody asks about what is open already.
        if let Held::Request(asked) = held {
            let mut customs = scope
                .policies(access)
                .flat_map(|(set, access)| set.customs(&access));
            if let Some(custom) = customs.find(|custom| !asked.asked.contains(&custom.provider)) {
                return Failure::Denied(custom.details);
            }
        }
        if let Err(failure) = check(scope.policies(access)) {
            return failure;
        }
    }
}
