use std::collections::BTreeMap;

use crate::meta::Object;
use crate::value::IntOrString;

/// A service that Kubernetes does not know.
pub type ServiceEntry = Object<ServiceEntrySpec, ServiceEntryStatus>;

/// An endpoint that Kubernetes does not know.
pub type WorkloadEntry = Object<WorkloadEntrySpec>;

form! {
    /// The desired state of a [`ServiceEntry`].
    pub struct ServiceEntrySpec {
        /// Host names of the service.
        pub hosts: Vec<String>,
        /// Virtual addresses or CIDR blocks.
        pub addresses: Vec<String>,
        /// Ports.
        pub ports: Vec<ServicePort>,
        /// Whether the service belongs to the mesh.
        pub location: Option<Location>,
        /// How endpoints are found.
        pub resolution: Option<Resolution>,
        /// Endpoints, listed.
        pub endpoints: Vec<WorkloadEntrySpec>,
        /// Endpoints, selected among pods and workload entries.
        pub workload_selector: Option<EndpointSelector>,
        /// Namespaces that see the service.
        pub export_to: Vec<String>,
        /// Identities that the endpoints may present.
        pub subject_alt_names: Vec<String>,
    }

    /// One port of a [`ServiceEntry`].
    pub struct ServicePort {
        /// Port number.
        pub number: Option<u32>,
        /// Protocol, `HTTP`.
        pub protocol: String,
        /// Name.
        pub name: String,
        /// Port of the endpoints. Absent: the same.
        pub target_port: Option<u32>,
    }

    /// Selects endpoints of the namespace by their labels.
    pub struct EndpointSelector {
        /// Labels that an endpoint must all have.
        pub labels: BTreeMap<String, String>,
    }

    /// The desired state of a [`WorkloadEntry`], and an endpoint of a [`ServiceEntry`].
    pub struct WorkloadEntrySpec {
        /// IP address, host name, or `unix://` path.
        pub address: String,
        /// Port numbers by port name.
        pub ports: BTreeMap<String, u32>,
        /// Labels.
        pub labels: BTreeMap<String, String>,
        /// Network that the address belongs to.
        pub network: String,
        /// `region/zone/subzone`.
        pub locality: String,
        /// Share of the traffic among endpoints of a locality.
        pub weight: Option<u32>,
        /// Service account that the endpoint runs as.
        pub service_account: String,
    }

    /// The observed state of a [`ServiceEntry`].
    pub struct ServiceEntryStatus {
        /// Conditions.
        pub conditions: Vec<ServiceEntryCondition>,
        /// What validation has to say.
        pub validation_messages: Vec<ValidationMessage>,
        /// Generation that the status describes.
        pub observed_generation: Option<IntOrString>,
        /// Addresses that were assigned to the hosts.
        pub addresses: Vec<ServiceEntryAddress>,
    }

    /// An address that was assigned to a host.
    pub struct ServiceEntryAddress {
        /// The address.
        pub value: String,
        /// The host that it stands for.
        pub host: String,
    }

    /// A condition, in Istio's form.
    pub struct ServiceEntryCondition {
        /// What is being said.
        #[serde(rename = "type")]
        pub type_: String,
        /// `True`, `False` or `Unknown`.
        pub status: String,
        /// When this was last looked at, RFC 3339.
        pub last_probe_time: Option<String>,
        /// When the status last changed, RFC 3339.
        pub last_transition_time: Option<String>,
        /// Why, as one CamelCase word.
        pub reason: String,
        /// Why, for a person.
        pub message: String,
        /// Generation that this was said of.
        pub observed_generation: Option<IntOrString>,
    }

    /// A finding of Istio's analysis.
    pub struct ValidationMessage {
        /// Which finding.
        #[serde(rename = "type")]
        pub type_: Option<ValidationMessageType>,
        /// How bad it is.
        pub level: Option<ValidationLevel>,
        /// Where it is explained.
        pub documentation_url: String,
    }

    /// The identity of a finding.
    pub struct ValidationMessageType {
        /// Name.
        pub name: String,
        /// Code, `IST0101`.
        pub code: String,
    }
}

choice! {
    /// Whether a service belongs to the mesh.
    pub enum Location {
        /// Outside: no mutual TLS, identities unknown.
        MeshExternal = "MESH_EXTERNAL",
        /// Inside.
        MeshInternal = "MESH_INTERNAL",
    }

    /// How endpoints are found.
    pub enum Resolution {
        /// The caller's destination address is used as it is.
        None = "NONE",
        /// The listed addresses.
        Static = "STATIC",
        /// Name resolution; every address is an endpoint.
        Dns = "DNS",
        /// Name resolution; the first address of each answer is the endpoint.
        DnsRoundRobin = "DNS_ROUND_ROBIN",
        /// Name resolution of the request's own host, for wildcard hosts.
        DynamicDns = "DYNAMIC_DNS",
    }

    /// Severity of a finding.
    pub enum ValidationLevel {
        /// Not said.
        Unknown = "UNKNOWN",
        /// Something does not work.
        Error = "ERROR",
        /// Something may not do what was meant.
        Warning = "WARNING",
        /// Good to know.
        Info = "INFO",
    }
}
