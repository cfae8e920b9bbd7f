//! What has to run on this machine for a configuration to be a mesh.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use cairn_api::k8s::{Container, ContainerPort, Pod};
use cairn_api::meta::Key;
use cairn_config::Objects;
use cairn_identity::SpiffeId;
use cairn_mesh::Snapshot;

use crate::apps::App;

/// What has to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// By the address that they listen on.
    pub(crate) apps: BTreeMap<SocketAddr, Instance>,
    pub(crate) waypoints: BTreeMap<Key, Place>,
    /// Pods in which nothing runs here: places to call from.
    pub(crate) callers: BTreeMap<Key, IpAddr>,
}

/// A sample application in its pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) pod: Key,
    pub(crate) app: App,
}

/// Where a waypoint listens, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) identity: SpiffeId,
}

/// One thing that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    App(SocketAddr, Instance),
    Waypoint(Key, Place),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::App(address, Instance { pod, app }) => write!(f, "pod {pod} ({app}) on {address}"),
            Part::Waypoint(gateway, place) => write!(f, "waypoint {gateway} on {}", place.address),
        }
    }
}

impl Wanted {
    /// What the objects ask for, with what controllers add to them.
    pub(crate) fn of(objects: &Objects, mesh: &Snapshot) -> Wanted {
        let mut wanted = Wanted::default();
        for (key, pod) in &objects.pods {
            let Some(address) = address(pod) else { continue };
            let instances: Vec<_> = pod.spec.containers.iter().flat_map(listening).collect();
            if instances.is_empty() {
                wanted.callers.insert(key.clone(), address);
            }
            for (port, app) in instances {
                // Two pods with one address are a problem that the report tells.
                let slot = wanted.apps.entry(SocketAddr::new(address, port));
                slot.or_insert_with(|| Instance {
                    pod: key.clone(),
                    app,
                });
            }
        }
        for waypoint in mesh.waypoints() {
            if let Some(address) = waypoint.socket() {
                let place = Place {
                    address,
                    identity: waypoint.identity.clone(),
                };
                wanted.waypoints.insert(waypoint.key.clone(), place);
            }
        }
        wanted
    }
}

/// The address of a pod that has not ended.
fn address(pod: &Pod) -> Option<IpAddr> {
    let status = pod.status.as_ref()?;
    if matches!(status.phase.as_str(), "Failed" | "Succeeded") {
        return None;
    }
    let listed = status.pod_ips.iter().map(|ip| &ip.ip);
    std::iter::once(&status.pod_ip)
        .chain(listed)
        .find_map(|ip| ip.parse().ok())
}

/// The ports of a container whose image is one of the samples.
fn listening(container: &Container) -> Vec<(u16, App)> {
    let Some(app) = App::of_image(&container.image) else {
        return Vec::new();
    };
    let is_tcp = |port: &&ContainerPort| port.protocol.is_empty() || port.protocol == "TCP";
    let declared = container
        .ports
        .iter()
        .filter(is_tcp)
        .filter_map(|port| port.container_port);
    let mut ports: Vec<_> = declared.map(|port| (port, app.clone())).collect();
    if ports.is_empty() {
        ports.push((app.default_port(), app));
    }
    ports
}

#[cfg(test)]
mod tests;
