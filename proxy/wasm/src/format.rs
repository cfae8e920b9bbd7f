//! How components begin.

use crate::failure::LoadError;

/// Whether bytes begin as those of a component do.
pub(crate) fn check(bytes: &[u8]) -> Result<(), LoadError> {
    // Magic and version, with the layer that tells components from modules.
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => Err(LoadError::CoreModule),
        Some([0, b'a', b's', b'm', _, 0, 1, 0]) => Ok(()),
        _ => Err(LoadError::NotWasm),
    }
}
