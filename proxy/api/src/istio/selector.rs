use std::collections::BTreeMap;

form! {
    /// Selects workloads of a namespace (of the mesh, in the root namespace) by their labels.
    pub struct WorkloadSelector {
        /// Labels that a workload must all have. None: every workload.
        pub match_labels: BTreeMap<String, String>,
    }

    /// What a policy is attached to: a Gateway, GatewayClass, Service or ServiceEntry.
    pub struct PolicyTargetReference {
        /// API group of the target; empty for the core group.
        pub group: String,
        /// Kind of the target.
        pub kind: String,
        /// Name of the target.
        pub name: String,
        /// Namespace of the target. Istio takes none but the policy's own.
        pub namespace: String,
    }

    /// One port.
    pub struct PortSelector {
        /// Port number.
        pub number: Option<u32>,
    }
}

choice! {
    /// The side of a connection that a workload is on.
    pub enum WorkloadMode {
        /// Not said: both sides.
        Undefined = "UNDEFINED",
        /// The workload calls.
        Client = "CLIENT",
        /// The workload is called.
        Server = "SERVER",
        /// Both sides.
        ClientAndServer = "CLIENT_AND_SERVER",
    }
}
