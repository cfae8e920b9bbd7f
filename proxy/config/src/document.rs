//! One document of a file: from text to typed objects, and to everything that there is to say about them.

mod content;
mod identity;
mod item;
mod read;
mod remnant;
mod salvage;

pub(crate) use content::{Content, Document, Finding, Item};
pub(crate) use read::read;

#[cfg(test)]
mod tests;
