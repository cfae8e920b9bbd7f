//! Settings of a plugin for which Istio's resource has no field.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use cairn_api::meta::{Key, Kind, ObjectRef};
use cairn_config::{Objects, Problem};
use cairn_mesh::Waypoint;
use cairn_wasm::{Isolation, Limits};

use super::problems::Problems;
use super::spec::Granted;

const PREFIX: &str = "filters.cairn.io/";

/// What the annotations of a plugin say.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub(super) limits: Limits,
    pub(super) isolation: Isolation,
    pub(super) granted: Granted,
}

/// Settings for all plugins of a waypoint: what its GatewayClass says, and over that what its Gateway does. Grants are given
/// to each plugin by name only.
pub(crate) fn defaults(waypoint: &Waypoint, objects: &Objects) -> (Settings, Vec<Problem>) {
    let mut settings = Settings::default();
    let mut found = Vec::new();
    let class = Key::new("", &waypoint.class);
    let class = objects
        .gateway_classes
        .get(&class)
        .map(|class| (Kind::GatewayClass, &class.metadata));
    let gateway = objects
        .gateways
        .get(&waypoint.key)
        .map(|gateway| (Kind::Gateway, &gateway.metadata));
    for (kind, metadata) in class.into_iter().chain(gateway) {
        let mut problems = Problems::of(&ObjectRef::new(kind, &metadata.namespace, &metadata.name));
        settings = read(&settings, &metadata.annotations, &mut problems);
        if settings.granted != Granted::default() {
            let hint = "write it at the plugin that needs it";
            problems.error(
                "metadata.annotations",
                "grants are given to single plugins only",
                hint,
            );
            settings.granted = Granted::default();
        }
        found.append(&mut problems.found);
    }
    (settings, found)
}

/// Reads the annotations with our prefix; what is wrong is told and left as it is in `defaults`.
pub(super) fn read(
    defaults: &Settings,
    annotations: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> Settings {
    let mut settings = defaults.clone();
    for (name, value) in annotations {
        let Some(setting) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if let Err(expected) = apply(&mut settings, setting, value.trim()) {
            let field = format!("metadata.annotations.{name}");
            problems.error(
                &field,
                format!("{value:?} is not {expected}"),
                "the default applies until then",
            );
        }
    }
    settings
}

fn apply(settings: &mut Settings, setting: &str, value: &str) -> Result<(), Cow<'static, str>> {
    let limits = &mut settings.limits;
    match setting {
        "cpu" => limits.cpu = duration(value, 1, 1000)?,
        "timeout" => limits.wall = duration(value, 1, 60_000)?,
        "wait" => limits.wait = duration(value, 0, 60_000)?,
        "memory" => limits.memory = bytes(value, PAGE, 256 << 20)?,
        "buffer" => limits.buffer = bytes(value, 0, 256 << 20)?,
        "shared-memory" => limits.shared = bytes(value, 0, 1 << 30)?,
        "instances" => limits.instances = number(value, 1, 1000)?,
        "calls" => limits.calls = number(value, 1, 10_000)?,
        "uses" => limits.uses = u32::try_from(number(value, 1, 1_000_000_000)?).unwrap_or(u32::MAX),
        "log-lines" => limits.log_lines = u32::try_from(number(value, 0, 1_000_000)?).unwrap_or(u32::MAX),
        "isolation" => {
            settings.isolation = match value {
                "shared" => Isolation::Shared,
                "request" => Isolation::Request,
                _ => return Err("`shared` or `request`".into()),
            }
        }
        "grants" => {
            for grant in list(value) {
                match grant {
                    "shared" => settings.granted.shared = true,
                    "ticker" => settings.granted.ticker = true,
                    _ => return Err("a list of `shared` and `ticker`".into()),
                }
            }
        }
        "outbound" => {
            let targets: Vec<String> = list(value).map(str::to_owned).collect();
            let legal = |target: &String| {
                let parts = target.rsplit_once(':');
                parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
            };
            if !targets.iter().all(legal) {
                return Err("a list of services as host:port".into());
            }
            settings.granted.targets = targets;
        }
        _ => return Err("known: there is no such setting of filters".into()),
    }
    Ok(())
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// `10ms`, `2s`; between bounds in milliseconds.
fn duration(value: &str, least: u64, most: u64) -> Result<Duration, Cow<'static, str>> {
    let milliseconds = match value.strip_suffix("ms") {
        Some(number) => number.parse().ok(),
        None => value
            .strip_suffix('s')
            .and_then(|number| number.parse::<u64>().ok())
            .and_then(|seconds| seconds.checked_mul(1000)),
    };
    milliseconds
        .filter(|milliseconds| (least..=most).contains(milliseconds))
        .map(Duration::from_millis)
        .ok_or_else(|| format!("a time such as 10ms or 2s, from {least}ms to {most}ms").into())
}

/// Bytes of a page of WebAssembly's memory: less is none.
const PAGE: usize = 64 << 10;

/// `16Mi`, `512Ki`, or bytes.
fn bytes(value: &str, least: usize, most: usize) -> Result<usize, Cow<'static, str>> {
    let (number, unit) = match (value.strip_suffix("Mi"), value.strip_suffix("Ki")) {
        (Some(number), _) => (number, 1 << 20),
        (_, Some(number)) => (number, 1 << 10),
        _ => (value, 1),
    };
    let bytes = number
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    bytes
        .filter(|bytes| (least..=most).contains(bytes))
        .ok_or_else(|| {
            let (least, most) = (least >> 10, most >> 20);
            format!("a size such as 16Mi, from {least}Ki to {most}Mi").into()
        })
}

fn number(value: &str, least: usize, most: usize) -> Result<usize, Cow<'static, str>> {
    value
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("a whole number from {least} to {most}").into())
}
