//! `cairn validate`: everything that is wrong in a directory, as far as it can be told without running it.

mod statuses;
mod unbound;

use std::path::PathBuf;
use std::process::ExitCode;

use cairn_authz::{CompileOptions, PolicySet};
use cairn_config::{Problem, Report, Severity, State};
use cairn_mesh::Snapshot;
use cairn_waypoint::Trials;
use clap::Args;

use crate::{mesh, out, trials};

/// What to check.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Directory of YAML.
    directory: PathBuf,
    /// Leaves filters alone: fetches and tries none.
    #[arg(long)]
    offline: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let state = cairn_config::load(&arguments.directory)?;
    let objects = state.objects.len();
    let state = mesh::complete(state);
    let report = report(&state, &trials::try_all(&state, arguments.offline)?);
    for problem in &report {
        out::line(problem);
    }
    for status in statuses::of_routes(&state) {
        out::line(status);
    }
    out::line(format_args!(
        "{}: {}",
        arguments.directory.display(),
        summary(objects, &report)
    ));
    Ok(if report.has_errors() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Everything that is wrong in a state: what the source says, the mesh, each waypoint, what binds to nothing, and filters that
/// could not be had when they were tried.
pub(crate) fn report(state: &State, trials: &Trials) -> Report {
    let (mesh, found) = Snapshot::compile(state);
    let mut problems: Vec<Problem> = state.report.iter().cloned().collect();
    problems.extend(found);
    for waypoint in mesh.waypoints() {
        let (_, found) = cairn_waypoint::compile(state, &waypoint.key);
        problems.extend(found);
    }
    problems.extend(unbound::virtual_services(&state.objects, &mesh));
    problems.extend(unbound::destination_rules(&state.objects, &mesh));
    problems.extend(unbound::routes(&state.objects, &mesh));
    problems.extend(unbound::policies(&state.objects, &mesh));
    problems.extend(unbound::plugins(&state.objects, &mesh));
    problems.extend(of_targeted_policies(state, &mesh));
    problems.extend(trials.problems());
    problems
        .into_iter()
        .map(|problem| state.locate(problem))
        .collect()
}

/// One line about a whole report.
pub(crate) fn summary(objects: usize, report: &Report) -> String {
    let count = |number: usize, one: &str, more: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{number} {more}")),
    };
    let found = [
        count(report.count(Severity::Error), "error", "errors"),
        count(report.count(Severity::Warning), "warning", "warnings"),
        count(
            report.count(Severity::Unsupported),
            "field not acted on",
            "fields not acted on",
        ),
    ];
    let found: Vec<_> = found.into_iter().flatten().collect();
    let found = if found.is_empty() {
        "nothing wrong".to_owned()
    } else {
        found.join(", ")
    };
    format!(
        "{}, {found}",
        count(objects, "object", "objects").unwrap_or_else(|| "no objects".to_owned())
    )
}

/// What is wrong with the rules of policies that no waypoint has looked at, because they bind to none.
fn of_targeted_policies(state: &State, mesh: &Snapshot) -> Vec<Problem> {
    let options = CompileOptions {
        trust_domain: mesh.mesh.trust_domain.to_string(),
        aliases: mesh.mesh.trust_domain_aliases.clone(),
        root_namespace: mesh.mesh.root_namespace.clone(),
    };
    let policies = state.objects.authorization_policies.values();
    let targeted: Vec<_> = policies
        .filter(|policy| policy.spec.target_ref.is_some() || !policy.spec.target_refs.is_empty())
        .cloned()
        .collect();
    let mut problems = PolicySet::compile(&targeted, &[], &options).1;
    let authentications = state.objects.request_authentications.values();
    problems.extend(authentications.flat_map(|policy| cairn_jwt::check(policy)));
    problems
}

#[cfg(test)]
mod tests;
