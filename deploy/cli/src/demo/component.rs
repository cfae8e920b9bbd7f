//! The component of the demo's filter, made of its text.

use anyhow::Context as _;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const CONTRACT: &str = include_str!("../../../../wit/filter.wit");

/// The component that a core module in WebAssembly's text format becomes.
pub(super) fn component(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut module = wat::parse_str(text).context("the filter's text cannot be read")?;
    let mut contract = Resolve::default();
    let package = contract.push_str("filter.wit", CONTRACT)?;
    let world = contract.select_world(&[package], Some("filter"))?;
    embed_component_metadata(&mut module, &contract, world, StringEncoding::UTF8)?;
    let encoder = ComponentEncoder::default().validate(true);
    encoder
        .module(&module)?
        .encode()
        .context("the filter's module makes no component")
}
