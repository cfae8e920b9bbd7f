use std::fmt;

macro_rules! kinds {
    ($( $(#[$doc:meta])* $variant:ident = $name:literal in $group:ident [$($version:literal),+], )+) => {
        /// The kinds of object that are read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $( $(#[$doc])* $variant, )+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Kind] = &[$( Kind::$variant ),+];

            /// The name in a document's `kind`.
            pub const fn as_str(self) -> &'static str {
                match self { $( Kind::$variant => $name, )+ }
            }

            /// The API group; empty for Kubernetes' core group.
            pub const fn group(self) -> &'static str {
                match self { $( Kind::$variant => $group, )+ }
            }

            /// The versions of the group in which this kind is read, best first.
            pub const fn versions(self) -> &'static [&'static str] {
                match self { $( Kind::$variant => &[$($version),+], )+ }
            }
        }
    };
}

const CORE: &str = "";
const APPS: &str = "apps";
const DISCOVERY: &str = "discovery.k8s.io";
const GATEWAY: &str = "gateway.networking.k8s.io";
const NETWORKING: &str = "networking.istio.io";
const SECURITY: &str = "security.istio.io";
const TELEMETRY: &str = "telemetry.istio.io";
const EXTENSIONS: &str = "extensions.istio.io";

kinds! {
    /// A namespace of the cluster.
    Namespace = "Namespace" in CORE ["v1"],
    /// A node of the cluster.
    Node = "Node" in CORE ["v1"],
    /// A running workload.
    Pod = "Pod" in CORE ["v1"],
    /// A name and address in front of pods.
    Service = "Service" in CORE ["v1"],
    /// What a pod runs as; the source of mesh identity.
    ServiceAccount = "ServiceAccount" in CORE ["v1"],
    /// Settings; the mesh configuration lives in one.
    ConfigMap = "ConfigMap" in CORE ["v1"],
    /// What must not be seen; the credentials of registries live in some.
    Secret = "Secret" in CORE ["v1"],
    /// A template of pods and their number.
    Deployment = "Deployment" in APPS ["v1"],
    /// Endpoints of a service.
    EndpointSlice = "EndpointSlice" in DISCOVERY ["v1"],
    /// A class of gateways, such as waypoints.
    GatewayClass = "GatewayClass" in GATEWAY ["v1", "v1beta1", "v1alpha2"],
    /// A gateway; a waypoint is one.
    Gateway = "Gateway" in GATEWAY ["v1", "v1beta1", "v1alpha2"],
    /// HTTP routes of the Gateway API.
    HttpRoute = "HTTPRoute" in GATEWAY ["v1", "v1beta1", "v1alpha2"],
    /// gRPC routes of the Gateway API.
    GrpcRoute = "GRPCRoute" in GATEWAY ["v1", "v1alpha2"],
    /// Routes of connections of the Gateway API.
    TcpRoute = "TCPRoute" in GATEWAY ["v1", "v1alpha2"],
    /// Routes of TLS connections of the Gateway API, by server name.
    TlsRoute = "TLSRoute" in GATEWAY ["v1", "v1alpha3", "v1alpha2"],
    /// TLS towards the endpoints of a service.
    BackendTlsPolicy = "BackendTLSPolicy" in GATEWAY ["v1", "v1alpha3"],
    /// Permission for references across namespaces.
    ReferenceGrant = "ReferenceGrant" in GATEWAY ["v1", "v1beta1", "v1alpha2"],
    /// Istio's routes for a host.
    VirtualService = "VirtualService" in NETWORKING ["v1", "v1beta1", "v1alpha3"],
    /// Istio's traffic policy and subsets for a host.
    DestinationRule = "DestinationRule" in NETWORKING ["v1", "v1beta1", "v1alpha3"],
    /// A service that Kubernetes does not know.
    ServiceEntry = "ServiceEntry" in NETWORKING ["v1", "v1beta1", "v1alpha3"],
    /// An endpoint that Kubernetes does not know.
    WorkloadEntry = "WorkloadEntry" in NETWORKING ["v1", "v1beta1", "v1alpha3"],
    /// Who may do what.
    AuthorizationPolicy = "AuthorizationPolicy" in SECURITY ["v1", "v1beta1"],
    /// Where mutual TLS is required.
    PeerAuthentication = "PeerAuthentication" in SECURITY ["v1", "v1beta1"],
    /// Which tokens requests may carry.
    RequestAuthentication = "RequestAuthentication" in SECURITY ["v1", "v1beta1"],
    /// What is measured, logged and traced.
    Telemetry = "Telemetry" in TELEMETRY ["v1", "v1alpha1"],
    /// A WebAssembly filter.
    WasmPlugin = "WasmPlugin" in EXTENSIONS ["v1alpha1"],
    /// A filter in WebAssembly or Lua; what comes after WasmPlugin.
    TrafficExtension = "TrafficExtension" in EXTENSIONS ["v1alpha1"],
}

/// Kinds of Istio and the Gateway API that exist, and that nothing here acts on.
const NOT_READ: &[(&str, &[&str])] = &[
    (
        NETWORKING,
        &[
            "Gateway",
            "Sidecar",
            "EnvoyFilter",
            "WorkloadGroup",
            "ProxyConfig",
        ],
    ),
    (
        GATEWAY,
        &[
            "UDPRoute",
            "BackendLBPolicy",
            "BackendTrafficPolicy",
            "ListenerSet",
            "ReferencePolicy",
        ],
    ),
    (
        "gateway.networking.x-k8s.io",
        &["XListenerSet", "XBackendTrafficPolicy", "XMesh"],
    ),
    ("install.istio.io", &["IstioOperator"]),
];

/// Why a document's `apiVersion` and `kind` name no [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KindError {
    /// The kind means nothing to a mesh.
    UnknownKind,
    /// The kind is read, but not in this version.
    UnknownVersion {
        /// The kind that was meant.
        kind: Kind,
        /// The versions of the kind's group that are read, best first.
        accepted: &'static [&'static str],
    },
    /// The kind belongs to Istio or the Gateway API; this version does not read it.
    NotRead,
}

impl Kind {
    /// The kind that a document declares.
    ///
    /// Kinds of a foreign group are unknown even when they share a name with one of ours. An `apiVersion`
    /// without a group is taken for a slip when the kind is not of the core group: ignoring a policy because
    /// of it would be worse than an error.
    ///
    /// # Errors
    ///
    /// [`KindError`] says whether the kind is unknown, known but not read, or read in other versions.
    pub fn resolve(api_version: &str, kind: &str) -> Result<Self, KindError> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or((CORE, api_version));
        if NOT_READ
            .iter()
            .any(|(g, names)| *g == group && names.contains(&kind))
        {
            return Err(KindError::NotRead);
        }
        let Some(kind) = Self::ALL
            .iter()
            .copied()
            .find(|candidate| candidate.as_str() == kind)
        else {
            return Err(KindError::UnknownKind);
        };
        if kind.group() == group && kind.versions().contains(&version) {
            Ok(kind)
        } else if kind.group() == group || group == CORE {
            Err(KindError::UnknownVersion {
                kind,
                accepted: kind.versions(),
            })
        } else {
            Err(KindError::UnknownKind)
        }
    }

    /// The kinds that are known and not read: their API groups and names.
    pub fn not_read() -> impl Iterator<Item = (&'static str, &'static str)> {
        NOT_READ
            .iter()
            .flat_map(|(group, names)| names.iter().map(move |name| (*group, *name)))
    }

    /// Whether objects of this kind have no namespace.
    pub const fn is_cluster_scoped(self) -> bool {
        matches!(self, Self::Namespace | Self::Node | Self::GatewayClass)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for KindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind => f.write_str("the kind is not known"),
            Self::NotRead => f.write_str("the kind is known but not read by this version"),
            Self::UnknownVersion { kind, accepted } => {
                write!(f, "the version of {kind} is not known; accepted:")?;
                let group = kind.group();
                for (index, version) in accepted.iter().enumerate() {
                    let separator = if index == 0 { " " } else { ", " };
                    let slash = if group.is_empty() { "" } else { "/" };
                    write!(f, "{separator}{group}{slash}{version}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for KindError {}
