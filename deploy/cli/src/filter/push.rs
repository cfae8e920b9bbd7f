//! `cairn filter push`: publishes a filter.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use cairn_fetch::{ImageReference, Layout, Publication, PublishError, Publisher};
use clap::{Args, ValueEnum};

use super::plugin;
use super::registry::{self, Registry};
use crate::out;

/// What to publish, and where.
#[derive(Args)]
pub(super) struct Arguments {
    /// The component, as a file.
    file: PathBuf,
    /// The image's name: HOST/REPOSITORY:TAG.
    #[arg(value_name = "REFERENCE", value_parser = registry::image)]
    image: ImageReference,
    /// The layout of the image.
    #[arg(long, value_enum, default_value_t = Written::Oci)]
    layout: Written,
    #[command(flatten)]
    registry: Registry,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Written {
    /// That of CNCF, which tools for components read and write.
    Oci,
    /// That which Istio's own proxies read.
    Istio,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments {
        file,
        image,
        layout,
        registry,
    } = arguments;
    // What no waypoint would load is not published either.
    let component = plugin::read(&file).await?;
    let imports = component.inspection.imports.into_iter();
    let publication = Publication {
        bytes: component.bytes,
        layout: match layout {
            Written::Oci => Layout::Oci,
            Written::Istio => Layout::Istio,
        },
        imports: imports.map(|import| import.name).collect(),
        exports: component.inspection.exports,
    };
    let credentials = registry.credentials()?;
    let publisher = Publisher::new(&registry.options(&image));
    let published = publisher
        .publish(&image, &publication, credentials.as_ref())
        .await
        .map_err(|error| match &error {
            PublishError::Refused(refused) => registry::told(refused, &image),
            other => anyhow!("{other}"),
        })?;
    out::line(format_args!("{image}@{}", published.image));
    Ok(ExitCode::SUCCESS)
}
