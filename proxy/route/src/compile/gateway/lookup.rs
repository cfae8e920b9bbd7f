//! What the references of a route lead to.

use cairn_api::gateway::{BackendObjectReference, ReferenceGrant};
use cairn_api::meta::{Kind, ObjectRef};

use crate::compile::findings::Findings;
use crate::compile::inputs::Inputs;

const GATEWAY: &str = "gateway.networking.k8s.io";
const ISTIO: &str = "networking.istio.io";

/// Why a reference leads nowhere, as `ResolvedRefs` says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unresolved {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What the references of one route are looked up in.
pub(super) struct Lookup<'a, 'b> {
    /// The route.
    pub(super) route: &'a ObjectRef,
    pub(super) inputs: &'a Inputs<'b>,
    /// The references that lead nowhere, so far.
    pub(super) unresolved: Vec<Unresolved>,
    /// Whether references are looked up at all.
    looks: bool,
}

impl<'a, 'b> Lookup<'a, 'b> {
    pub(super) fn new(route: &'a ObjectRef, inputs: &'a Inputs<'b>) -> Lookup<'a, 'b> {
        Lookup {
            route,
            inputs,
            unresolved: Vec::new(),
            looks: true,
        }
    }

    /// A lookup for what is wrong with the route by itself: whether a reference leads somewhere is up to the mesh.
    pub(super) fn blind(route: &'a ObjectRef, inputs: &'a Inputs<'b>) -> Lookup<'a, 'b> {
        Lookup {
            looks: false,
            ..Lookup::new(route, inputs)
        }
    }

    /// The host and port that a reference means. Else it leads nowhere: that is found, and told.
    pub(super) fn resolve(
        &mut self,
        reference: &BackendObjectReference,
        field: &str,
        findings: &mut Findings,
    ) -> Result<(String, u16), String> {
        if !self.looks {
            return Ok((reference.name.clone(), reference.port.unwrap_or_default()));
        }
        let (reason, name, message, hint) = match self.target(reference) {
            Ok(target) => return Ok(target),
            Err(refused) => refused,
        };
        findings.error(format!("{field}.{name}"), message.as_str(), hint);
        self.unresolved.push(Unresolved {
            reason,
            message: message.clone(),
        });
        Err(message)
    }

    fn target(
        &self,
        reference: &BackendObjectReference,
    ) -> Result<(String, u16), (&'static str, &'static str, String, &'static str)> {
        const NOT_FOUND: &str = "BackendNotFound";
        let group = reference.group.as_deref().unwrap_or_default();
        let kind = reference.kind.as_deref().unwrap_or("Service");
        let own = self.route.namespace.as_str();
        let namespace = reference.namespace.as_deref().unwrap_or(own);
        let host = match (group, kind) {
            ("" | "core", "Service") => {
                if namespace != own && !self.is_granted(namespace, &reference.name) {
                    let message = format!(
                        "Service {namespace}/{} does not let {}s of {own} refer to it",
                        reference.name, self.route.kind
                    );
                    let hint = "write a ReferenceGrant in the Service's namespace";
                    return Err(("RefNotPermitted", "namespace", message, hint));
                }
                format!("{}.{namespace}.svc.cluster.local", reference.name)
            }
            (ISTIO, "Hostname") if reference.namespace.is_some() => {
                let message = "a host name has no namespace".to_owned();
                return Err((NOT_FOUND, "namespace", message, "leave out `namespace`"));
            }
            (ISTIO, "Hostname") => reference.name.to_ascii_lowercase(),
            _ => {
                let message = format!("`{kind}` of group `{group}` is no kind of backend here");
                let hint =
                    "name a Service, or a host name with group `networking.istio.io` and kind `Hostname`";
                return Err(("InvalidKind", "kind", message, hint));
            }
        };
        let Some(port) = reference.port.filter(|port| *port > 0) else {
            let message = format!("the port of `{}` is not given", reference.name);
            return Err((NOT_FOUND, "port", message, "write `port`, one of the service's"));
        };
        if let Some(services) = self.inputs.services {
            let Some(service) = services.service(&host) else {
                let message = format!("there is no service `{host}`");
                return Err((NOT_FOUND, "name", message, "name a service of the mesh"));
            };
            let is_hostname = kind == "Hostname";
            if is_hostname && service.namespace != own {
                let cluster_local = format!(".{}.svc.", service.namespace);
                let name = host.split_once(&*cluster_local).map(|(name, _)| name);
                if name.is_some_and(|name| !self.is_granted(&service.namespace, name)) {
                    let message = format!("`{host}` does not let {}s of {own} refer to it", self.route.kind);
                    let hint = "write a ReferenceGrant in the Service's namespace";
                    return Err(("RefNotPermitted", "name", message, hint));
                }
            }
            if !service.ports.contains(&port) {
                let message = format!("`{host}` has no port {port}");
                return Err((NOT_FOUND, "port", message, "write one of its ports"));
            }
        }
        Ok((host, port))
    }

    /// Whether a grant lets the route refer to a Service of another namespace.
    fn is_granted(&self, namespace: &str, name: &str) -> bool {
        let permits = |grant: &ReferenceGrant| {
            let mut from = grant.spec.from.iter();
            let mut to = grant.spec.to.iter();
            grant.metadata.namespace == namespace
                && from.any(|from| {
                    from.group == GATEWAY
                        && from.kind == self.route.kind.to_string()
                        && from.namespace == self.route.namespace
                })
                && to.any(|to| {
                    matches!(to.group.as_str(), "" | "core")
                        && to.kind == Kind::Service.to_string()
                        && to
                            .name
                            .as_deref()
                            .is_none_or(|only| only.is_empty() || only == name)
                })
        };
        self.inputs.reference_grants.iter().any(|grant| permits(grant))
    }
}
