//! What a component asks for and offers, held against what its plugin is granted.

use wasmtime::component::Component;

use crate::engine::Engine;
use crate::failure::LoadError;
use crate::grants::Grants;

const OURS: &str = "cairn:filter/";

/// Whether a component exports a ticker.
pub(crate) struct Exports {
    pub(crate) ticker: bool,
}

/// Checks what a component imports and exports, so that what is missing is said in words.
pub(crate) fn check(engine: &Engine, component: &Component, grants: &Grants) -> Result<Exports, LoadError> {
    let shape = component.component_type();
    for (name, _) in shape.imports(engine.inner()) {
        import(name, grants)?;
    }
    let exports: Vec<&str> = shape.exports(engine.inner()).map(|(name, _)| name).collect();
    if !exports.iter().any(|name| is(name, "hooks")) {
        let found = match exports.as_slice() {
            [] => ", and exports nothing".to_owned(),
            names => format!(", and exports {}", names.join(", ")),
        };
        return Err(LoadError::NoHooks { found });
    }
    Ok(Exports {
        ticker: exports.iter().any(|name| is(name, "ticker")),
    })
}

fn import(name: &str, grants: &Grants) -> Result<(), LoadError> {
    let interface = name.split_once('@').map_or(name, |(interface, _)| interface);
    let not_granted = |hint| {
        Err(LoadError::NotGranted {
            import: name.to_owned(),
            hint,
        })
    };
    let unknown = |hint| {
        Err(LoadError::UnknownImport {
            import: name.to_owned(),
            hint,
        })
    };
    if let Some(ours) = interface.strip_prefix(OURS) {
        return match ours {
            "shared" if !grants.shared => {
                not_granted("grant it with the annotation `filters.cairn.io/grants: shared`")
            }
            "outbound" if grants.targets.is_empty() => {
                not_granted("name the services with the annotation `filters.cairn.io/outbound: HOST:PORT`")
            }
            "types" | "exchanges" | "log" | "metrics" | "clock" | "random" | "shared" | "outbound" => Ok(()),
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
        return Ok(());
    }
    if interface.starts_with("wasi:http/") {
        return unknown("; call services through `cairn:filter/outbound`");
    }
    unknown("")
}

/// Whether `name` is an interface of this contract, of a version that goes with ours.
fn is(name: &str, interface: &str) -> bool {
    let Some((found, version)) = name.strip_prefix(OURS).and_then(|rest| rest.split_once('@')) else {
        return false;
    };
    found == interface && version.starts_with("0.1.")
}
