//! `cairn filter pull`: fetches a filter.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use cairn_fetch::{Fetcher, ImageReference, Request, Source};
use clap::Args;

use super::registry::{self, Registry};
use crate::out;

/// What to fetch, and where to.
#[derive(Args)]
pub(super) struct Arguments {
    /// The image's name: HOST/REPOSITORY:TAG, or with a digest.
    #[arg(value_name = "REFERENCE", value_parser = registry::image)]
    image: ImageReference,
    /// The file to write; the last part of the repository's name with `.wasm` without.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    registry: Registry,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments {
        image,
        output,
        registry,
    } = arguments;
    let fetcher = Fetcher::new(&registry.options(&image))?;
    let request = Request {
        credentials: registry.credentials()?,
        ..Request::new(Source::Image(image.clone()))
    };
    let module = fetcher
        .fetch(&request)
        .await
        .map_err(|error| registry::told(&error, &image))?;
    let file = output.unwrap_or_else(|| named(&image));
    write(&file, &module.bytes).with_context(|| format!("cannot write {}", file.display()))?;
    out::line(format_args!(
        "{}: {} bytes, {}",
        file.display(),
        module.bytes.len(),
        module.sha256
    ));
    Ok(ExitCode::SUCCESS)
}

fn named(image: &ImageReference) -> PathBuf {
    let name = image.repository().rsplit('/').next().unwrap_or_default();
    PathBuf::from(format!("{name}.wasm"))
}

/// In one step, so that whoever loads the file when it changes never sees a part of it.
fn write(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut written = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    written.write_all(bytes)?;
    written.persist(file)?;
    Ok(())
}
