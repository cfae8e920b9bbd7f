//! The authorization servers that policies leave decisions to.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cairn_api::istio::Action;
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::Problem;
use cairn_ext_authz::{Provider, Providers};
use cairn_mesh::Service;
use cairn_route::HeaderOperations;

use super::clusters::Clusters;
use super::{Compiler, Shared};
use crate::plan::External;

impl Compiler {
    /// The servers of all providers that policies in the mesh name. What a policy leaves to one that is missing is denied.
    pub(super) fn externals(
        &mut self,
        shared: &Shared<'_>,
        problems: &mut Vec<Problem>,
    ) -> HashMap<String, External> {
        let policies = shared.state.objects.authorization_policies.values();
        let customs = policies.filter(|policy| policy.spec.action == Some(Action::Custom));
        let named = customs.filter_map(|policy| Some((policy, policy.spec.provider.as_ref()?.name.as_str())));
        let named: Vec<_> = named.filter(|(_, name)| !name.is_empty()).collect();
        if named.is_empty() {
            return HashMap::new();
        }
        let settings = ObjectRef::new(Kind::ConfigMap, "istio-system", "istio");
        let (providers, found) = Providers::compile(&shared.settings.config.extension_providers, &settings);
        problems.extend(found);
        let mut clusters = Clusters {
            shared,
            viewer: None,
            upstreams: &mut self.upstreams,
            memory: &mut self.memory,
            problems,
        };
        let mut externals = HashMap::new();
        for (policy, name) in named {
            if externals.contains_key(name) {
                continue;
            }
            let found = providers
                .named(name)
                .map_err(|error| error.to_string())
                .and_then(|provider| external(&mut clusters, provider));
            match found {
                Ok(external) => {
                    externals.insert(name.to_owned(), external);
                }
                Err(reason) => {
                    let object = ObjectRef::from_key(Kind::AuthorizationPolicy, &policy.metadata.key());
                    clusters.problems.push(Problem::error(
                        object,
                        "spec.provider.name",
                        format!("{reason}; what the policy matches is denied"),
                        "name a provider of envoyExtAuthzHttp or envoyExtAuthzGrpc in extensionProviders of MeshConfig whose service is there",
                    ));
                }
            }
        }
        externals
    }
}

fn external(clusters: &mut Clusters<'_, '_>, provider: &Arc<Provider>) -> Result<External, String> {
    let service = service(clusters.shared, provider).ok_or_else(|| {
        format!(
            "the mesh has no service {0}, or several namespaces have one (NAMESPACE/{0} says which)",
            provider.service().host
        )
    })?;
    let (host, port) = (&service.hostname, provider.port());
    let cluster = clusters
        .of(service, Some(port), None)
        .ok_or_else(|| format!("{host} has no port {port}, or nothing may be sent there"))?;
    let fields = HeaderOperations::setting(provider.templates()).map_err(|(name, error)| {
        format!("the value of {name} in includeAdditionalHeadersInCheck: {error}")
    })?;
    let address = service.vips.first().copied();
    Ok(External {
        provider: Arc::clone(provider),
        cluster,
        address: SocketAddr::new(address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), port),
        fields,
    })
}

fn service<'s>(shared: &'s Shared<'_>, provider: &Provider) -> Option<&'s Arc<Service>> {
    let wanted = provider.service();
    match &wanted.namespace {
        Some(namespace) => {
            let mut named = shared.mesh.services_named(&wanted.host);
            named.find(|service| service.namespace == *namespace)
        }
        None => {
            let mut named = shared.mesh.services_named(&wanted.host);
            let first = named.next()?;
            // Nobody may answer in the place of another: with a namespace it is said who is meant.
            named
                .all(|other| other.namespace == first.namespace)
                .then_some(first)
        }
    }
}
