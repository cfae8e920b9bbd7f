//! The two resources that attach a filter, as one.

use std::collections::BTreeMap;

use cairn_api::istio::{
    ExecutionPhase, PluginPhase, PolicyTargetReference, TrafficExtension, TrafficSelector, WasmConfig,
    WasmPlugin,
};
use cairn_api::meta::{Kind, ObjectMeta, ObjectRef};
use cairn_config::{Objects, Problem};

/// Where in a request's life a filter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Before authentication.
    Authn,
    /// After authentication, before authorization.
    Authz,
    /// After authorization and faults, before statistics.
    Stats,
    /// Last before the route is followed.
    Last,
}

/// A WasmPlugin, or a TrafficExtension.
pub(crate) struct Written {
    pub(crate) object: ObjectRef,
    pub(super) annotations: BTreeMap<String, String>,
    /// What decides between TrafficExtensions of one priority before their names do; empty for WasmPlugins.
    pub(super) created: String,
    /// Whether it selects workloads.
    pub(super) selects: bool,
    /// The first is `targetRef` where that is used.
    pub(super) targets: Vec<PolicyTargetReference>,
    pub(super) phase: Phase,
    pub(super) priority: i32,
    pub(super) matches: Vec<TrafficSelector>,
    /// None: something that is not run here.
    pub(super) wasm: Option<WasmConfig>,
    /// The field that `wasm` is of.
    pub(super) prefix: &'static str,
}

impl Written {
    /// All of a version.
    pub(crate) fn all(objects: &Objects) -> Vec<Written> {
        let plugins = objects.wasm_plugins.values().map(|plugin| plugin.as_ref().into());
        let extensions = objects.traffic_extensions.values();
        plugins
            .chain(extensions.map(|extension| extension.as_ref().into()))
            .collect()
    }

    /// A field of the module, as it stands in the resource.
    pub(crate) fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    /// What is wrong with how it says what it is for.
    pub(crate) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.selects {
            problems.push(Problem::warning(
                self.object.clone(),
                "spec.selector",
                "means sidecars: no waypoint runs this filter",
                "name a Service or Gateway in targetRefs",
            ));
        }
        for (index, reference) in self.targets.iter().enumerate() {
            let known = matches!(
                (&*reference.group, &*reference.kind),
                ("" | "core", "Service")
                    | ("networking.istio.io", "ServiceEntry")
                    | ("gateway.networking.k8s.io", "Gateway" | "GatewayClass")
            );
            if !known {
                problems.push(Problem::error(
                    self.object.clone(),
                    format!("spec.targetRefs[{index}]"),
                    format!(
                        "`{}` of group `{}` is nothing that a filter can be bound to",
                        reference.kind, reference.group
                    ),
                    "name a Service, ServiceEntry, Gateway or GatewayClass, with its group",
                ));
            }
        }
        problems
    }
}

impl From<&WasmPlugin> for Written {
    fn from(plugin: &WasmPlugin) -> Written {
        let spec = plugin.spec.clone();
        Written {
            object: object(Kind::WasmPlugin, &plugin.metadata),
            annotations: plugin.metadata.annotations.clone(),
            created: String::new(),
            selects: spec.selector.is_some(),
            targets: spec.target_ref.into_iter().chain(spec.target_refs).collect(),
            phase: match spec.phase {
                Some(PluginPhase::Authn) => Phase::Authn,
                Some(PluginPhase::Authz) => Phase::Authz,
                Some(PluginPhase::Stats) => Phase::Stats,
                Some(PluginPhase::Unspecified) | None => Phase::Last,
            },
            priority: spec.priority.unwrap_or_default(),
            matches: spec.matches,
            wasm: Some(WasmConfig {
                url: spec.url,
                sha256: spec.sha256,
                image_pull_policy: spec.image_pull_policy,
                image_pull_secret: spec.image_pull_secret,
                verification_key: spec.verification_key,
                plugin_config: spec.plugin_config,
                plugin_name: spec.plugin_name,
                fail_strategy: spec.fail_strategy,
                vm_config: spec.vm_config,
                type_: spec.type_,
            }),
            prefix: "spec",
        }
    }
}

impl From<&TrafficExtension> for Written {
    fn from(extension: &TrafficExtension) -> Written {
        let spec = extension.spec.clone();
        Written {
            object: object(Kind::TrafficExtension, &extension.metadata),
            annotations: extension.metadata.annotations.clone(),
            created: extension.metadata.creation_timestamp.clone().unwrap_or_default(),
            selects: spec.selector.is_some(),
            targets: spec.target_refs,
            phase: match spec.phase {
                Some(ExecutionPhase::Authn) => Phase::Authn,
                Some(ExecutionPhase::Authz) => Phase::Authz,
                Some(ExecutionPhase::Stats) => Phase::Stats,
                Some(ExecutionPhase::Unspecified) | None => Phase::Last,
            },
            priority: spec.priority.unwrap_or_default(),
            matches: spec.matches,
            wasm: spec.wasm,
            prefix: "spec.wasm",
        }
    }
}

fn object(kind: Kind, metadata: &ObjectMeta) -> ObjectRef {
    ObjectRef::new(kind, &metadata.namespace, &metadata.name)
}
