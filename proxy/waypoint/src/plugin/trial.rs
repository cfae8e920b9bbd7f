//! Whether the filters of a configuration can be had, told without a mesh.

use std::collections::BTreeMap;
use std::sync::Arc;

use cairn_api::istio::EnvValueSource;
use cairn_api::meta::ObjectRef;
use cairn_config::{Objects, Problem, State};
use cairn_mesh::Snapshot;
use cairn_wasm::{CallError, Calling, Outbound, Subscriptions};

use super::annotations::{self, Settings};
use super::slot::Slots;
use super::spec::PluginSpec;
use super::tools::{Storage, Tools};
use super::written::Written;

/// What came of making the filters of a configuration.
#[derive(Debug, Default)]
pub struct Trials(BTreeMap<ObjectRef, Result<Subscriptions, String>>);

impl Trials {
    /// Fetches the module of every WasmPlugin and TrafficExtension, compiles and configures it, as a waypoint would.
    pub async fn of(state: &State, storage: &Storage) -> Trials {
        let written = Written::all(&state.objects);
        let mut trials = Trials::default();
        if written.is_empty() {
            return trials;
        }
        let tools = Tools::new(storage, Arc::new(NoMesh));
        let (mesh, _) = Snapshot::compile(state);
        for mut written in written {
            keep_environment(&mut written);
            let file = state.file_of(&written.object);
            let defaults = defaults_for(&written, &mesh, &state.objects);
            let (spec, _) = PluginSpec::compile(&written, file, &defaults, &state.objects);
            let outcome = match &tools {
                Ok(tools) => make(tools, &spec).await,
                Err(reason) => Err(reason.clone()),
            };
            trials.0.insert(written.object, outcome);
        }
        trials
    }

    /// What is wrong with those that cannot be had.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let failed = self
            .0
            .iter()
            .filter_map(|(object, outcome)| Some((object, outcome.as_ref().err()?)));
        let problems = failed.map(|(object, reason)| {
            let message = format!("the filter cannot be put in force: {reason}");
            let hint = "until then its last good version serves, and with none failStrategy decides";
            Problem::error(object.clone(), "spec", message, hint)
        });
        problems.collect()
    }

    pub(crate) fn get(&self, object: &ObjectRef) -> Option<&Result<Subscriptions, String>> {
        self.0.get(object)
    }
}

/// What holds for the plugins of the waypoint of its namespace; of the root namespace, of any waypoint.
fn defaults_for(written: &Written, mesh: &Snapshot, objects: &Objects) -> Settings {
    let namespace = &written.object.namespace;
    let mut waypoints = mesh.waypoints();
    let waypoint = waypoints
        .find(|waypoint| waypoint.key.namespace == *namespace || *namespace == mesh.mesh.root_namespace);
    waypoint.map_or_else(Settings::default, |waypoint| {
        annotations::defaults(waypoint, objects).0
    })
}

/// A module that is only tried learns nothing of whoever tries it: variables of the proxy's environment are empty.
fn keep_environment(written: &mut Written) {
    let configs = written.wasm.iter_mut().flat_map(|wasm| &mut wasm.vm_config);
    for variable in configs.flat_map(|config| &mut config.env) {
        if variable.value_from == Some(EnvValueSource::Host) {
            variable.value_from = Some(EnvValueSource::Inline);
        }
    }
}

async fn make(tools: &Tools, spec: &PluginSpec) -> Result<Subscriptions, String> {
    let request = spec.module.as_ref().map_err(Clone::clone)?;
    let module = tools
        .fetcher
        .fetch(request)
        .await
        .map_err(|error| error.to_string())?;
    let slot = Slots::default().of(spec);
    let filter = tools.make(spec, &slot, &module.bytes).await?;
    Ok(filter.subscriptions().clone())
}

/// Where there is no mesh, no filter calls anyone; none does while it is configured.
struct NoMesh;

impl Outbound for NoMesh {
    fn call(&self, _: cairn_wasm::Call) -> Calling {
        Box::pin(std::future::ready(Err(CallError::Connect(
            "there is no mesh".to_owned(),
        ))))
    }
}
