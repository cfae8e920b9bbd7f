//! The clock of everything that remembers endpoints: milliseconds that only go forward.

use std::sync::LazyLock;
use std::time::Instant;

static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since somebody first asked.
pub(crate) fn now() -> u64 {
    u64::try_from(BEGINNING.elapsed().as_millis()).unwrap_or(u64::MAX)
}
