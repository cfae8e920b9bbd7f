//! Registries, as whoever publishes or fetches filters reaches them.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use cairn_fetch::{CredentialsError, DockerConfig, FetchError, ImageReference, Options, Source};
use clap::Args;

use crate::out;

/// The most of a docker configuration that is read.
const MAX_CONFIG: u64 = 1 << 20;

/// How a registry is reached.
#[derive(Args)]
pub(super) struct Registry {
    /// The registry need not prove who it is, and may do without TLS.
    #[arg(long)]
    insecure: bool,
    /// Docker's configuration with the credentials of registries; `~/.docker/config.json` without.
    #[arg(long, value_name = "PATH")]
    docker_config: Option<PathBuf>,
    /// How many seconds it may take in all.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

impl Registry {
    /// The options of fetching and publishing.
    pub(super) fn options(&self, image: &ImageReference) -> Options {
        let host = image.registry().to_owned();
        Options {
            timeout: Duration::from_secs(self.timeout),
            insecure_registries: if self.insecure { vec![host] } else { Vec::new() },
            ..Options::default()
        }
    }

    /// The credentials that there are.
    pub(super) fn credentials(&self) -> anyhow::Result<Option<DockerConfig>> {
        if let Some(path) = &self.docker_config {
            let config = parse(path)?;
            return config.map(Some).with_context(|| path.display().to_string());
        }
        let Some(path) = usual().filter(|path| path.is_file()) else {
            return Ok(None);
        };
        match parse(&path)? {
            Ok(config) => Ok(Some(config)),
            // What is public needs none.
            Err(CredentialsError::Elsewhere) => {
                out::complaint(format_args!(
                    "cairn: {} leaves its credentials to a program (credsStore, credHelpers), which is not asked; \
                     write a file with `auths` and name it with --docker-config where a login is needed",
                    path.display()
                ));
                Ok(None)
            }
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }
}

/// An image, with or without `oci://`.
pub(super) fn image(text: &str) -> anyhow::Result<ImageReference> {
    match text.parse::<Source>()? {
        Source::Image(image) => Ok(image),
        _ => bail!("{text} is no image of a registry; write HOST/REPOSITORY:TAG"),
    }
}

/// An error of a registry, with advice for a person and not for a cluster.
pub(super) fn told(error: &FetchError, image: &ImageReference) -> anyhow::Error {
    match error {
        FetchError::Unauthorized {
            url, status, detail, ..
        } => anyhow::anyhow!(
            "{url} answered {status}{detail}; log in with `docker login {}`, or name a file with credentials by \
             --docker-config",
            image.registry()
        ),
        FetchError::Tls { .. } => {
            anyhow::anyhow!(
                "{error}; a registry without TLS, or with a certificate of its own, needs --insecure"
            )
        }
        _ => anyhow::anyhow!("{error}"),
    }
}

/// Where docker keeps its configuration.
fn usual() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    Some(folder.or_else(home)?.join("config.json"))
}

fn parse(path: &Path) -> anyhow::Result<Result<DockerConfig, CredentialsError>> {
    let cannot = || format!("cannot read {}", path.display());
    let mut json = Vec::new();
    std::fs::File::open(path)
        .with_context(cannot)?
        .take(MAX_CONFIG)
        .read_to_end(&mut json)
        .with_context(cannot)?;
    Ok(DockerConfig::parse(&json))
}
