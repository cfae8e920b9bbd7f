//! The Kubernetes objects that a mesh reads, with the fields that it reads; the others are skipped.

mod pod;
mod service;

pub use pod::{
    Container, ContainerPort, Deployment, DeploymentSpec, EnvVar, HostIp, LabelSelector,
    LabelSelectorRequirement, Pod, PodIp, PodSpec, PodStatus, PodTemplate, Probe,
};
pub use service::{
    ClientIpConfig, Endpoint, EndpointConditions, EndpointHints, EndpointPort, EndpointSlice,
    LoadBalancerIngress, LoadBalancerStatus, NamedHint, ObjectReference, Service, ServicePort, ServiceSpec,
    ServiceStatus, SessionAffinityConfig,
};

use std::collections::BTreeMap;

use crate::meta::{Object, ObjectMeta};

/// A namespace. Only its metadata is read.
pub type Namespace = Object<Unread>;

/// A node. Its metadata is read (labels give the locality), and its pod ranges.
pub type Node = Object<NodeSpec>;

form! {
    /// A desired state of which nothing is read.
    pub struct Unread {}

    /// The desired state of a [`Node`].
    pub struct NodeSpec {
        /// Address range of the node's pods.
        #[serde(rename = "podCIDR")]
        pub pod_cidr: String,
        /// Address ranges of the node's pods, one per family.
        #[serde(rename = "podCIDRs")]
        pub pod_cidrs: Vec<String>,
    }

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
}
