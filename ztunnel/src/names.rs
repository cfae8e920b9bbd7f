//! What a host name means to a pod, as the DNS of a cluster would have it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cairn_mesh::{Service, Snapshot, Workload};

/// Where `host` is for `caller`: a service by its full name, or by a shorter one that the caller's namespace
/// completes. A service without a virtual address is at one of its workloads. `None` for whatever the mesh does not know.
pub(crate) fn resolve(mesh: &Snapshot, caller: &Workload, host: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, port));
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let service = service(mesh, caller, &host)?;
    let like = caller.addresses.first().copied();
    let is_like = |vip: &&IpAddr| like.is_none_or(|like| like.is_ipv4() == vip.is_ipv4());
    let vip = service.vips.iter().find(is_like).or(service.vips.first());
    let address = vip.copied().or_else(|| headless(service, like))?;
    Some(SocketAddr::new(address, port))
}

fn service<'a>(mesh: &'a Snapshot, caller: &Workload, host: &str) -> Option<&'a Arc<Service>> {
    let (namespace, domain) = (&caller.namespace, &mesh.mesh.cluster_domain);
    let longer = [
        format!("{host}.{namespace}.svc.{domain}"),
        format!("{host}.svc.{domain}"),
        format!("{host}.{domain}"),
    ];
    let mut names = std::iter::once(host).chain(longer.iter().map(String::as_str));
    names.find_map(|name| mesh.service_named(name, namespace))
}

fn headless(service: &Service, like: Option<IpAddr>) -> Option<IpAddr> {
    let ready = service
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.workload.healthy || service.publish_not_ready)
        .collect::<Vec<_>>();
    let index = rand::random::<u64>() % (ready.len().max(1) as u64);
    let workload = &ready.get(index as usize)?.workload;
    like.map_or_else(
        || workload.addresses.first().copied(),
        |like| workload.address_like(like),
    )
}

#[cfg(test)]
mod tests;
