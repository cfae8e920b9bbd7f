use super::filter::GrpcRouteFilter;
use super::http_route::{HttpValueMatch, SessionPersistence, ValueMatchType};
use super::reference::ParentReference;
use crate::meta::Object;

/// Routes of gRPC.
pub type GrpcRoute = Object<GrpcRouteSpec>;

form! {
    /// The desired state of a [`GrpcRoute`].
    pub struct GrpcRouteSpec {
        /// What the routes attach to: gateways, or services in a mesh.
        pub parent_refs: Vec<ParentReference>,
        /// Host names. None: all. Not used in a mesh.
        pub hostnames: Vec<String>,
        /// Rules.
        pub rules: Vec<GrpcRouteRule>,
    }

    /// What happens to the requests that it matches.
    pub struct GrpcRouteRule {
        /// Name.
        pub name: Option<String>,
        /// Conditions, of which one must hold. None: every request.
        pub matches: Vec<GrpcRouteMatch>,
        /// Steps of processing.
        pub filters: Vec<GrpcRouteFilter>,
        /// Backends, by weight.
        pub backend_refs: Vec<GrpcBackendRef>,
        /// How the requests of one session find the same endpoint.
        pub session_persistence: Option<SessionPersistence>,
    }

    /// Conditions on a request, all of which must hold.
    pub struct GrpcRouteMatch {
        /// Service and method. Absent: any.
        pub method: Option<GrpcMethodMatch>,
        /// Headers.
        pub headers: Vec<HttpValueMatch>,
    }

    /// How service and method must look.
    pub struct GrpcMethodMatch {
        /// How they are compared. Absent: exactly.
        #[serde(rename = "type")]
        pub type_: Option<ValueMatchType>,
        /// Service, `helloworld.Greeter`. Absent: any.
        pub service: Option<String>,
        /// Method, `SayHello`. Absent: any.
        pub method: Option<String>,
    }

    /// A backend of gRPC requests.
    pub struct GrpcBackendRef {
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
        /// Steps of processing, for this backend alone.
        pub filters: Vec<GrpcRouteFilter>,
    }
}
