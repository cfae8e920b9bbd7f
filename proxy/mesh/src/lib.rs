#![forbid(unsafe_code)]
//! The mesh, compiled: who runs where, what stands behind which address, what goes through which waypoint, and who may
//! connect to whom.
//!
//! [`Snapshot::compile`] makes one immutable value of the objects of a mesh; the proxies swap it and ask it. It decides, without
//! any I/O, where a connection goes ([`Snapshot::outbound`]), and whether one that arrives may stay ([`Snapshot::inbound`]).
//! [`controllers::complete`] stands in for the controllers of Kubernetes when the objects are plain files.
//!
//! Of the other crates it needs the forms of `cairn-api`, the objects of `cairn-config` and the names of `cairn-identity`.
//!
//! ```
//! use cairn_config::State;
//! use cairn_mesh::{Outbound, Snapshot, controllers};
//!
//! let state = cairn_config::from_str(
//!     r#"
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: sleep, labels: {app: sleep}}
//! status: {podIP: 127.0.20.1}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: helloworld, labels: {app: helloworld}}
//! status: {podIP: 127.0.20.2}
//! ---
//! apiVersion: v1
//! kind: Service
//! metadata: {name: helloworld}
//! spec: {clusterIP: 127.0.10.1, selector: {app: helloworld}, ports: [{name: http, port: 5000}]}
//! "#,
//!     "mesh.yaml".as_ref(),
//! );
//! let state = State::from_objects(controllers::complete(&state.objects));
//! let (mesh, problems) = Snapshot::compile(&state);
//! assert!(problems.is_empty());
//!
//! let sleep = mesh.workload_by_ip("127.0.20.1".parse()?).expect("the pod");
//! let random = 0;
//! let decision = mesh.outbound(sleep, "127.0.10.1:5000".parse()?, |endpoints| endpoints.pick(random));
//! assert!(matches!(decision, Outbound::Hbone { authority, .. } if authority == "127.0.20.2:5000".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compile;
pub mod controllers;
mod inbound;
pub mod l4;
mod names;
mod outbound;
mod selector;
mod service;
mod settings;
mod snapshot;
#[cfg(test)]
mod testing;
mod waypoint;
mod workload;

pub use compile::GatewayClasses;
pub use inbound::{Arrival, Inbound, Rejection, Target};
pub use outbound::{Candidates, Outbound, Refusal};
pub use service::{
    AppProtocol, Endpoint, Exported, LoadBalancing, Mode, Origin, Scope, Service, ServicePort,
};
pub use settings::MeshSettings;
pub use snapshot::{Parts, Snapshot};
pub use waypoint::{HBONE_PORT, LegacyScope, Serves, Waypoint};
pub use workload::{ContainerPort, Locality, Tunnel, Workload, WorkloadType};
