use super::selector::{PolicyTargetReference, PortSelector, WorkloadMode, WorkloadSelector};
use crate::meta::Object;

/// A WebAssembly filter.
pub type WasmPlugin = Object<WasmPluginSpec>;

form! {
    /// The desired state of a [`WasmPlugin`].
    pub struct WasmPluginSpec {
        /// Workloads that the filter applies to.
        pub selector: Option<WorkloadSelector>,
        /// The one resource that the filter applies to; the older form of `target_refs`.
        pub target_ref: Option<PolicyTargetReference>,
        /// Resources that the filter applies to.
        pub target_refs: Vec<PolicyTargetReference>,
        /// Where the module comes from: `oci://`, `https://`, `http://`, `file://`; without a scheme, OCI.
        pub url: String,
        /// Checksum of the module, hexadecimal.
        pub sha256: String,
        /// When an image is pulled again.
        pub image_pull_policy: Option<PullPolicy>,
        /// Secret with the credentials of the registry.
        pub image_pull_secret: String,
        /// Public key that verifies the image.
        pub verification_key: String,
        /// Configuration that is handed to the filter.
        pub plugin_config: Option<serde_json::Value>,
        /// Name of the filter within its module.
        pub plugin_name: String,
        /// Where in the chain the filter stands.
        pub phase: Option<PluginPhase>,
        /// Order within the phase, highest first.
        pub priority: Option<i32>,
        /// What happens when the filter cannot run.
        pub fail_strategy: Option<FailStrategy>,
        /// Settings of the virtual machine.
        pub vm_config: Option<VmConfig>,
        /// Which traffic the filter sees. None: all.
        #[serde(rename = "match")]
        pub matches: Vec<TrafficSelector>,
        /// Whether it filters requests or connections.
        #[serde(rename = "type")]
        pub type_: Option<PluginType>,
    }

    /// Traffic by side and port.
    pub struct TrafficSelector {
        /// The side that the workload is on.
        pub mode: Option<WorkloadMode>,
        /// Ports. None: all.
        pub ports: Vec<PortSelector>,
    }

    /// Settings of a filter's virtual machine.
    pub struct VmConfig {
        /// Environment variables that the filter sees.
        pub env: Vec<EnvVar>,
    }

    /// An environment variable.
    pub struct EnvVar {
        /// Name.
        pub name: String,
        /// Where the value comes from.
        pub value_from: Option<EnvValueSource>,
        /// The value, when it is given inline.
        pub value: String,
    }
}

choice! {
    /// What a filter filters.
    pub enum PluginType {
        /// Not said: HTTP.
        Unspecified = "UNSPECIFIED_PLUGIN_TYPE",
        /// HTTP requests.
        Http = "HTTP",
        /// TCP connections.
        Network = "NETWORK",
    }

    /// Where in the chain a filter stands.
    pub enum PluginPhase {
        /// At the end of the chain, before the router.
        Unspecified = "UNSPECIFIED_PHASE",
        /// Before Istio's authentication.
        Authn = "AUTHN",
        /// Before Istio's authorization, after its authentication.
        Authz = "AUTHZ",
        /// Before Istio's statistics, after its authorization.
        Stats = "STATS",
    }

    /// When a module is fetched again.
    pub enum PullPolicy {
        /// Not said: by the tag (`latest` always, others when absent).
        Unspecified = "UNSPECIFIED_POLICY",
        /// Only when it is not there.
        IfNotPresent = "IfNotPresent",
        /// Whenever the resource changes.
        Always = "Always",
    }

    /// What happens when a filter cannot run.
    pub enum FailStrategy {
        /// Traffic is refused.
        Close = "FAIL_CLOSE",
        /// Traffic bypasses the filter.
        Open = "FAIL_OPEN",
        /// The filter is started anew once; then traffic is refused.
        Reload = "FAIL_RELOAD",
    }

    /// Where the value of an environment variable comes from.
    pub enum EnvValueSource {
        /// The resource.
        Inline = "INLINE",
        /// The environment of the proxy.
        Host = "HOST",
    }
}
