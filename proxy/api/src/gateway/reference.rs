form! {
    /// The parent that a route attaches to.
    pub struct ParentReference {
        /// API group. Absent: the Gateway API's.
        pub group: Option<String>,
        /// Kind. Absent: `Gateway`.
        pub kind: Option<String>,
        /// Namespace. Absent: the route's.
        pub namespace: Option<String>,
        /// Name.
        pub name: String,
        /// Listener of a gateway, or port name of a service. Absent: all.
        pub section_name: Option<String>,
        /// Port. Absent: all.
        pub port: Option<u16>,
    }

    /// A backend.
    pub struct BackendObjectReference {
        /// API group. Absent: the core group.
        pub group: Option<String>,
        /// Kind. Absent: `Service`.
        pub kind: Option<String>,
        /// Namespace. Absent: the route's; another one takes a [`ReferenceGrant`](super::ReferenceGrant).
        pub namespace: Option<String>,
        /// Name.
        pub name: String,
        /// Port; services need one.
        pub port: Option<u16>,
    }

    /// An object of the same namespace.
    pub struct LocalObjectReference {
        /// API group; empty for the core group.
        pub group: String,
        /// Kind.
        pub kind: String,
        /// Name.
        pub name: String,
    }

    /// An object with further parameters.
    pub struct ParametersReference {
        /// API group; empty for the core group.
        pub group: String,
        /// Kind.
        pub kind: String,
        /// Name.
        pub name: String,
        /// Namespace; absent for cluster-scoped kinds.
        pub namespace: Option<String>,
    }

    /// A Secret, or another object with certificates.
    pub struct SecretObjectReference {
        /// API group. Absent: the core group.
        pub group: Option<String>,
        /// Kind. Absent: `Secret`.
        pub kind: Option<String>,
        /// Name.
        pub name: String,
        /// Namespace. Absent: the gateway's.
        pub namespace: Option<String>,
    }
}
