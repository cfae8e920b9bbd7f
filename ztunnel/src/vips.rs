//! The virtual addresses at which connections are captured on loopback.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use cairn_mesh::{Mode, Service, Snapshot};

/// Every port of every virtual address on loopback. Where a service leads to the very address that was asked for,
/// whoever has that address is to have the connection.
pub(crate) fn addresses(mesh: &Snapshot) -> BTreeSet<SocketAddr> {
    let mut addresses = BTreeSet::new();
    for service in mesh.services() {
        for vip in service.vips.iter().map(|vip| vip.to_canonical()) {
            // Of services with one address in common, one has it.
            let owner = mesh.service_by_vip(vip);
            if vip.is_loopback()
                && owner.is_some_and(|owner| Arc::ptr_eq(owner, service))
                && is_balanced(service)
            {
                addresses.extend(service.ports.iter().map(|port| SocketAddr::new(vip, port.number)));
            }
        }
    }
    addresses
}

/// Whether connections to this address are captured.
pub(crate) fn is_captured(mesh: &Snapshot, address: SocketAddr) -> bool {
    let service = mesh
        .service_by_vip(address.ip())
        .filter(|_| address.ip().is_loopback());
    service.is_some_and(|service| {
        let exactly = service.vips.iter().any(|vip| vip.to_canonical() == address.ip());
        exactly && is_balanced(service) && service.port(address.port()).is_some()
    })
}

fn is_balanced(service: &Service) -> bool {
    service.load_balancing.mode != Mode::Passthrough
}
