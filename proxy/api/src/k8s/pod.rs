use std::collections::BTreeMap;

use crate::meta::{Condition, Object, ObjectMeta};

/// A running workload.
pub type Pod = Object<PodSpec, PodStatus>;

/// A template of pods and their number.
pub type Deployment = Object<DeploymentSpec>;

form! {
    /// The desired state of a [`Pod`].
    pub struct PodSpec {
        /// The account that the pod runs as. Empty: `default`.
        pub service_account_name: String,
        /// The node that the pod runs on.
        pub node_name: String,
        /// Host name, for the pod's DNS name.
        pub hostname: String,
        /// Name of the headless service that gives the pod its DNS name.
        pub subdomain: String,
        /// Whether the pod shares the node's network.
        pub host_network: bool,
        /// Containers.
        pub containers: Vec<Container>,
        /// Containers that run first, and those that stay as sidecars.
        pub init_containers: Vec<Container>,
        /// Labels of the nodes that the pod may run on.
        pub node_selector: BTreeMap<String, String>,
    }

    /// A container.
    pub struct Container {
        /// Name.
        pub name: String,
        /// Image.
        pub image: String,
        /// Entry point.
        pub command: Vec<String>,
        /// Arguments of the entry point.
        pub args: Vec<String>,
        /// Ports that the container says it listens on.
        pub ports: Vec<ContainerPort>,
        /// Environment.
        pub env: Vec<EnvVar>,
        /// `Always` on an init container makes it a sidecar.
        pub restart_policy: String,
    }

    /// A port that a container says it listens on.
    pub struct ContainerPort {
        /// Name, which services refer to.
        pub name: String,
        /// Number.
        pub container_port: Option<u16>,
        /// `TCP`, `UDP` or `SCTP`. Empty: TCP.
        pub protocol: String,
    }

    /// An environment variable.
    pub struct EnvVar {
        /// Name.
        pub name: String,
        /// Value; empty when it comes from elsewhere.
        pub value: String,
    }

    /// The observed state of a [`Pod`].
    pub struct PodStatus {
        /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
        pub phase: String,
        /// Conditions, `Ready` among them.
        pub conditions: Vec<Condition>,
        /// First address of the pod.
        #[serde(rename = "podIP")]
        pub pod_ip: String,
        /// Addresses of the pod, one per family.
        #[serde(rename = "podIPs")]
        pub pod_ips: Vec<PodIp>,
        /// First address of the node.
        #[serde(rename = "hostIP")]
        pub host_ip: String,
        /// Addresses of the node, one per family.
        #[serde(rename = "hostIPs")]
        pub host_ips: Vec<HostIp>,
    }

    /// An address of a pod.
    pub struct PodIp {
        /// The address.
        pub ip: String,
    }

    /// An address of a node.
    pub struct HostIp {
        /// The address.
        pub ip: String,
    }

    /// The desired state of a [`Deployment`].
    pub struct DeploymentSpec {
        /// Number of pods. Absent: 1.
        pub replicas: Option<i32>,
        /// Which pods belong to it.
        pub selector: Option<LabelSelector>,
        /// What the pods look like.
        pub template: PodTemplate,
    }

    /// What pods look like.
    pub struct PodTemplate {
        /// Labels and annotations.
        pub metadata: ObjectMeta,
        /// The desired state.
        pub spec: PodSpec,
    }

    /// Selects objects by their labels; all conditions must hold.
    pub struct LabelSelector {
        /// Labels that must be there with these values.
        pub match_labels: BTreeMap<String, String>,
        /// Further conditions.
        pub match_expressions: Vec<LabelSelectorRequirement>,
    }

    /// A condition on one label.
    pub struct LabelSelectorRequirement {
        /// The label.
        pub key: String,
        /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
        pub operator: String,
        /// Values, for the first two.
        pub values: Vec<String>,
    }
}
