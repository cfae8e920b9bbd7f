//! From a WasmPlugin to what it means.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use cairn_api::istio::{
    EnvValueSource, FailStrategy as WrittenStrategy, PluginPhase, PluginType, TrafficSelector, WasmPlugin,
    WorkloadMode,
};
use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::Problem;
use cairn_wasm::{Isolation, Limits};

use super::annotations;

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

/// A WasmPlugin, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginSpec {
    pub(crate) key: Key,
    pub(crate) url: Url,
    /// Of the module, in lower-case hexadecimal; empty for any.
    pub(crate) sha256: String,
    pub(crate) name: String,
    pub(crate) config: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) phase: Phase,
    pub(crate) priority: i32,
    pub(crate) fail: FailStrategy,
    /// None: all.
    pub(crate) matches: Option<Vec<Match>>,
    pub(crate) limits: Limits,
    pub(crate) isolation: Isolation,
    pub(crate) granted: Granted,
}

/// Where the module is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Url {
    File(PathBuf),
    /// Not to be had, and why.
    Unusable(String),
}

/// Traffic that a filter sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    /// Empty: all.
    ports: Vec<u16>,
}

impl PluginSpec {
    /// What `plugin` says, and what is wrong with that. `written_in` is the file that it was read from.
    pub(crate) fn compile(plugin: &WasmPlugin, written_in: Option<&Path>) -> (PluginSpec, Vec<Problem>) {
        let mut problems = Problems {
            object: object(plugin),
            found: Vec::new(),
        };
        let spec = &plugin.spec;
        let settings = annotations::read(&plugin.metadata.annotations, &mut problems);
        let environment = environment(plugin, &mut problems);
        let url = url(&spec.url, written_in, &mut problems);
        if spec.type_ == Some(PluginType::Network) {
            let hint = "write a filter of requests, or remove `type`";
            problems.error("spec.type", "filters of connections are not run by this version; requests are refused or let through as failStrategy says", hint);
        }
        let network = spec.type_ == Some(PluginType::Network);
        let compiled = PluginSpec {
            key: Key::new(&plugin.metadata.namespace, &plugin.metadata.name),
            url: if network {
                Url::Unusable("type NETWORK".to_owned())
            } else {
                url
            },
            sha256: checksum(&spec.sha256, &mut problems),
            name: spec.plugin_name.clone(),
            config: spec
                .plugin_config
                .as_ref()
                .map_or_else(|| b"{}".to_vec(), |config| config.to_string().into_bytes()),
            environment,
            phase: match spec.phase {
                Some(PluginPhase::Authn) => Phase::Authn,
                Some(PluginPhase::Authz) => Phase::Authz,
                Some(PluginPhase::Stats) => Phase::Stats,
                Some(PluginPhase::Unspecified) | None => Phase::Last,
            },
            priority: spec.priority.unwrap_or_default(),
            fail: match spec.fail_strategy {
                Some(WrittenStrategy::Close) | None => FailStrategy::Close,
                Some(WrittenStrategy::Open) => FailStrategy::Open,
                Some(WrittenStrategy::Reload) => FailStrategy::Reload,
            },
            matches: matches(&spec.matches),
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
            &self.key.name,
            &self.key.namespace,
        )
    }
}

/// What is wrong with one plugin.
pub(super) struct Problems {
    object: ObjectRef,
    found: Vec<Problem>,
}

impl Problems {
    pub(super) fn error(&mut self, field: &str, message: impl Into<String>, hint: &str) {
        self.found
            .push(Problem::error(self.object.clone(), field, message, hint));
    }
}

pub(super) fn object(plugin: &WasmPlugin) -> ObjectRef {
    ObjectRef::new(
        Kind::WasmPlugin,
        &plugin.metadata.namespace,
        &plugin.metadata.name,
    )
}

fn url(written: &str, written_in: Option<&Path>, problems: &mut Problems) -> Url {
    let unusable = |problems: &mut Problems, why: &str, hint: &str| {
        problems.error("spec.url", why, hint);
        Url::Unusable(why.to_owned())
    };
    if written.is_empty() {
        return unusable(
            problems,
            "does not say where the module is",
            "write file://, with the path of a component",
        );
    }
    let Some(path) = written.strip_prefix("file://") else {
        return unusable(
            problems,
            "modules are read from files only in this version",
            "write file://, with the path of a component",
        );
    };
    let path = Path::new(path);
    if path.is_absolute() {
        return Url::File(path.to_path_buf());
    }
    // `file://./filter.wasm` is beside the document that says so.
    match written_in.and_then(Path::parent) {
        Some(directory) => Url::File(directory.join(path)),
        None => Url::File(path.to_path_buf()),
    }
}

fn checksum(written: &str, problems: &mut Problems) -> String {
    let lower = written.trim().to_ascii_lowercase();
    let legal = lower.is_empty() || lower.len() == 64 && lower.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !legal {
        problems.error(
            "spec.sha256",
            "is not a SHA-256 checksum, so that no module has it",
            "write 64 hexadecimal digits, as sha256sum prints them",
        );
    }
    lower
}

fn environment(plugin: &WasmPlugin, problems: &mut Problems) -> Vec<(String, String)> {
    let mut environment = BTreeMap::new();
    let written = plugin.spec.vm_config.iter().flat_map(|config| &config.env);
    for (index, variable) in written.enumerate() {
        let field = format!("spec.vmConfig.env[{index}]");
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
