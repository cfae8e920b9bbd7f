//! What is in force, as JSON with the field names of Istio's ztunnel, which its tools read. Nothing secret is in it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cairn_api::meta::Key;
use cairn_config::Problem;
use cairn_identity::{CertificateDetail, CertificateInfo, CertificateState, Identities};
use cairn_mesh::l4::Policy;
use cairn_mesh::{Service, Snapshot, Tunnel, Workload};
use serde_json::{Value, json};

/// The mesh, the certificates (without their keys) and what is wrong.
pub(crate) fn of(version: u64, mesh: &Snapshot, identities: &Identities, problems: &[Problem]) -> Value {
    json!({
        "version": version,
        "workloads": mesh.workloads().map(|found| workload(mesh, found)).collect::<Vec<_>>(),
        "services": mesh.services().map(|found| service(mesh, found)).collect::<Vec<_>>(),
        "policies": mesh.l4().iter().map(|found| policy(found)).collect::<Vec<_>>(),
        "certificates": identities.dump().iter().map(certificate).collect::<Vec<_>>(),
        "problems": problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn workload(mesh: &Snapshot, workload: &Workload) -> Value {
    json!({
        "uid": &*workload.uid,
        "name": workload.name,
        "namespace": workload.namespace,
        "workloadIps": workload.addresses,
        "protocol": if workload.protocol == Tunnel::Hbone { "HBONE" } else { "TCP" },
        "trustDomain": workload.identity.trust_domain(),
        "serviceAccount": workload.identity.service_account(),
        "workloadName": workload.workload_name,
        "workloadType": workload.workload_type.as_str(),
        "canonicalName": workload.canonical_name,
        "canonicalRevision": workload.canonical_revision,
        "clusterId": workload.cluster_id,
        "node": workload.node,
        "network": workload.network,
        "locality": {
            "region": workload.locality.region,
            "zone": workload.locality.zone,
            "subzone": workload.locality.subzone,
        },
        "status": if workload.healthy { "Healthy" } else { "Unhealthy" },
        "capacity": workload.capacity,
        "waypoint": waypoint(mesh, workload.waypoint.as_ref()),
        "outboundWaypoint": waypoint(mesh, workload.outbound_waypoint.as_ref()),
        "authorizationPolicies": mesh.l4().of_workload(workload).map(|policy| policy.key.to_string()).collect::<Vec<_>>(),
    })
}

fn service(mesh: &Snapshot, service: &Service) -> Value {
    let network = &mesh.mesh.network;
    let vip = |address: &IpAddr| format!("{network}/{address}");
    let endpoints: BTreeMap<&str, Value> = service
        .endpoints
        .iter()
        .map(|endpoint| {
            let workload = &endpoint.workload;
            let status = if workload.healthy { "Healthy" } else { "Unhealthy" };
            let value = json!({ "workloadUid": &*workload.uid, "port": endpoint.ports, "status": status });
            (&*workload.uid, value)
        })
        .collect();
    let protocols: BTreeMap<u16, String> = service
        .ports
        .iter()
        .map(|port| (port.number, port.protocol.to_string()))
        .collect();
    json!({
        "name": service.name,
        "namespace": service.namespace,
        "hostname": &*service.hostname,
        "vips": service.vips.iter().map(vip).collect::<Vec<_>>(),
        "ports": protocols,
        "endpoints": endpoints,
        "subjectAltNames": service.subject_alt_names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "waypoint": waypoint(mesh, service.waypoint.as_ref()),
    })
}

/// A waypoint that is asked for and not there has no destination.
fn waypoint(mesh: &Snapshot, key: Option<&Key>) -> Value {
    let Some(key) = key else { return Value::Null };
    let socket = mesh.waypoint(key).and_then(|waypoint| waypoint.socket());
    json!({
        "name": key.to_string(),
        "destination": socket.map(|socket| format!("{}/{}", mesh.mesh.network, socket.ip())),
        "hboneMtlsPort": socket.map(|socket| socket.port()),
    })
}

fn policy(policy: &Policy) -> Value {
    json!({
        "name": policy.key.name,
        "namespace": policy.key.namespace,
        "scope": policy.scope.to_string(),
        "action": policy.action.to_string(),
        "broken": policy.broken,
    })
}

fn certificate(certificate: &CertificateInfo) -> Value {
    let state = match &certificate.state {
        CertificateState::Available => "Available".to_owned(),
        CertificateState::Initializing => "Initializing".to_owned(),
        CertificateState::Unavailable(reason) => format!("Unavailable: {reason}"),
        other => format!("{other:?}"),
    };
    let details = |details: &[CertificateDetail]| details.iter().map(detail).collect::<Vec<_>>();
    json!({
        "identity": certificate.id.to_string(),
        "state": state,
        "certChain": details(&certificate.chain),
        "rootCerts": details(&certificate.roots),
    })
}

fn detail(detail: &CertificateDetail) -> Value {
    json!({
        "serialNumber": detail.serial,
        "validFrom": detail.not_before.to_string(),
        "expirationTime": detail.not_after.to_string(),
    })
}
