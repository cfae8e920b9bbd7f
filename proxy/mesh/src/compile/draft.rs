//! A workload while the mesh is being compiled.

use std::net::IpAddr;

use cairn_api::meta::ObjectRef;
use cairn_identity::SpiffeId;

use crate::selector::Labels;
use crate::settings::MeshSettings;
use crate::workload::{Locality, Tunnel, Workload, WorkloadType};

/// A workload and what its compilation still needs.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) workload: Workload,
    /// The object that it comes from.
    pub(crate) object: ObjectRef,
    /// The Deployment that it was made from, when nobody wrote the object itself: problems are about that.
    pub(crate) made_from: Option<ObjectRef>,
    /// Its labels may name a waypoint, as opposed to those of its namespace alone.
    pub(crate) may_name_waypoint: bool,
    /// It runs as a service account of its namespace, as opposed to being an address outside of it.
    pub(crate) member: bool,
}

impl Draft {
    /// A healthy workload that is not captured; the caller sets what differs.
    pub(crate) fn new(
        mesh: &MeshSettings,
        uid: String,
        object: ObjectRef,
        service_account: &str,
        labels: &Labels,
        workload_name: &str,
    ) -> Draft {
        let label = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| labels.get(*name).filter(|value| !value.is_empty()))
        };
        let or =
            |found: Option<&String>, default: &str| found.map_or_else(|| default.to_owned(), String::clone);
        let canonical_name = label(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]);
        let canonical_name = or(canonical_name, workload_name);
        let canonical_revision = label(&[
            "service.istio.io/canonical-revision",
            "app.kubernetes.io/version",
            "version",
        ]);
        let canonical_revision = or(canonical_revision, "latest");
        let account = if service_account.is_empty() {
            "default"
        } else {
            service_account
        };
        let workload = Workload {
            uid: uid.into(),
            name: object.name.clone(),
            namespace: object.namespace.clone(),
            addresses: Vec::new(),
            hostname: None,
            identity: SpiffeId::new(&mesh.trust_domain, &object.namespace, account),
            workload_name: workload_name.to_owned(),
            workload_type: WorkloadType::Pod,
            app: or(label(&["app"]), &canonical_name),
            version: or(label(&["version"]), &canonical_revision),
            canonical_name,
            canonical_revision,
            cluster_id: mesh.cluster_id.clone(),
            node: String::new(),
            network: mesh.network.clone(),
            labels: labels.clone(),
            protocol: Tunnel::None,
            healthy: true,
            locality: Locality::default(),
            capacity: 1,
            waypoint: None,
            outbound_waypoint: None,
            ports: Vec::new(),
            gateway: None,
            host_network: false,
        };
        Draft {
            workload,
            object,
            made_from: None,
            may_name_waypoint: false,
            member: false,
        }
    }
}

/// The workloads of a mesh while it is being compiled; their numbers are their places.
pub(crate) type Drafts = Vec<Draft>;

/// Reads an IP address; an IPv4 address in IPv6 clothes is an IPv4 address.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}
