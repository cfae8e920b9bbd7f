//! What the command prints, and in which colours.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

/// Prints one line. Whoever stopped reading is not told any more.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints one line to standard error.
pub(crate) fn complaint(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A number of bytes, as people read it.
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
    let of = |unit: u64| bytes as f64 / unit as f64;
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x0010_0000 => format!("{:.1} KiB", of(1 << 10)),
        _ => format!("{:.1} MiB", of(1 << 20)),
    }
}

/// So many of something whose plural ends in s.
pub(crate) fn count(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

/// Colours, when somebody is there to see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Colours for a terminal, unless `NO_COLOR` is set.
    pub(crate) fn of_stdout() -> Paint {
        Paint {
            on: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    /// No colours.
    #[cfg(test)]
    pub(crate) fn none() -> Paint {
        Paint { on: false }
    }

    pub(crate) fn good(self, text: impl Display) -> String {
        self.with("32", text)
    }

    pub(crate) fn bad(self, text: impl Display) -> String {
        self.with("31;1", text)
    }

    pub(crate) fn title(self, text: impl Display) -> String {
        self.with("1", text)
    }

    pub(crate) fn quiet(self, text: impl Display) -> String {
        self.with("2", text)
    }

    fn with(self, code: &str, text: impl Display) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}
