use super::selector::{PolicyTargetReference, WorkloadSelector};
use crate::meta::Object;

/// Who may do what to the workloads that it selects.
pub type AuthorizationPolicy = Object<AuthorizationPolicySpec>;

form! {
    /// The desired state of an [`AuthorizationPolicy`].
    pub struct AuthorizationPolicySpec {
        /// Workloads that the policy applies to. Absent, with no target: all of the namespace.
        pub selector: Option<WorkloadSelector>,
        /// The one resource that the policy applies to; the older form of `target_refs`.
        pub target_ref: Option<PolicyTargetReference>,
        /// Resources that the policy applies to. What a waypoint enforces is attached this way.
        pub target_refs: Vec<PolicyTargetReference>,
        /// A request matches the policy when it matches one of these. None: no request matches.
        pub rules: Vec<Rule>,
        /// What a match means. Absent: allow.
        pub action: Option<Action>,
        /// Who decides, when the action is custom.
        pub provider: Option<ExtensionProvider>,
    }

    /// A set of conditions; each of its parts that is present must match.
    pub struct Rule {
        /// Sources, of which one must match. None: any source.
        pub from: Vec<From>,
        /// Operations, of which one must match. None: any operation.
        pub to: Vec<To>,
        /// Further conditions, all of which must match.
        pub when: Vec<Condition>,
    }

    /// One alternative of a rule's sources.
    pub struct From {
        /// The source.
        pub source: Option<Source>,
    }

    /// One alternative of a rule's operations.
    pub struct To {
        /// The operation.
        pub operation: Option<Operation>,
    }

    /// Where a request comes from. Every list that is present must match; within a list one value suffices,
    /// and in the lists of exclusions none may match.
    pub struct Source {
        /// Peer identities, `cluster.local/ns/default/sa/curl`.
        pub principals: Vec<String>,
        /// Peer identities to exclude.
        pub not_principals: Vec<String>,
        /// Token identities, `issuer/subject`.
        pub request_principals: Vec<String>,
        /// Token identities to exclude.
        pub not_request_principals: Vec<String>,
        /// Namespaces of the peer.
        pub namespaces: Vec<String>,
        /// Namespaces to exclude.
        pub not_namespaces: Vec<String>,
        /// Service accounts of the peer, `account` or `namespace/account`.
        pub service_accounts: Vec<String>,
        /// Service accounts to exclude.
        pub not_service_accounts: Vec<String>,
        /// Trust domains of the peer.
        pub trust_domains: Vec<String>,
        /// Trust domains to exclude.
        pub not_trust_domains: Vec<String>,
        /// Addresses or CIDR blocks of the direct peer.
        pub ip_blocks: Vec<String>,
        /// Addresses or CIDR blocks to exclude.
        pub not_ip_blocks: Vec<String>,
        /// Addresses or CIDR blocks of the original client, after trusted proxies.
        pub remote_ip_blocks: Vec<String>,
        /// Addresses or CIDR blocks of the original client to exclude.
        pub not_remote_ip_blocks: Vec<String>,
    }

    /// What a request does. The lists combine as in [`Source`].
    pub struct Operation {
        /// Authorities.
        pub hosts: Vec<String>,
        /// Authorities to exclude.
        pub not_hosts: Vec<String>,
        /// Destination ports.
        pub ports: Vec<String>,
        /// Destination ports to exclude.
        pub not_ports: Vec<String>,
        /// Methods.
        pub methods: Vec<String>,
        /// Methods to exclude.
        pub not_methods: Vec<String>,
        /// Paths, without the query.
        pub paths: Vec<String>,
        /// Paths to exclude.
        pub not_paths: Vec<String>,
    }

    /// A condition on one attribute.
    pub struct Condition {
        /// The attribute, `request.headers[x-tier]`.
        pub key: String,
        /// Values, of which one must match.
        pub values: Vec<String>,
        /// Values, of which none may match.
        pub not_values: Vec<String>,
    }

    /// The outside authority of a custom policy.
    pub struct ExtensionProvider {
        /// Name of the provider in the mesh configuration.
        pub name: String,
    }
}

choice! {
    /// What it means that a request matches a policy.
    pub enum Action {
        /// The request may pass; where any such policy exists, requests that match none of them may not.
        Allow = "ALLOW",
        /// The request is refused, whatever else allows it.
        Deny = "DENY",
        /// The request is marked for the audit log.
        Audit = "AUDIT",
        /// An outside authority decides, before all other policies.
        Custom = "CUSTOM",
    }
}
