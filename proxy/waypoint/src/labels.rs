//! The mesh's objects as metric labels.

use cairn_mesh::{Service, Workload};
use cairn_telemetry::traffic::{Interned, ServiceLabels, WorkloadLabels};

pub(crate) fn workload(workload: &Workload) -> Interned<WorkloadLabels> {
    Interned::new(WorkloadLabels {
        workload: workload.workload_name.as_str().into(),
        namespace: workload.namespace.as_str().into(),
        principal: workload.identity.as_str().into(),
        app: workload.app.as_str().into(),
        version: workload.version.as_str().into(),
        canonical_service: workload.canonical_name.as_str().into(),
        canonical_revision: workload.canonical_revision.as_str().into(),
        cluster: workload.cluster_id.as_str().into(),
        region: workload.locality.region.as_str().into(),
        zone: workload.locality.zone.as_str().into(),
    })
}

/// A peer whose workload the mesh does not know: all that is certain is what its certificate says.
pub(crate) fn peer(identity: &cairn_identity::SpiffeId) -> Interned<WorkloadLabels> {
    Interned::new(WorkloadLabels {
        namespace: identity.namespace().into(),
        principal: identity.as_str().into(),
        ..WorkloadLabels::default()
    })
}

pub(crate) fn service(service: &Service) -> Interned<ServiceLabels> {
    Interned::new(ServiceLabels {
        host: service.hostname.clone(),
        name: service.name.as_str().into(),
        namespace: service.namespace.as_str().into(),
    })
}
