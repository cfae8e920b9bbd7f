//! The services that filters may call.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cairn_authz::PolicySet;
use cairn_config::Problem;

use super::clusters::Clusters;
use super::policies::Selection;
use super::{Compiler, Shared};
use crate::plan::Callee;
use crate::plugin::PluginSpec;

/// The annotation that names the services that a filter may call.
const OUTBOUND: &str = "metadata.annotations.filters.cairn.io/outbound";

impl Compiler {
    /// The clusters of the services that filters may call.
    pub(super) fn outbound(
        &mut self,
        shared: &Shared<'_>,
        plugins: &[Arc<PluginSpec>],
        problems: &mut Vec<Problem>,
    ) -> HashMap<String, Callee> {
        let mut clusters = Clusters {
            shared,
            viewer: None,
            upstreams: &mut self.upstreams,
            memory: &mut self.memory,
            problems,
        };
        let mut found = HashMap::new();
        for plugin in plugins {
            for target in &plugin.granted.targets {
                match callee(&mut clusters, target) {
                    Ok(callee) => {
                        let unseen = shared.plugins.past(plugin, target, shared.mesh);
                        clusters.problems.extend(unseen.map(|filter| {
                            let message = format!(
                                "{target} is called past {filter}, which sees what clients send there"
                            );
                            let hint = "let the service itself refuse what it must not be asked by filters";
                            Problem::warning(plugin.object.clone(), OUTBOUND, message, hint)
                        }));
                        found.insert(target.clone(), callee);
                    }
                    Err((message, hint)) => {
                        clusters.problems.push(Problem::error(
                            plugin.object.clone(),
                            OUTBOUND,
                            message,
                            hint,
                        ));
                    }
                }
            }
        }
        found
    }
}

/// A service that a filter may call, by host and port; else what is wrong with that, and what to do.
fn callee(clusters: &mut Clusters<'_, '_>, target: &str) -> Result<Callee, (String, &'static str)> {
    let shared = clusters.shared;
    let (host, port) = target.rsplit_once(':').unwrap_or((target, ""));
    let (Some(service), Ok(port)) = (shared.meant(host, None), port.parse()) else {
        let hint = "write the full host name and a port of the service";
        return Err((format!("the mesh has no service {target}"), hint));
    };
    if let Some(other) = service
        .waypoint
        .as_ref()
        .filter(|key| **key != shared.waypoint.key)
    {
        let hint = "name a service of this waypoint, or one without a waypoint";
        let message = format!("{target} is behind waypoint {other}, which calls of filters do not pass");
        return Err((message, hint));
    }
    let Some(cluster) = clusters.of(service, Some(port), None) else {
        return Err((
            format!("{host} has no port {port}"),
            "write a port of the service",
        ));
    };
    // Where no waypoint stands before the service, its own ztunnel's policies are all that there is. What is wrong with
    // policies is told where they are for clients.
    let selection = match service.waypoint {
        Some(_) => shared.select(service),
        None => Selection::default(),
    };
    if !selection.authentications.is_empty() {
        let hint = "let the filter call a service without RequestAuthentication";
        return Err((
            format!("{target} asks for tokens, which calls of filters are not examined for"),
            hint,
        ));
    }
    let (policies, _) = PolicySet::compile(&selection.policies, &selection.broken, &shared.options);
    let address = service.vips.first().copied();
    Ok(Callee {
        cluster,
        address: SocketAddr::new(address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), port),
        policies,
    })
}
