//! The waypoint's log.
//!
//! Use the macros [`trace!`](crate::trace), [`debug!`](crate::debug), [`info!`](crate::info), [`warn!`](crate::warn) and
//! [`error!`](crate::error): they format a line only if it will be written.

pub use crate::bindings::cairn::filter::log::Level;
use crate::imports::log;

/// Whether lines of this level are written at all.
pub fn enabled(level: Level) -> bool {
    log::enabled(level)
}

/// Writes a line; the waypoint adds the plugin's name. Lines beyond the plugin's limit are counted and dropped.
pub fn write(level: Level, line: &str) {
    log::log(level, line);
}

#[doc(hidden)]
#[macro_export]
macro_rules! write_line {
    ($level:ident, $($arg:tt)*) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::write($crate::log::Level::$level, &::std::format!($($arg)*));
        }
    };
}

/// Logs a line of level `trace`, formatted as by `format!`.
#[macro_export]
macro_rules! trace { ($($arg:tt)*) => { $crate::write_line!(Trace, $($arg)*) }; }

/// Logs a line of level `debug`, formatted as by `format!`.
#[macro_export]
macro_rules! debug { ($($arg:tt)*) => { $crate::write_line!(Debug, $($arg)*) }; }

/// Logs a line of level `info`, formatted as by `format!`.
#[macro_export]
macro_rules! info { ($($arg:tt)*) => { $crate::write_line!(Info, $($arg)*) }; }

/// Logs a line of level `warn`, formatted as by `format!`.
#[macro_export]
macro_rules! warn { ($($arg:tt)*) => { $crate::write_line!(Warn, $($arg)*) }; }

/// Logs a line of level `error`, formatted as by `format!`.
#[macro_export]
macro_rules! error { ($($arg:tt)*) => { $crate::write_line!(Error, $($arg)*) }; }
