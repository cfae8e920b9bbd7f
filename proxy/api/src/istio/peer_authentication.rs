use std::collections::BTreeMap;

use super::selector::WorkloadSelector;
use crate::meta::Object;

/// Whether peers must use mutual TLS.
pub type PeerAuthentication = Object<PeerAuthenticationSpec>;

form! {
    /// The desired state of a [`PeerAuthentication`].
    pub struct PeerAuthenticationSpec {
        /// Workloads that this applies to. Absent: the namespace, or the mesh in the root namespace.
        pub selector: Option<WorkloadSelector>,
        /// The mode for all ports. Absent: inherited.
        pub mtls: Option<MutualTls>,
        /// Modes of single workload ports. Heeded only together with a selector.
        pub port_level_mtls: BTreeMap<u32, MutualTls>,
    }

    /// Mutual TLS settings.
    pub struct MutualTls {
        /// The mode. Absent: inherited.
        pub mode: Option<MtlsMode>,
    }
}

choice! {
    /// How strict mutual TLS is.
    pub enum MtlsMode {
        /// Inherited; permissive where nothing is.
        Unset = "UNSET",
        /// Plain text.
        Disable = "DISABLE",
        /// Plain text and mutual TLS.
        Permissive = "PERMISSIVE",
        /// Mutual TLS only.
        Strict = "STRICT",
    }
}
