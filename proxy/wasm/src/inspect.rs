//! What a component is, without running it.

mod gather;

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::bindings::VERSION;
use crate::failure::LoadError;
use crate::format;
use crate::imports::{self, Need};

/// The custom section in which a filter may carry the JSON schema of its configuration.
pub const CONFIG_SCHEMA: &str = "cairn:config-schema";

/// What a filter is, as far as its bytes tell.
///
/// The bytes need not be trusted: they are read once from begin to end, and what is kept of them is bounded. That they can
/// be read does not mean that they are valid; that is found out by [`Filter::load`](crate::Filter::load).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Inspection {
    /// Bytes of the component.
    pub size: usize,
    /// Their SHA-256, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The world of the contract that it exports: `filter` or `ticking-filter`.
    pub world: &'static str,
    /// The version of the contract that its hooks are of.
    pub version: String,
    /// The interfaces that it imports, in its order.
    pub imports: Vec<Import>,
    /// What it exports, in its order.
    pub exports: Vec<String>,
    /// The linear memories of its core modules.
    pub memories: Vec<LinearMemory>,
    /// Core modules in it.
    pub core_modules: usize,
    /// Instances of core modules that one instance of it is made of.
    pub core_instances: usize,
    /// What it was made with.
    pub producers: Vec<Producer>,
    /// The JSON schema of its configuration, as its author wrote it.
    pub config_schema: Option<String>,
}

/// Something that a component imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its full name: `cairn:filter/log@0.1.0`.
    pub name: String,
    /// What it takes to get it.
    pub need: Need,
}

/// A linear memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearMemory {
    /// Bytes that it has at first.
    pub minimum: u64,
    /// Bytes that it may have at most by its own will; no bound of its own if there is none.
    pub maximum: Option<u64>,
}

/// A line of a `producers` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    /// A language or a tool.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// Why nothing can be said about bytes as a filter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// They are none, as loading would say too.
    #[error(transparent)]
    NoFilter(#[from] LoadError),
    /// They begin as a component and do not go on as one.
    #[error("is damaged or cut off: {reason} at byte {offset} of {size}; build or copy it again")]
    Damaged {
        /// What the decoder says.
        reason: String,
        /// Where.
        offset: usize,
        /// How many bytes there are.
        size: usize,
    },
    /// It has more of something than any filter.
    #[error("has more than {limit} {what}, which no filter has")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// Its schema is no text.
    #[error("carries a configuration schema (section `{CONFIG_SCHEMA}`) that is not UTF-8")]
    Schema,
}

impl Inspection {
    /// Reads a component.
    ///
    /// # Errors
    ///
    /// [`InspectError`]: it is no component, a damaged one, or one of another world.
    pub fn of(bytes: &[u8]) -> Result<Inspection, InspectError> {
        format::check(bytes)?;
        let gathered = gather::gather(bytes)?;
        let hooks = imports::hooks(gathered.exports.iter().map(String::as_str))?;
        Ok(Inspection {
            size: bytes.len(),
            sha256: Sha256::digest(bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            world: if hooks.ticker { "ticking-filter" } else { "filter" },
            version: hooks.version,
            imports: gathered
                .imports
                .into_iter()
                .map(|name| Import {
                    need: imports::need(&name),
                    name,
                })
                .collect(),
            exports: gathered.exports,
            memories: gathered.memories,
            core_modules: gathered.core_modules,
            core_instances: gathered.core_instances,
            producers: gathered.producers,
            config_schema: gathered.config_schema,
        })
    }

    /// The world with its package and version: `cairn:filter/filter@0.1.0`.
    pub fn contract(&self) -> String {
        format!("cairn:filter/{}@{}", self.world, self.version)
    }

    /// Whether it exports a ticker, which wants a grant of its own when it is subscribed to.
    pub fn ticks(&self) -> bool {
        self.world == "ticking-filter"
    }

    /// The version of the contract that this host speaks.
    pub fn host_version() -> &'static str {
        VERSION
    }
}

impl fmt::Display for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.version.is_empty() {
            write!(f, " {}", self.version)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
