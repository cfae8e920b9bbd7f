//! What engines have in common, in whichever process they are: what one has compiled is of use to another of the same
//! settings only.

use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use wasmtime::{Cache, CacheConfig, Config, OptLevel};

/// How components are compiled.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // What no hook needs, and what makes every call three times as dear.
        .concurrency_support(false)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true);
    config
}

/// Where compiled components are kept.
pub(crate) fn cache(directory: &Path) -> Result<Cache, String> {
    private(directory).map_err(|error| error.to_string())?;
    let mut config = CacheConfig::new();
    config.with_directory(directory);
    Cache::new(config).map_err(|error| format!("{error:#}"))
}

/// Compiled components are machine code that is run: nobody else may put any there.
fn private(directory: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let metadata = std::fs::metadata(directory)?;
    let ours = std::fs::metadata("/proc/self")?.uid();
    if metadata.uid() != ours {
        return Err(std::io::Error::other("it belongs to another user"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}
