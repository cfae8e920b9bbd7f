//! What a component asks for and offers, held against what its plugin is granted.

use wasmtime::component::Component;

use crate::engine::Engine;
use crate::failure::LoadError;
use crate::grants::Grants;

const OURS: &str = "cairn:filter/";

/// What it takes to get an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// Every filter is given it.
    Given,
    /// A grant of the plugin.
    Grant {
        /// Which one.
        grant: Grant,
    },
    /// It is there for runtimes of languages that ask for it, and leads nowhere: no files, no sockets, no arguments;
    /// standard output goes to the log, the environment is the plugin's own.
    Inert,
    /// No filter is given it: a component that imports it is not loaded.
    Unknown {
        /// What to do instead, as text that follows; may be empty.
        hint: &'static str,
    },
}

/// What a plugin must be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The store that its instances share.
    Shared,
    /// Calls to services.
    Outbound,
    /// Being called without a request.
    Ticker,
}

impl Grant {
    /// The annotation of a WasmPlugin that grants it.
    pub const fn annotation(self) -> &'static str {
        match self {
            Grant::Shared => "filters.cairn.io/grants: shared",
            Grant::Outbound => "filters.cairn.io/outbound: HOST:PORT",
            Grant::Ticker => "filters.cairn.io/grants: ticker",
        }
    }

    /// What to do to get it.
    pub(crate) const fn hint(self) -> &'static str {
        match self {
            Grant::Shared => "grant it with the annotation `filters.cairn.io/grants: shared`",
            Grant::Outbound => "name the services with the annotation `filters.cairn.io/outbound: HOST:PORT`",
            Grant::Ticker => "grant it with the annotation `filters.cairn.io/grants: ticker`",
        }
    }

    fn is_in(self, grants: &Grants) -> bool {
        match self {
            Grant::Shared => grants.shared,
            Grant::Outbound => !grants.targets.is_empty(),
            Grant::Ticker => grants.ticker,
        }
    }
}

/// The hooks that a component exports.
pub(crate) struct Hooks {
    /// Their version.
    pub(crate) version: String,
    /// Whether there is a ticker beside them.
    pub(crate) ticker: bool,
}

/// Checks what a component imports and exports, so that what is missing is said in words.
pub(crate) fn check(engine: &Engine, component: &Component, grants: &Grants) -> Result<Hooks, LoadError> {
    let shape = component.component_type();
    for (name, _) in shape.imports(engine.inner()) {
        match need(name) {
            Need::Grant { grant } if !grant.is_in(grants) => {
                return Err(LoadError::NotGranted {
                    import: name.to_owned(),
                    hint: grant.hint(),
                });
            }
            Need::Unknown { hint } => {
                return Err(LoadError::UnknownImport {
                    import: name.to_owned(),
                    hint,
                });
            }
            Need::Given | Need::Grant { .. } | Need::Inert => {}
        }
    }
    hooks(shape.exports(engine.inner()).map(|(name, _)| name))
}

/// The hooks among what a component exports.
pub(crate) fn hooks<'a>(exports: impl Iterator<Item = &'a str>) -> Result<Hooks, LoadError> {
    let exports: Vec<&str> = exports.collect();
    let Some(found) = exports.iter().find_map(|name| version(name, "hooks")) else {
        let found = match exports.as_slice() {
            [] => ", and exports nothing".to_owned(),
            names => format!(", and exports {}", names.join(", ")),
        };
        return Err(LoadError::NoHooks { found });
    };
    Ok(Hooks {
        version: found.to_owned(),
        ticker: exports.iter().any(|name| version(name, "ticker").is_some()),
    })
}

/// What it takes to get an import.
pub(crate) fn need(name: &str) -> Need {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    let unknown = |hint| Need::Unknown { hint };
    if let Some(ours) = interface.strip_prefix(OURS) {
        return match ours {
            _ if !is_compatible(version) => unknown("; it is of another version of the contract"),
            "shared" => Need::Grant { grant: Grant::Shared },
            "outbound" => Need::Grant {
                grant: Grant::Outbound,
            },
            "types" | "exchanges" | "log" | "metrics" | "clock" | "random" => Need::Given,
            _ => unknown("; it is of a later version of the contract"),
        };
    }
    let known = [
        "wasi:io/",
        "wasi:cli/",
        "wasi:clocks/",
        "wasi:random/",
        "wasi:filesystem/",
        "wasi:sockets/",
    ];
    if known.iter().any(|package| interface.starts_with(package)) {
        return if version.starts_with("0.2.") {
            Need::Inert
        } else {
            unknown("; build it for WASI 0.2")
        };
    }
    if interface.starts_with("wasi:http/") {
        return unknown("; call services through `cairn:filter/outbound`");
    }
    unknown("")
}

/// The version of an interface of this contract, when it goes with ours.
fn version<'a>(name: &'a str, interface: &str) -> Option<&'a str> {
    let (found, version) = name.strip_prefix(OURS)?.split_once('@')?;
    (found == interface && is_compatible(version)).then_some(version)
}

fn is_compatible(version: &str) -> bool {
    version.starts_with("0.1.")
}
