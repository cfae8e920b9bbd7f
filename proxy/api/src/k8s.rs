//! The Kubernetes objects that a mesh reads, with the fields that it reads; the others are skipped.

mod pod;
mod service;

pub use pod::{
    Container, ContainerPort, Deployment, DeploymentSpec, EnvVar, HostIp, LabelSelector,
    LabelSelectorRequirement, Pod, PodIp, PodSpec, PodStatus, PodTemplate,
};
pub use service::{
    ClientIpConfig, Endpoint, EndpointConditions, EndpointHints, EndpointPort, EndpointSlice,
    LoadBalancerIngress, LoadBalancerStatus, NamedHint, ObjectReference, Service, ServicePort, ServiceSpec,
    ServiceStatus, SessionAffinityConfig,
};

use std::collections::BTreeMap;

use crate::meta::{Object, ObjectMeta};
use crate::value::Hidden;

/// A namespace. Only its metadata is read.
pub type Namespace = Object<Unread>;

/// A node. Only its metadata is read; labels give the locality.
pub type Node = Object<Unread>;

form! {
    /// A desired state of which nothing is read.
    pub struct Unread {}

    /// What pods run as.
    pub struct ServiceAccount {
        /// Name, namespace, labels, annotations.
        pub metadata: ObjectMeta,
    }

    /// Settings as text.
    pub struct ConfigMap {
        /// Name, namespace, labels, annotations.
        pub metadata: ObjectMeta,
        /// The settings.
        pub data: BTreeMap<String, String>,
        /// Settings that are not text, as base64.
        pub binary_data: BTreeMap<String, String>,
    }

    /// What must not be seen.
    pub struct Secret {
        /// Name, namespace, labels, annotations.
        pub metadata: ObjectMeta,
        /// What kind of secret it is, as in `kubernetes.io/dockerconfigjson`.
        #[serde(rename = "type")]
        pub type_: String,
        /// The secrets, as base64.
        pub data: BTreeMap<String, Hidden>,
        /// The secrets as text; goes before `data`.
        pub string_data: BTreeMap<String, Hidden>,
    }
}
