use super::reference::ParentReference;
use crate::meta::Object;

/// Routes of connections.
pub type TcpRoute = Object<TcpRouteSpec>;

/// Routes of TLS connections, by the server name of their hello.
pub type TlsRoute = Object<TlsRouteSpec>;

form! {
    /// The desired state of a [`TcpRoute`].
    pub struct TcpRouteSpec {
        /// What the routes attach to: gateways, or services in a mesh.
        pub parent_refs: Vec<ParentReference>,
        /// Rules, of which the first takes every connection.
        pub rules: Vec<ConnectionRouteRule>,
    }

    /// The desired state of a [`TlsRoute`].
    pub struct TlsRouteSpec {
        /// What the routes attach to: gateways, or services in a mesh.
        pub parent_refs: Vec<ParentReference>,
        /// Server names, of which one must match; a `*` stands for any labels at the front. None: all.
        pub hostnames: Vec<String>,
        /// Rules, of which the first takes every connection with such a name.
        pub rules: Vec<ConnectionRouteRule>,
    }

    /// What happens to connections.
    pub struct ConnectionRouteRule {
        /// Name.
        pub name: Option<String>,
        /// Backends, by weight.
        pub backend_refs: Vec<BackendRef>,
    }

    /// A backend of connections.
    pub struct BackendRef {
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
        /// Share, relative to the sum of all. Absent: 1.
        pub weight: Option<i32>,
    }
}
