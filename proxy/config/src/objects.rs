//! The objects of a mesh, by kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_api::gateway::{
    BackendTlsPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, ReferenceGrant, TcpRoute, TlsRoute,
};
use cairn_api::istio::{
    AuthorizationPolicy, AuthorizationPolicySpec, DestinationRule, PeerAuthentication, RequestAuthentication,
    ServiceEntry, Telemetry, TrafficExtension, VirtualService, WasmPlugin, WorkloadEntry,
};
use cairn_api::k8s::{
    ConfigMap, Deployment, EndpointSlice, Namespace, Node, Pod, Secret, Service, ServiceAccount,
};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_api::shape::{Shape, Shaped};

use crate::decode::{Decoded, decode};

/// The objects of one kind.
pub type Table<T> = BTreeMap<Key, Arc<T>>;

/// Declares the tables of [`Objects`]: `Kind => table: Type`. A kind that is to be read gets its row here.
macro_rules! tables {
    ($( $(#[$doc:meta])* $kind:ident => $table:ident: $form:ty, )+) => {
        /// Every object that is in force, in a table per kind.
        ///
        /// An object that did not change between two versions is the same allocation in both, so that [`Arc::ptr_eq`] tells what
        /// a change touched.
        #[derive(Clone, Debug, Default)]
        pub struct Objects {
            $( $(#[$doc])* pub $table: Table<$form>, )+
            /// Security policies that could not be read: what they select must be denied.
            pub broken_policies: BTreeMap<ObjectRef, BrokenPolicy>,
        }

        /// A typed object of any kind.
        #[derive(Clone, Debug)]
        pub(crate) enum Resource {
            $( $kind(Arc<$form>), )+
        }

        impl Resource {
            /// Reads an object of this kind.
            pub(crate) fn decode(kind: Kind, value: serde_json::Value) -> Decoded<Resource> {
                match kind {
                    $( Kind::$kind => decode::<$form>(value).map(|object| Resource::$kind(Arc::new(object))), )+
                    // The enumeration may grow before this crate reads the new kind.
                    _ => Decoded { object: None, wrong: Vec::new(), unknown: Vec::new() },
                }
            }

            /// What the type of this kind reads.
            pub(crate) fn shape(kind: Kind) -> Option<Shape> {
                match kind {
                    $( Kind::$kind => Some(<$form as Shaped>::shape()), )+
                    _ => None,
                }
            }
        }

        impl Objects {
            pub(crate) fn insert(&mut self, key: Key, resource: &Resource) {
                match resource {
                    $( Resource::$kind(object) => { self.$table.insert(key, Arc::clone(object)); } )+
                }
            }

            /// Whether the object is in its table.
            pub fn contains(&self, object: &ObjectRef) -> bool {
                match object.kind {
                    $( Kind::$kind => self.$table.contains_key(&object.key()), )+
                    _ => false,
                }
            }

            /// The object, out of its table.
            pub(crate) fn resource(&self, object: &ObjectRef) -> Option<Resource> {
                match object.kind {
                    $( Kind::$kind => self.$table.get(&object.key()).cloned().map(Resource::$kind), )+
                    _ => None,
                }
            }

            /// Number of objects.
            pub fn len(&self) -> usize {
                0 $( + self.$table.len() )+
            }
        }
    };
}

tables! {
    /// Namespaces.
    Namespace => namespaces: Namespace,
    /// Pods.
    Pod => pods: Pod,
    /// Services.
    Service => services: Service,
    /// Endpoint slices.
    EndpointSlice => endpoint_slices: EndpointSlice,
    /// Service accounts.
    ServiceAccount => service_accounts: ServiceAccount,
    /// Config maps.
    ConfigMap => config_maps: ConfigMap,
    /// Secrets.
    Secret => secrets: Secret,
    /// Nodes.
    Node => nodes: Node,
    /// Deployments.
    Deployment => deployments: Deployment,
    /// Gateway classes.
    GatewayClass => gateway_classes: GatewayClass,
    /// Gateways of the Gateway API.
    Gateway => gateways: Gateway,
    /// HTTP routes of the Gateway API.
    HttpRoute => http_routes: HttpRoute,
    /// gRPC routes of the Gateway API.
    GrpcRoute => grpc_routes: GrpcRoute,
    /// Routes of connections of the Gateway API.
    TcpRoute => tcp_routes: TcpRoute,
    /// Routes of TLS connections of the Gateway API.
    TlsRoute => tls_routes: TlsRoute,
    /// TLS policies of the Gateway API for services.
    BackendTlsPolicy => backend_tls_policies: BackendTlsPolicy,
    /// Reference grants of the Gateway API.
    ReferenceGrant => reference_grants: ReferenceGrant,
    /// Virtual services.
    VirtualService => virtual_services: VirtualService,
    /// Destination rules.
    DestinationRule => destination_rules: DestinationRule,
    /// Service entries.
    ServiceEntry => service_entries: ServiceEntry,
    /// Workload entries.
    WorkloadEntry => workload_entries: WorkloadEntry,
    /// Authorization policies that could be read; see [`Objects::broken_policies`] for the others.
    AuthorizationPolicy => authorization_policies: AuthorizationPolicy,
    /// Peer authentications that could be read.
    PeerAuthentication => peer_authentications: PeerAuthentication,
    /// Request authentications that could be read.
    RequestAuthentication => request_authentications: RequestAuthentication,
    /// Telemetry settings.
    Telemetry => telemetries: Telemetry,
    /// Wasm plugins.
    WasmPlugin => wasm_plugins: WasmPlugin,
    /// Traffic extensions.
    TrafficExtension => traffic_extensions: TrafficExtension,
}

impl Objects {
    /// Whether there is no object at all, broken policies included.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.broken_policies.is_empty()
    }
}

/// Stands for text that could not be read and that decides about traffic. No object can have it as its name, so that what is bound by
/// it to a waypoint is refused.
pub const UNREADABLE: &str = "(unreadable)";

/// A security policy that could not be read. What it selects must be denied: it may have been about to forbid it.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokenPolicy {
    /// The policy. When the name cannot be read, this says where it stands.
    pub object: ObjectRef,
    /// What the policy selects, with every rule taken out. `None` when that cannot be read either: its whole namespace
    /// is selected, and for a policy in the root namespace the whole mesh.
    pub spec: Option<AuthorizationPolicySpec>,
    /// Why it could not be read.
    pub reason: String,
}

/// Whether objects of this kind forbid something, so that ignoring one opens a door.
pub(crate) fn is_policy(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::AuthorizationPolicy | Kind::PeerAuthentication | Kind::RequestAuthentication
    )
}

/// What a policy selects, with every rule taken out; nothing for objects that are no policies.
pub(crate) fn selection(resource: &Resource) -> Option<AuthorizationPolicySpec> {
    let selected = AuthorizationPolicySpec::default();
    match resource {
        Resource::AuthorizationPolicy(policy) => Some(AuthorizationPolicySpec {
            selector: policy.spec.selector.clone(),
            target_ref: policy.spec.target_ref.clone(),
            target_refs: policy.spec.target_refs.clone(),
            ..selected
        }),
        Resource::PeerAuthentication(policy) => Some(AuthorizationPolicySpec {
            selector: policy.spec.selector.clone(),
            ..selected
        }),
        Resource::RequestAuthentication(policy) => Some(AuthorizationPolicySpec {
            selector: policy.spec.selector.clone(),
            target_ref: policy.spec.target_ref.clone(),
            target_refs: policy.spec.target_refs.clone(),
            ..selected
        }),
        _ => None,
    }
}
