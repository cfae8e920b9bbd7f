use std::collections::BTreeMap;

use super::reference::{LocalObjectReference, ParametersReference, SecretObjectReference};
use crate::k8s::LabelSelector;
use crate::meta::{Condition, Object};

/// A class of gateways.
pub type GatewayClass = Object<GatewayClassSpec>;

/// A gateway; a waypoint is one.
pub type Gateway = Object<GatewaySpec, GatewayStatus>;

form! {
    /// The desired state of a [`GatewayClass`].
    pub struct GatewayClassSpec {
        /// The controller that manages gateways of this class.
        pub controller_name: String,
        /// Parameters for the controller.
        pub parameters_ref: Option<ParametersReference>,
        /// What the class is for, for a person.
        pub description: Option<String>,
    }

    /// The desired state of a [`Gateway`].
    pub struct GatewaySpec {
        /// The class.
        pub gateway_class_name: String,
        /// Listeners.
        pub listeners: Vec<Listener>,
        /// Requested addresses.
        pub addresses: Vec<GatewayAddress>,
        /// What the controller should put on the objects that it creates.
        pub infrastructure: Option<GatewayInfrastructure>,
        /// Which ListenerSets may attach. Absent: none.
        pub allowed_listeners: Option<AllowedListeners>,
        /// TLS of the gateway as a whole.
        pub tls: Option<GatewayTls>,
    }

    /// A logical endpoint of a gateway.
    pub struct Listener {
        /// Name, which routes refer to as a section.
        pub name: String,
        /// Host name that it takes. Absent: all.
        pub hostname: Option<String>,
        /// Port.
        pub port: Option<u16>,
        /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`; `HBONE` for waypoints.
        pub protocol: String,
        /// TLS.
        pub tls: Option<ListenerTls>,
        /// Which routes may attach.
        pub allowed_routes: Option<AllowedRoutes>,
    }

    /// TLS of a listener.
    pub struct ListenerTls {
        /// Whether it is terminated. Absent: it is.
        pub mode: Option<ListenerTlsMode>,
        /// Certificates.
        pub certificate_refs: Vec<SecretObjectReference>,
        /// Options of the implementation.
        pub options: BTreeMap<String, String>,
    }

    /// Which routes may attach to a listener.
    pub struct AllowedRoutes {
        /// Those of these namespaces.
        pub namespaces: Option<RouteNamespaces>,
        /// Those of these kinds. None: as the protocol allows.
        pub kinds: Vec<RouteGroupKind>,
    }

    /// Namespaces to accept from.
    pub struct RouteNamespaces {
        /// Which. Absent: the gateway's own for routes, none for ListenerSets.
        pub from: Option<FromNamespaces>,
        /// Labels of the namespaces, with `from: Selector`.
        pub selector: Option<LabelSelector>,
    }

    /// A kind of route.
    pub struct RouteGroupKind {
        /// API group. Absent: the Gateway API's.
        pub group: Option<String>,
        /// Kind.
        pub kind: String,
    }

    /// Which ListenerSets may attach to a gateway.
    pub struct AllowedListeners {
        /// Those of these namespaces.
        pub namespaces: Option<RouteNamespaces>,
    }

    /// An address of a gateway.
    pub struct GatewayAddress {
        /// `IPAddress`, `Hostname` or a domain-prefixed type. Absent: `IPAddress`.
        #[serde(rename = "type")]
        pub type_: Option<String>,
        /// The address; may be empty in a request.
        pub value: String,
    }

    /// What the controller puts on the objects that it creates for a gateway.
    pub struct GatewayInfrastructure {
        /// Labels.
        pub labels: BTreeMap<String, String>,
        /// Annotations.
        pub annotations: BTreeMap<String, String>,
        /// Further parameters.
        pub parameters_ref: Option<LocalObjectReference>,
    }

    /// TLS of a gateway as a whole.
    pub struct GatewayTls {
        /// Towards backends.
        pub backend: Option<GatewayBackendTls>,
        /// Towards clients.
        pub frontend: Option<FrontendTls>,
    }

    /// TLS of a gateway towards backends.
    pub struct GatewayBackendTls {
        /// The gateway's client certificate.
        pub client_certificate_ref: Option<SecretObjectReference>,
    }

    /// TLS of a gateway towards clients.
    pub struct FrontendTls {
        /// For all ports.
        pub default: Option<FrontendTlsSettings>,
        /// For single ports.
        pub per_port: Vec<FrontendTlsPort>,
    }

    /// TLS towards clients on one port.
    pub struct FrontendTlsPort {
        /// The port.
        pub port: Option<u16>,
        /// The settings.
        pub tls: Option<FrontendTlsSettings>,
    }

    /// TLS towards clients.
    pub struct FrontendTlsSettings {
        /// How client certificates are checked. Absent: none is asked for.
        pub validation: Option<FrontendValidation>,
    }

    /// How client certificates are checked.
    pub struct FrontendValidation {
        /// Authorities that are trusted.
        pub ca_certificate_refs: Vec<SecretObjectReference>,
        /// What becomes of connections without a valid one.
        pub mode: Option<FrontendValidationMode>,
    }

    /// The observed state of a [`Gateway`].
    pub struct GatewayStatus {
        /// Addresses that the gateway has.
        pub addresses: Vec<GatewayAddress>,
        /// Conditions.
        pub conditions: Vec<Condition>,
        /// Listeners.
        pub listeners: Vec<ListenerStatus>,
        /// Number of attached ListenerSets.
        pub attached_listener_sets: Option<i32>,
    }

    /// The observed state of a listener.
    pub struct ListenerStatus {
        /// Its name.
        pub name: String,
        /// Kinds of route that it takes.
        pub supported_kinds: Vec<RouteGroupKind>,
        /// Number of attached routes.
        pub attached_routes: Option<i32>,
        /// Conditions.
        pub conditions: Vec<Condition>,
    }
}

choice! {
    /// Namespaces to accept from.
    pub enum FromNamespaces {
        /// The gateway's own.
        Same = "Same",
        /// All.
        All = "All",
        /// Those with certain labels.
        Selector = "Selector",
        /// None.
        None = "None",
    }

    /// Whether a listener terminates TLS.
    pub enum ListenerTlsMode {
        /// It does.
        Terminate = "Terminate",
        /// It passes the stream on.
        Passthrough = "Passthrough",
    }

    /// What becomes of clients without a valid certificate.
    pub enum FrontendValidationMode {
        /// They are refused.
        AllowValidOnly = "AllowValidOnly",
        /// They are let in.
        AllowInsecureFallback = "AllowInsecureFallback",
    }
}
