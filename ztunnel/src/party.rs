//! One end of a connection, as far as it is known.

use std::sync::Arc;

use cairn_hbone::{Baggage, baggage};
use cairn_identity::SpiffeId;
use cairn_mesh::{Workload, WorkloadType};
use cairn_telemetry::traffic::{Interned, WorkloadLabels};

/// One end of a connection: the workload that the mesh knows there, and what was proven and said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Party {
    workload: Option<Arc<Workload>>,
    /// What it said of itself; counts only where the mesh knows nothing.
    said: Option<Box<Baggage>>,
    /// What it has proven.
    identity: Option<SpiffeId>,
}

impl Party {
    /// A workload of the mesh that has proven nothing.
    pub(crate) fn workload(workload: &Arc<Workload>) -> Party {
        Party {
            workload: Some(Arc::clone(workload)),
            ..Party::default()
        }
    }

    /// A peer that has proven `identity`. The workload at its address is believed to be the peer only when it has that
    /// identity.
    pub(crate) fn peer(identity: &SpiffeId, at_address: Option<&Arc<Workload>>, said: Baggage) -> Party {
        Party {
            workload: at_address
                .filter(|workload| workload.identity == *identity)
                .cloned(),
            said: (said != Baggage::default()).then(|| Box::new(said)),
            identity: Some(identity.clone()),
        }
    }

    /// The same, with an identity that TLS proves.
    pub(crate) fn proven(self, identity: &SpiffeId) -> Party {
        Party {
            identity: Some(identity.clone()),
            ..self
        }
    }

    pub(crate) fn identity(&self) -> Option<&SpiffeId> {
        self.identity.as_ref()
    }

    /// The name of the workload: of the pod rather than of its Deployment.
    pub(crate) fn name(&self) -> Option<&str> {
        let known = self.workload.as_ref().map(|workload| workload.name.as_str());
        known.or_else(|| self.said(|said| Some(&said.workload.as_ref()?.name)))
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        let known = self.workload.as_ref().map(|workload| workload.namespace.as_str());
        known.or_else(|| self.identity.as_ref().map(SpiffeId::namespace))
    }

    pub(crate) fn cluster(&self) -> Option<&str> {
        let known = self
            .workload
            .as_ref()
            .map(|workload| workload.cluster_id.as_str());
        known
            .or_else(|| self.said(|said| said.cluster.as_deref()))
            .filter(|cluster| !cluster.is_empty())
    }

    pub(crate) fn labels(&self) -> Interned<WorkloadLabels> {
        let principal = self.identity.as_ref().map_or("", SpiffeId::as_str).into();
        let Some(workload) = &self.workload else {
            let service = self.said(|said| said.service.as_deref()).unwrap_or_default();
            let version = self.said(|said| said.version.as_deref()).unwrap_or_default();
            return Interned::new(WorkloadLabels {
                workload: self.name().unwrap_or_default().into(),
                namespace: self.namespace().unwrap_or_default().into(),
                principal,
                app: service.into(),
                version: version.into(),
                canonical_service: service.into(),
                canonical_revision: version.into(),
                cluster: self.cluster().unwrap_or_default().into(),
                region: self
                    .said(|said| said.region.as_deref())
                    .unwrap_or_default()
                    .into(),
                zone: self.said(|said| said.zone.as_deref()).unwrap_or_default().into(),
            });
        };
        Interned::new(WorkloadLabels {
            workload: workload.workload_name.as_str().into(),
            namespace: workload.namespace.as_str().into(),
            principal,
            app: workload.app.as_str().into(),
            version: workload.version.as_str().into(),
            canonical_service: workload.canonical_name.as_str().into(),
            canonical_revision: workload.canonical_revision.as_str().into(),
            cluster: workload.cluster_id.as_str().into(),
            region: workload.locality.region.as_str().into(),
            zone: workload.locality.zone.as_str().into(),
        })
    }

    fn said(&self, field: impl Fn(&Baggage) -> Option<&str>) -> Option<&str> {
        self.said.as_deref().and_then(field)
    }
}

/// What tunnels say of a workload at their end.
pub(crate) fn baggage_of(workload: &Workload) -> Baggage {
    let field = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
    let kind = match workload.workload_type {
        WorkloadType::Deployment => baggage::WorkloadKind::Deployment,
        WorkloadType::CronJob => baggage::WorkloadKind::CronJob,
        WorkloadType::Job => baggage::WorkloadKind::Job,
        WorkloadType::Pod => baggage::WorkloadKind::Pod,
    };
    Baggage {
        cluster: field(&workload.cluster_id),
        namespace: field(&workload.namespace),
        workload: field(&workload.workload_name).map(|name| baggage::Workload { kind, name }),
        service: field(&workload.canonical_name),
        version: field(&workload.canonical_revision),
        region: field(&workload.locality.region),
        zone: field(&workload.locality.zone),
    }
}

#[cfg(test)]
mod tests;
