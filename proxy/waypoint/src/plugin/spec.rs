//! From what is written of a plugin to what it means.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use cairn_api::istio::{
    EnvValueSource, FailStrategy as WrittenStrategy, PluginType, TrafficSelector, VmConfig, WasmConfig,
    WorkloadMode,
};
use cairn_api::meta::{Kind, ObjectRef};
use cairn_config::{Objects, Problem};
use cairn_fetch::Request;
use cairn_wasm::{Isolation, Limits};

use super::annotations::{self, Settings};
use super::module;
use super::problems::Problems;
use super::written::{Phase, Written};

/// As Istio writes it.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Authn => "AUTHN",
            Phase::Authz => "AUTHZ",
            Phase::Stats => "STATS",
            Phase::Last => "UNSPECIFIED_PHASE",
        })
    }
}

/// What becomes of a request whose filter fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailStrategy {
    /// It is refused.
    Close,
    /// It goes on without the filter.
    Open,
    /// A fresh instance has a second try; then it is refused.
    Reload,
}

impl fmt::Display for FailStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FailStrategy::Close => "the request is refused",
            FailStrategy::Open => "the request goes on without it",
            FailStrategy::Reload => "a fresh instance tries once more",
        })
    }
}

/// What a plugin may do beyond looking at its requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) shared: bool,
    pub(crate) ticker: bool,
    /// Host and port of the services that it may call.
    pub(crate) targets: Vec<String>,
}

/// A plugin, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginSpec {
    pub(crate) object: ObjectRef,
    /// What logs and metrics call it.
    pub(crate) label: Arc<str>,
    /// Where its module is; or, why it is not to be had.
    pub(crate) module: Result<Request, String>,
    /// Under which it notes things about exchanges.
    pub(crate) name: String,
    pub(crate) config: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) phase: Phase,
    pub(crate) priority: i32,
    created: String,
    pub(crate) fail: FailStrategy,
    /// None: all.
    pub(crate) matches: Option<Vec<Match>>,
    pub(crate) limits: Limits,
    pub(crate) isolation: Isolation,
    pub(crate) granted: Granted,
}

/// Traffic that a filter sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    /// Empty: all.
    ports: Vec<u16>,
}

impl PluginSpec {
    /// What `written` says, and what is wrong with that. `written_in` is the file that it was read from, `defaults` what
    /// holds for all plugins of the waypoint.
    pub(crate) fn compile(
        written: &Written,
        written_in: Option<&Path>,
        defaults: &Settings,
        objects: &Objects,
    ) -> (PluginSpec, Vec<Problem>) {
        let mut problems = Problems::of(&written.object);
        let settings = annotations::read(defaults, &written.annotations, &mut problems);
        let nothing = WasmConfig::default();
        let wasm = written.wasm.as_ref().unwrap_or(&nothing);
        let module = match (&written.wasm, wasm.type_) {
            (None, _) => Err(no_wasm(&mut problems)),
            (_, Some(PluginType::Network)) => Err(network(written, &mut problems)),
            _ => module::module(written, wasm, written_in, &objects.secrets, &mut problems),
        };
        let compiled = PluginSpec {
            label: label(&written.object),
            object: written.object.clone(),
            module,
            name: match &*wasm.plugin_name {
                "" => written.object.name.clone(),
                name => name.to_owned(),
            },
            config: wasm
                .plugin_config
                .as_ref()
                .map_or_else(|| b"{}".to_vec(), |config| config.to_string().into_bytes()),
            environment: environment(written, wasm.vm_config.as_ref(), &mut problems),
            phase: written.phase,
            priority: written.priority,
            created: written.created.clone(),
            fail: match wasm.fail_strategy {
                Some(WrittenStrategy::Close) | None => FailStrategy::Close,
                Some(WrittenStrategy::Open) => FailStrategy::Open,
                Some(WrittenStrategy::Reload) => FailStrategy::Reload,
            },
            matches: matches(&written.matches),
            limits: settings.limits,
            isolation: settings.isolation,
            granted: settings.granted,
        };
        (compiled, problems.found)
    }

    /// Whether the filter sees what goes to this port.
    pub(crate) fn sees(&self, port: u16) -> bool {
        self.matches.as_ref().is_none_or(|matches| {
            matches
                .iter()
                .any(|one| one.ports.is_empty() || one.ports.contains(&port))
        })
    }

    /// Filters run in this order.
    pub(crate) fn order(&self) -> impl Ord + '_ {
        (
            self.phase,
            std::cmp::Reverse(self.priority),
            &self.created,
            &self.object.name,
            &self.object.namespace,
        )
    }
}

/// What logs and metrics call a plugin: WasmPlugins by name, as everywhere, the others so that no two are the same.
fn label(object: &ObjectRef) -> Arc<str> {
    match object.kind {
        Kind::WasmPlugin => object.key().to_string().into(),
        _ => object.to_string().into(),
    }
}

fn no_wasm(problems: &mut Problems) -> String {
    let hint =
        "write the filter as a WebAssembly component, and name it in `wasm`; until then requests are refused";
    problems.unsupported("spec.lua", "scripts are not run by waypoints of this kind", hint);
    "it has no WebAssembly".to_owned()
}

fn network(written: &Written, problems: &mut Problems) -> String {
    let hint = "write a filter of requests, or remove `type`";
    problems.error(
        &written.field("type"),
        "filters of connections are not run by this version; requests are refused or let through as failStrategy says",
        hint,
    );
    "type NETWORK".to_owned()
}

fn environment(
    written: &Written,
    vm_config: Option<&VmConfig>,
    problems: &mut Problems,
) -> Vec<(String, String)> {
    let mut environment = BTreeMap::new();
    let variables = vm_config.into_iter().flat_map(|config| &config.env);
    for (index, variable) in variables.enumerate() {
        let field = written.field(&format!("vmConfig.env[{index}]"));
        if variable.name.is_empty() {
            problems.error(&field, "has no name", "name the variable");
            continue;
        }
        let value = match variable.value_from {
            Some(EnvValueSource::Host) => {
                if !variable.value.is_empty() {
                    let hint = "remove `value`, or write `valueFrom: INLINE`";
                    problems.error(
                        &field,
                        "takes its value from the proxy and gives one as well",
                        hint,
                    );
                }
                std::env::var(&variable.name).unwrap_or_default()
            }
            Some(EnvValueSource::Inline) | None => variable.value.clone(),
        };
        if environment.insert(variable.name.clone(), value).is_some() {
            problems.error(
                &field,
                format!("`{}` is there twice", variable.name),
                "remove one of them",
            );
        }
    }
    environment.into_iter().collect()
}

/// A waypoint stands on the side of the service.
fn matches(written: &[TrafficSelector]) -> Option<Vec<Match>> {
    if written.is_empty() {
        return None;
    }
    let ours = written
        .iter()
        .filter(|selector| selector.mode != Some(WorkloadMode::Client));
    let matches = ours.map(|selector| Match {
        ports: selector
            .ports
            .iter()
            .filter_map(|port| u16::try_from(port.number?).ok())
            .collect(),
    });
    Some(matches.collect())
}
