use super::selector::{PolicyTargetReference, WorkloadSelector};
use super::wasm_plugin::{FailStrategy, PluginType, PullPolicy, TrafficSelector, VmConfig};
use crate::meta::Object;

/// A filter in WebAssembly or Lua.
pub type TrafficExtension = Object<TrafficExtensionSpec>;

form! {
    /// The desired state of a [`TrafficExtension`].
    pub struct TrafficExtensionSpec {
        /// Workloads that the filter applies to.
        pub selector: Option<WorkloadSelector>,
        /// Resources that the filter applies to.
        pub target_refs: Vec<PolicyTargetReference>,
        /// Where in the chain the filter stands.
        pub phase: Option<ExecutionPhase>,
        /// Order within the phase, highest first.
        pub priority: Option<i32>,
        /// Which traffic the filter sees. None: all.
        #[serde(rename = "match")]
        pub matches: Vec<TrafficSelector>,
        /// The filter, when it is a WebAssembly module.
        pub wasm: Option<WasmConfig>,
        /// The filter, when it is a Lua script.
        pub lua: Option<LuaConfig>,
    }

    /// A filter that is a WebAssembly module; the fields of a `WasmPlugin` that speak of the module.
    pub struct WasmConfig {
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
        /// What happens when the filter cannot run.
        pub fail_strategy: Option<FailStrategy>,
        /// Settings of the virtual machine.
        pub vm_config: Option<VmConfig>,
        /// Whether it filters requests or connections.
        #[serde(rename = "type")]
        pub type_: Option<PluginType>,
    }

    /// A filter that is a Lua script.
    pub struct LuaConfig {
        /// The script.
        pub inline_code: String,
    }
}

choice! {
    /// Where in the chain a filter stands.
    pub enum ExecutionPhase {
        /// At the end of the chain, before the router.
        Unspecified = "UNSPECIFIED",
        /// Before Istio's authentication.
        Authn = "AUTHN",
        /// Before Istio's authorization, after its authentication.
        Authz = "AUTHZ",
        /// Before Istio's statistics, after its authorization.
        Stats = "STATS",
    }
}
