//! The virtual addresses at which connections are captured on loopback.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use cairn_mesh::{Mode, Service, Snapshot};

/// Every port of every virtual address on loopback. Where a service leads to the very address that was asked for,
/// whoever has that address is to have the connection.
pub(crate) fn addresses(mesh: &Snapshot) -> BTreeSet<SocketAddr> {
    let mut addresses = BTreeSet::new();
    for service in mesh.services() {
        for vip in service.vips.iter().map(|vip| vip.to_canonical()) {
            if vip.is_loopback() && is_balanced(service) && is_meant(mesh, vip, service) {
                addresses.extend(service.ports.iter().map(|port| SocketAddr::new(vip, port.number)));
            }
        }
    }
    addresses
}

/// Whether connections to this address are captured.
pub(crate) fn is_captured(mesh: &Snapshot, address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let mut services = mesh.services_at(ip).filter(|_| ip.is_loopback());
    services.any(|service| {
        let exactly = service.vips.iter().any(|vip| vip.to_canonical() == ip);
        exactly
            && is_balanced(service)
            && is_meant(mesh, ip, service)
            && service.port(address.port()).is_some()
    })
}

/// Whether it is this service that some client means by an address: of those with one address in common, a namespace sees one.
fn is_meant(mesh: &Snapshot, vip: IpAddr, service: &Arc<Service>) -> bool {
    let first = mesh.services_at(vip).next();
    let own = mesh.service_at(vip, &service.namespace);
    first
        .into_iter()
        .chain(own)
        .any(|meant| Arc::ptr_eq(meant, service))
}

fn is_balanced(service: &Service) -> bool {
    service.load_balancing.mode != Mode::Passthrough
}
