use std::collections::BTreeMap;

use crate::meta::{Condition, Object, ObjectMeta};
use crate::value::IntOrString;

/// A name and address in front of pods.
pub type Service = Object<ServiceSpec, ServiceStatus>;

form! {
    /// The desired state of a [`Service`].
    pub struct ServiceSpec {
        /// First address of the service; `None` when it is headless, empty until one is assigned.
        #[serde(rename = "clusterIP")]
        pub cluster_ip: String,
        /// Addresses of the service, one per family.
        #[serde(rename = "clusterIPs")]
        pub cluster_ips: Vec<String>,
        /// Further addresses that nodes answer on.
        #[serde(rename = "externalIPs")]
        pub external_ips: Vec<String>,
        /// Ports.
        pub ports: Vec<ServicePort>,
        /// Labels of the pods behind the service. None: endpoints come from elsewhere.
        pub selector: BTreeMap<String, String>,
        /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`. Empty: `ClusterIP`.
        #[serde(rename = "type")]
        pub type_: String,
        /// The name that this one stands for, with type `ExternalName`.
        pub external_name: String,
        /// `IPv4`, `IPv6`.
        pub ip_families: Vec<String>,
        /// `SingleStack`, `PreferDualStack` or `RequireDualStack`.
        pub ip_family_policy: String,
        /// `Cluster` or `Local`: whether only endpoints of the caller's node are used.
        pub internal_traffic_policy: String,
        /// `Cluster` or `Local`, for traffic from outside.
        pub external_traffic_policy: String,
        /// `PreferClose`, `PreferSameZone` or `PreferSameNode`.
        pub traffic_distribution: String,
        /// Whether endpoints count although they are not ready.
        pub publish_not_ready_addresses: bool,
        /// `ClientIP` or `None`.
        pub session_affinity: String,
        /// Parameters of the affinity.
        pub session_affinity_config: Option<SessionAffinityConfig>,
        /// Address that a load balancer was asked for.
        #[serde(rename = "loadBalancerIP")]
        pub load_balancer_ip: String,
        /// Class of the load balancer.
        pub load_balancer_class: String,
    }

    /// A port of a [`Service`].
    pub struct ServicePort {
        /// Name; its prefix may tell the protocol.
        pub name: String,
        /// Number.
        pub port: Option<u16>,
        /// Port of the pods, by number or name. Absent: the same number.
        pub target_port: Option<IntOrString>,
        /// `TCP`, `UDP` or `SCTP`. Empty: TCP.
        pub protocol: String,
        /// Application protocol, `http`, `kubernetes.io/h2c`.
        pub app_protocol: String,
        /// Port on every node.
        pub node_port: Option<u16>,
    }

    /// Parameters of session affinity.
    pub struct SessionAffinityConfig {
        /// Parameters of affinity by the caller's address.
        #[serde(rename = "clientIP")]
        pub client_ip: Option<ClientIpConfig>,
    }

    /// Parameters of affinity by the caller's address.
    pub struct ClientIpConfig {
        /// How long it lasts.
        pub timeout_seconds: Option<i32>,
    }

    /// The observed state of a [`Service`].
    pub struct ServiceStatus {
        /// The load balancer.
        pub load_balancer: LoadBalancerStatus,
        /// Conditions; Istio reports the binding to a waypoint here.
        pub conditions: Vec<Condition>,
    }

    /// The observed state of a load balancer.
    pub struct LoadBalancerStatus {
        /// Its addresses.
        pub ingress: Vec<LoadBalancerIngress>,
    }

    /// An address of a load balancer.
    pub struct LoadBalancerIngress {
        /// IP address.
        pub ip: String,
        /// Host name.
        pub hostname: String,
    }

    /// Endpoints of a service.
    pub struct EndpointSlice {
        /// Name, namespace; the label `kubernetes.io/service-name` names the service.
        pub metadata: ObjectMeta,
        /// `IPv4`, `IPv6` or `FQDN`.
        pub address_type: String,
        /// The endpoints.
        pub endpoints: Vec<Endpoint>,
        /// Ports of each of them.
        pub ports: Vec<EndpointPort>,
    }

    /// One endpoint.
    pub struct Endpoint {
        /// Its addresses; only the first counts.
        pub addresses: Vec<String>,
        /// Whether it can be used.
        pub conditions: EndpointConditions,
        /// Host name.
        pub hostname: String,
        /// The node that it runs on.
        pub node_name: String,
        /// The zone that it runs in.
        pub zone: String,
        /// The object behind it, a pod usually.
        pub target_ref: Option<ObjectReference>,
        /// Who should prefer it.
        pub hints: Option<EndpointHints>,
    }

    /// Whether an endpoint can be used.
    pub struct EndpointConditions {
        /// Ready. Absent: yes.
        pub ready: Option<bool>,
        /// Ready, or terminating but still answering. Absent: as `ready`.
        pub serving: Option<bool>,
        /// Terminating. Absent: no.
        pub terminating: Option<bool>,
    }

    /// Who should prefer an endpoint.
    pub struct EndpointHints {
        /// Callers in these zones.
        pub for_zones: Vec<NamedHint>,
        /// Callers on these nodes.
        pub for_nodes: Vec<NamedHint>,
    }

    /// A zone or node.
    pub struct NamedHint {
        /// Its name.
        pub name: String,
    }

    /// An object.
    pub struct ObjectReference {
        /// Kind.
        pub kind: String,
        /// Namespace.
        pub namespace: String,
        /// Name.
        pub name: String,
        /// Identifier.
        pub uid: String,
    }

    /// A port of the endpoints in a slice.
    pub struct EndpointPort {
        /// Name of the service port.
        pub name: String,
        /// Number. Absent: every port.
        pub port: Option<u16>,
        /// `TCP`, `UDP` or `SCTP`. Empty: TCP.
        pub protocol: String,
        /// Application protocol.
        pub app_protocol: String,
    }
}
