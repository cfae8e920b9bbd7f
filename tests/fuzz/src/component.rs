//! Components of filters.

use cairn_wasm::Inspection;

use crate::Target;

pub(crate) const COMPONENT: Target = Target {
    name: "component",
    run: component,
    seeds: &[
        b"\0asm\x0d\0\x01\0",
        b"\0asm\x01\0\0\0",
        // A schema.
        b"\0asm\x0d\0\x01\0\x00\x16\x13cairn:config-schema{}",
        // A core module with a memory, and an instance of it.
        b"\0asm\x0d\0\x01\0\x01\x0d\0asm\x01\0\0\0\x05\x03\x01\x00\x11\x02\x04\x01\x00\x00\x00",
        // An instance type, an import and an export of it.
        b"\0asm\x0d\0\x01\0\x07\x03\x01\x42\x00\x0a\x0a\x01\x00\x05a:b/c\x05\x00\
          \x0b\x1e\x01\x00\x18cairn:filter/hooks@0.1.0\x05\x00\x00",
    ],
};

fn component(data: &[u8]) {
    if let Ok(found) = Inspection::of(data) {
        assert_eq!(found.size, data.len());
        assert!(found.version.starts_with("0.1."));
        // Nothing can be kept that was not there.
        let names = found.imports.iter().map(|import| import.name.len());
        let kept: usize = names.chain(found.exports.iter().map(String::len)).sum();
        assert!(kept + found.config_schema.map_or(0, |schema| schema.len()) <= data.len());
    }
}
