//! What is written and binds to nothing: nobody would ever notice at run time.

use std::collections::BTreeSet;
use std::sync::Arc;

use cairn_api::istio::{PolicyTargetReference, VirtualService};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_authz::attach::{self, Targets};
use cairn_config::{Objects, Problem};
use cairn_mesh::{Origin, Service, Snapshot};
use cairn_route::VirtualServices;

const BIND: &str =
    "label the Service or its namespace with `istio.io/use-waypoint: NAME`, and write that Gateway";

/// VirtualServices for traffic inside the mesh that no waypoint takes.
pub(super) fn virtual_services(objects: &Objects, mesh: &Snapshot) -> Vec<Problem> {
    let all: Vec<_> = objects.virtual_services.values().cloned().collect();
    let index = VirtualServices::new(&all);
    let mut bound: BTreeSet<Key> = BTreeSet::new();
    for waypoint in mesh.waypoints() {
        for service in mesh.services_of_waypoint(&waypoint.key) {
            let taken = index.of(&service.hostname, &service.namespace, &waypoint.key.namespace);
            bound.extend(taken.iter().map(|all| all.metadata.key()));
        }
    }
    let mut problems = Vec::new();
    for virtual_service in all
        .iter()
        .filter(|all| is_for_mesh(all) && !bound.contains(&all.metadata.key()))
    {
        problems.extend(cairn_route::check(virtual_service));
        let (message, hint) = why(virtual_service, mesh);
        let object = ObjectRef::from_key(Kind::VirtualService, &virtual_service.metadata.key());
        problems.push(Problem::warning(object, "spec.hosts", message, hint));
    }
    problems
}

fn is_for_mesh(virtual_service: &VirtualService) -> bool {
    let gateways = &virtual_service.spec.gateways;
    gateways.is_empty() || gateways.iter().any(|gateway| gateway == "mesh")
}

fn why(virtual_service: &VirtualService, mesh: &Snapshot) -> (String, &'static str) {
    let namespace = &virtual_service.metadata.namespace;
    let hosts = virtual_service.spec.hosts.iter().map(|host| {
        let in_full = host.contains('.') || host.contains('*');
        if in_full {
            host.clone()
        } else {
            mesh.mesh.hostname(&Key::new(namespace.as_str(), host.as_str()))
        }
    });
    let hosts: Vec<String> = hosts.collect();
    let known: Vec<&Arc<Service>> = hosts
        .iter()
        .filter_map(|host| mesh.service_named(host, namespace))
        .collect();
    match known.first() {
        None if hosts.is_empty() => (
            "applies to nothing: it has no hosts, and no other VirtualService that applies delegates to it"
                .to_owned(),
            "name hosts, or delegate to it",
        ),
        None => (
            format!("applies to nothing: the mesh has no service {}", hosts.join(", ")),
            "correct the host, or add the Service",
        ),
        Some(service) => match &service.waypoint {
            None => (
                format!("applies to nothing: {} is bound to no waypoint", service.hostname),
                BIND,
            ),
            Some(waypoint) => (
                format!(
                    "applies to nothing: waypoint {waypoint} of {} does not see it",
                    service.hostname
                ),
                "write it in the namespace of the service or of the waypoint, and export it there",
            ),
        },
    }
}

/// DestinationRules for hosts that the mesh does not have, and for ports that these do not have.
pub(super) fn destination_rules(objects: &Objects, mesh: &Snapshot) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, rule) in &objects.destination_rules {
        let host = rule.spec.host.to_ascii_lowercase();
        let full = match host.contains('.') || host.contains('*') {
            true => host.clone(),
            false => mesh
                .mesh
                .hostname(&Key::new(key.namespace.as_str(), host.as_str())),
        };
        let suffix = full.strip_prefix('*');
        let mut meant = mesh.services().filter(|service| match suffix {
            Some(suffix) => service.hostname.ends_with(suffix),
            None => *service.hostname == *full,
        });
        let Some(service) = meant.next() else {
            problems.push(Problem::warning(
                ObjectRef::from_key(Kind::DestinationRule, key),
                "spec.host",
                format!("applies to nothing: the mesh has no service {full}"),
                "correct the host, or add the service",
            ));
            continue;
        };
        let policy = rule.spec.traffic_policy.iter();
        let ports = policy.flat_map(|policy| policy.port_level_settings.iter().enumerate());
        let missing = ports.filter_map(|(place, settings)| {
            let number = u16::try_from(settings.port.as_ref()?.number?).ok()?;
            (suffix.is_none() && service.port(number).is_none()).then_some((place, number))
        });
        problems.extend(missing.map(|(place, number)| {
            Problem::warning(
                ObjectRef::from_key(Kind::DestinationRule, key),
                format!("spec.trafficPolicy.portLevelSettings[{place}].port.number"),
                format!("applies to nothing: {full} has no port {number}"),
                "write one of its ports",
            )
        }));
    }
    problems
}

/// Routes of the Gateway API whose parents no waypoint guards.
pub(super) fn routes(objects: &Objects, mesh: &Snapshot) -> Vec<Problem> {
    let http = objects.http_routes.values();
    let http = http.map(|route| (Kind::HttpRoute, route.metadata.key(), &route.spec.parent_refs));
    let grpc = objects.grpc_routes.values();
    let grpc = grpc.map(|route| (Kind::GrpcRoute, route.metadata.key(), &route.spec.parent_refs));
    let guarded = guarded(mesh);
    let mut problems = Vec::new();
    for (kind, key, parents) in http.chain(grpc) {
        for (place, parent) in parents.iter().enumerate() {
            let (is_service, group) = match parent.kind.as_deref() {
                Some("Service") => (true, ""),
                Some("ServiceEntry") => (false, "networking.istio.io"),
                _ => continue,
            };
            if parent.group.as_deref() != Some(group) {
                let kind_named = parent.kind.as_deref().unwrap_or_default();
                problems.push(Problem::warning(
                    ObjectRef::from_key(kind, &key),
                    format!("spec.parentRefs[{place}].group"),
                    format!("applies to nothing: {kind_named} is of the group {group:?}, and without one the Gateway API's own is meant"),
                    if is_service { "write group: \"\"" } else { "write group: networking.istio.io" },
                ));
                continue;
            }
            let namespace = parent.namespace.as_deref().unwrap_or(&key.namespace);
            let named = Key::new(namespace, parent.name.as_str());
            let is_there = mesh.services().any(|service| {
                (service.origin == Origin::Kubernetes) == is_service
                    && service.namespace == named.namespace
                    && service.name == named.name
            });
            let (message, hint) = match (is_there, guarded.contains(&(is_service, named.clone()))) {
                (_, true) => continue,
                (true, false) => (
                    format!("applies to nothing: {named} is bound to no waypoint"),
                    BIND,
                ),
                (false, _) => (
                    format!("applies to nothing: the mesh has no service {named}"),
                    "correct the name, or add the service",
                ),
            };
            let object = ObjectRef::from_key(kind, &key);
            let field = format!("spec.parentRefs[{place}].name");
            problems.push(Problem::warning(object, field, message, hint));
        }
    }
    problems
}

/// Policies attached to what is not there, or to what no waypoint guards.
pub(super) fn policies(objects: &Objects, mesh: &Snapshot) -> Vec<Problem> {
    let targets = Targets::of(objects);
    let guarded = guarded(mesh);
    let mut problems = Vec::new();
    let root_namespace = &mesh.mesh.root_namespace;
    let authorizations = objects.authorization_policies.values().map(|policy| {
        let found = attach::problems(policy, &targets, root_namespace);
        let references = attached(policy.spec.target_ref.as_ref(), &policy.spec.target_refs);
        (
            Kind::AuthorizationPolicy,
            &policy.metadata,
            references.collect::<Vec<_>>(),
            found,
        )
    });
    let authentications = objects.request_authentications.values().map(|policy| {
        let found = attach::authentication_problems(policy, &targets, root_namespace);
        let references = attached(policy.spec.target_ref.as_ref(), &policy.spec.target_refs);
        (
            Kind::RequestAuthentication,
            &policy.metadata,
            references.collect::<Vec<_>>(),
            found,
        )
    });
    for (kind, metadata, references, found) in authorizations.chain(authentications) {
        problems.extend(found);
        for (field, target) in references {
            let key = Key::new(metadata.namespace.as_str(), target.name.as_str());
            let unguarded = match target.kind.as_str() {
                "Service" => targets.services.contains(&key) && !guarded.contains(&(true, key.clone())),
                "ServiceEntry" => {
                    targets.service_entries.contains(&key) && !guarded.contains(&(false, key.clone()))
                }
                "Gateway" => targets.gateways.contains(&key) && mesh.waypoint(&key).is_none(),
                _ => false,
            };
            if unguarded {
                let object = ObjectRef::from_key(kind, &metadata.key());
                let (reason, hint) = match target.kind.as_str() {
                    "Gateway" => (
                        "is no waypoint",
                        "attach the policy to a waypoint, or to a Service behind one",
                    ),
                    _ => ("is bound to no waypoint", BIND),
                };
                let message = format!("{} {key} {reason}, so nobody enforces this policy", target.kind);
                problems.push(Problem::error(object, format!("{field}.name"), message, hint));
            }
        }
    }
    problems
}

/// Filters attached to what is not there, or to what no waypoint guards.
pub(super) fn plugins(objects: &Objects, mesh: &Snapshot) -> Vec<Problem> {
    let targets = Targets::of(objects);
    let guarded = guarded(mesh);
    let plugins = objects.wasm_plugins.values().map(|plugin| {
        let spec = &plugin.spec;
        let references = attached(spec.target_ref.as_ref(), &spec.target_refs);
        (Kind::WasmPlugin, &plugin.metadata, references)
    });
    let extensions = objects.traffic_extensions.values().map(|extension| {
        let references = attached(None, &extension.spec.target_refs);
        (Kind::TrafficExtension, &extension.metadata, references)
    });
    let mut problems = Vec::new();
    for (kind, metadata, references) in plugins.chain(extensions) {
        for (field, target) in references {
            let key = Key::new(metadata.namespace.as_str(), target.name.as_str());
            let elsewhere = !target.namespace.is_empty() && target.namespace != metadata.namespace;
            let (is_there, is_guarded) = match target.kind.as_str() {
                "Service" => (
                    targets.services.contains(&key),
                    guarded.contains(&(true, key.clone())),
                ),
                "ServiceEntry" => (
                    targets.service_entries.contains(&key),
                    guarded.contains(&(false, key.clone())),
                ),
                "Gateway" => (targets.gateways.contains(&key), mesh.waypoint(&key).is_some()),
                "GatewayClass" => (
                    targets.gateway_classes.contains(&target.name),
                    metadata.namespace == mesh.mesh.root_namespace,
                ),
                // Said where it is read.
                _ => continue,
            };
            let (reason, hint) = if elsewhere {
                (
                    "is in another namespace",
                    "write the filter in the namespace of its target",
                )
            } else if !is_there {
                ("does not exist", "correct the name, or add the object")
            } else if !is_guarded {
                match target.kind.as_str() {
                    "Gateway" => (
                        "is no waypoint",
                        "attach the filter to a waypoint, or to a Service behind one",
                    ),
                    "GatewayClass" => (
                        "is a target from the root namespace only",
                        "move the filter there",
                    ),
                    _ => ("is bound to no waypoint", BIND),
                }
            } else {
                continue;
            };
            let object = ObjectRef::from_key(kind, &metadata.key());
            let message = format!(
                "{} {key} {reason}, so the filter sees nothing by this",
                target.kind
            );
            problems.push(Problem::error(object, format!("{field}.name"), message, hint));
        }
    }
    problems
}

/// The services that waypoints stand before: whether they are Kubernetes' own, and their names.
fn guarded(mesh: &Snapshot) -> BTreeSet<(bool, Key)> {
    mesh.waypoints()
        .flat_map(|waypoint| mesh.services_of_waypoint(&waypoint.key))
        .map(|service| (service.origin == Origin::Kubernetes, key(service)))
        .collect()
}

fn key(service: &Arc<Service>) -> Key {
    Key::new(service.namespace.as_str(), service.name.as_str())
}

/// The targets of a policy, with their fields.
fn attached<'a>(
    one: Option<&'a PolicyTargetReference>,
    many: &'a [PolicyTargetReference],
) -> impl Iterator<Item = (String, &'a PolicyTargetReference)> {
    let one = one
        .into_iter()
        .map(|target| ("spec.targetRef".to_owned(), target));
    let many = many.iter().enumerate();
    one.chain(many.map(|(place, target)| (format!("spec.targetRefs[{place}]"), target)))
}
