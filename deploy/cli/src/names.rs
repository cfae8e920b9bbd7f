//! Names of services, as the cluster's DNS would answer them.

use std::net::SocketAddr;

use cairn_mesh::Snapshot;

/// The address of `host:port` for a pod of `namespace`.
pub(crate) fn resolve(mesh: &Snapshot, namespace: &str, target: &str) -> Option<SocketAddr> {
    let (host, port) = target.rsplit_once(':')?;
    let domain = &mesh.mesh.cluster_domain;
    let names = [
        host.to_owned(),
        format!("{host}.{namespace}.svc.{domain}"),
        format!("{host}.svc.{domain}"),
        format!("{host}.{domain}"),
    ];
    let service = names
        .iter()
        .find_map(|name| mesh.service_named(name, namespace))?;
    Some(SocketAddr::new(*service.vips.first()?, port.parse().ok()?))
}

#[cfg(test)]
mod tests;
