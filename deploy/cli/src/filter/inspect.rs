//! `cairn filter inspect`: what a component is.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use cairn_wasm::{Import, Inspection, LoadError, Need, Subscriptions};
use clap::Args;
use serde_json::{Value, json};

use super::plugin::{Loaded, Plugin};
use super::{Output, subscriptions};
use crate::out;

/// Which component to look at.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    plugin: Plugin,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What came of configuring it.
enum Configured {
    Subscribes(Box<Subscriptions>),
    Refuses(LoadError),
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let plugin = &arguments.plugin;
    let component = plugin.read().await?;
    let inspection = &component.inspection;
    let configured = match plugin.load(&component, [], None).await? {
        Ok(Loaded { filter, .. }) => Configured::Subscribes(Box::new(filter.subscriptions().clone())),
        Err(error) => Configured::Refuses(error),
    };
    match arguments.output {
        Output::Text => out::line(text(plugin, inspection, &configured).trim_end()),
        Output::Json => {
            let json = json(plugin, inspection, &configured)?;
            out::line(serde_json::to_string_pretty(&json)?);
        }
    }
    Ok(match configured {
        Configured::Subscribes(_) => ExitCode::SUCCESS,
        // Of a filter that needs a configuration there is all the rest to be told.
        Configured::Refuses(LoadError::Configure(_)) if !plugin.is_configured() => ExitCode::SUCCESS,
        Configured::Refuses(_) => ExitCode::FAILURE,
    })
}

fn text(plugin: &Plugin, inspection: &Inspection, configured: &Configured) -> String {
    let mut text = format!("{}\n", plugin.file());
    let mut row = |title: &str, lines: &[String]| {
        for (index, line) in lines.iter().enumerate() {
            let title = if index == 0 { title } else { "" };
            // A String takes whatever is written to it.
            let _ = writeln!(text, "  {title:<11} {line}");
        }
    };
    row("world", &[inspection.contract()]);
    row("size", &[format!("{} bytes", inspection.size)]);
    row("sha256", std::slice::from_ref(&inspection.sha256));
    let producers: Vec<String> = inspection.producers.iter().map(ToString::to_string).collect();
    if !producers.is_empty() {
        row("made with", &[producers.join(", ")]);
    }
    let memories = inspection.memories.iter().map(|memory| {
        let most = memory.maximum.map_or_else(
            || "no bound of its own".to_owned(),
            |most| format!("{} at most", out::size(most)),
        );
        format!("{} at first, {most}", out::size(memory.minimum))
    });
    row("memory", &memories.collect::<Vec<_>>());
    row(
        "core",
        &[format!(
            "{} in {}",
            out::count(inspection.core_instances, "instance"),
            out::count(inspection.core_modules, "module")
        )],
    );
    row("exports", &inspection.exports);
    row("imports", &imports(&inspection.imports));
    let (title, lines) = match configured {
        Configured::Subscribes(asked) => {
            let hooks = subscriptions::described(asked);
            let none = || vec!["none: it is never called with this configuration".to_owned()];
            ("hooks", if hooks.is_empty() { none() } else { hooks })
        }
        Configured::Refuses(error) => ("hooks", vec![unknown(plugin, error)]),
    };
    row(title, &lines);
    match &inspection.config_schema {
        Some(schema) => {
            row("config", &["its JSON schema:".to_owned()]);
            text.push_str(schema);
        }
        None => row("config", &["no JSON schema in it".to_owned()]),
    }
    text
}

/// Why it is not known which hooks are called.
fn unknown(plugin: &Plugin, error: &LoadError) -> String {
    match error {
        LoadError::Configure(_) if !plugin.is_configured() => {
            format!("not known: it {error}; give one with --config")
        }
        LoadError::Configure(_) => format!("not known: it {error}"),
        error => format!("none: it would not load, for it {error}"),
    }
}

/// The imports by what it takes to get them.
fn imports(imports: &[Import]) -> Vec<String> {
    let mut lines = Vec::new();
    let names = |wanted: fn(&Need) -> bool| {
        let names = imports.iter().filter(|import| wanted(&import.need));
        packages(names.map(|import| import.name.as_str()))
    };
    let given = names(|need| *need == Need::Given);
    if !given.is_empty() {
        lines.push(format!("always there: {given}"));
    }
    for import in imports {
        if let Need::Grant { grant } = import.need {
            lines.push(format!(
                "needs a grant: {}, with the annotation `{}`",
                import.name,
                grant.annotation()
            ));
        }
    }
    let inert = names(|need| *need == Need::Inert);
    if !inert.is_empty() {
        lines.push(format!("there, and lead nowhere: {inert}"));
    }
    for import in imports {
        if let Need::Unknown { hint } = import.need {
            lines.push(format!(
                "unknown, so that it would not load: {}{hint}",
                import.name
            ));
        }
    }
    if lines.is_empty() {
        lines.push("none".to_owned());
    }
    lines
}

fn json(plugin: &Plugin, inspection: &Inspection, configured: &Configured) -> anyhow::Result<Value> {
    let schema: Option<Value> = inspection
        .config_schema
        .as_deref()
        .map(serde_json::from_str)
        .transpose()
        .with_context(|| format!("the configuration schema in {} is not JSON", plugin.file()))?;
    let imports = inspection.imports.iter().map(|import| {
        let (need, annotation) = match import.need {
            Need::Given => ("given", None),
            Need::Grant { grant } => ("grant", Some(grant.annotation())),
            Need::Inert => ("inert", None),
            _ => ("unknown", None),
        };
        json!({"name": import.name, "need": need, "annotation": annotation})
    });
    let memories = inspection
        .memories
        .iter()
        .map(|memory| json!({"minimum": memory.minimum, "maximum": memory.maximum}));
    let producers = inspection
        .producers
        .iter()
        .map(|producer| json!({"field": producer.field, "name": producer.name, "version": producer.version}));
    let (asked, error) = match configured {
        Configured::Subscribes(asked) => (Some(subscriptions::json(asked)), None),
        Configured::Refuses(error) => (None, Some(error.to_string())),
    };
    Ok(json!({
        "file": plugin.file(),
        "package": "cairn:filter",
        "version": inspection.version,
        "world": inspection.world,
        "size": inspection.size,
        "sha256": inspection.sha256,
        "producers": producers.collect::<Vec<_>>(),
        "memories": memories.collect::<Vec<_>>(),
        "coreModules": inspection.core_modules,
        "coreInstances": inspection.core_instances,
        "exports": inspection.exports,
        "imports": imports.collect::<Vec<_>>(),
        "configured": plugin.is_configured(),
        "subscriptions": asked,
        "error": error,
        "configSchema": schema,
    }))
}

/// Names of interfaces, those of one package together: `wasi:io@0.2.6 (poll, streams)`.
fn packages<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut packages: Vec<(String, Vec<&str>)> = Vec::new();
    for name in names {
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        let (package, interface) = path.split_once('/').unwrap_or((path, ""));
        let package = if version.is_empty() {
            package.to_owned()
        } else {
            format!("{package}@{version}")
        };
        match packages.iter_mut().find(|(known, _)| *known == package) {
            Some((_, interfaces)) => interfaces.push(interface),
            None => packages.push((package, vec![interface])),
        }
    }
    let packages = packages
        .iter()
        .map(|(package, interfaces)| format!("{package} ({})", interfaces.join(", ")));
    packages.collect::<Vec<_>>().join(", ")
}
