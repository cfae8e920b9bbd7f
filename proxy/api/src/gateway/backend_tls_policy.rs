use std::collections::BTreeMap;

use super::reference::LocalObjectReference;
use crate::meta::Object;

/// TLS towards the endpoints of services.
pub type BackendTlsPolicy = Object<BackendTlsPolicySpec>;

form! {
    /// The desired state of a [`BackendTlsPolicy`].
    pub struct BackendTlsPolicySpec {
        /// The services that it is for, in the policy's own namespace.
        pub target_refs: Vec<PolicyTarget>,
        /// How endpoints prove who they are.
        pub validation: Option<BackendTlsValidation>,
        /// Options of implementations.
        pub options: BTreeMap<String, String>,
    }

    /// An object of the policy's namespace, or a part of it.
    pub struct PolicyTarget {
        /// API group; empty for the core group.
        pub group: String,
        /// Kind.
        pub kind: String,
        /// Name.
        pub name: String,
        /// Name of a port of a Service. Absent: all ports that no other policy names.
        pub section_name: Option<String>,
    }

    /// How endpoints prove who they are.
    pub struct BackendTlsValidation {
        /// Objects with the authorities that are trusted.
        pub ca_certificate_refs: Vec<LocalObjectReference>,
        /// Authorities that are trusted without being written down; `System` is what there is.
        #[serde(rename = "wellKnownCACertificates")]
        pub well_known_ca_certificates: Option<String>,
        /// The server name that is sent, and that the certificate must have unless `subject_alt_names` says otherwise.
        pub hostname: String,
        /// Names of which the certificate must have one.
        pub subject_alt_names: Vec<SubjectAltName>,
    }

    /// A name in a certificate: the type, and the field that goes with it.
    pub struct SubjectAltName {
        /// Which sort of name.
        #[serde(rename = "type")]
        pub type_: Option<SubjectAltNameType>,
        /// A DNS name; a `*` may stand for its first label.
        pub hostname: Option<String>,
        /// A URI, such as a SPIFFE ID.
        pub uri: Option<String>,
    }
}

choice! {
    /// Sorts of names in certificates.
    pub enum SubjectAltNameType {
        /// A DNS name.
        Hostname = "Hostname",
        /// A URI.
        Uri = "URI",
    }
}
