//! YAML as a tree in which every node knows its line.
//!
//! The values follow what `kubectl` makes of a document: YAML 1.2 booleans (`yes` is text), numbers with Go's prefixes, duplicate
//! keys refused. Everything is bounded: nodes after alias expansion, and depth.

mod node;
mod scalar;
mod split;
mod tree;

pub(crate) use node::{Node, Value};
pub(crate) use split::{Chunk, split};
pub(crate) use tree::{Fault, Tree, parse};

#[cfg(test)]
mod tests;
