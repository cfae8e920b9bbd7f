use wasm_encoder::{
    Component, ComponentExportKind, ComponentExportSection, ComponentImportSection, ComponentTypeRef,
    ComponentTypeSection, CustomSection, InstanceSection, InstanceType, MemorySection, MemoryType, Module,
    ModuleSection, ProducersField, ProducersSection,
};

use super::*;
use crate::imports::Grant;

const SCHEMA: &str = r#"{"type": "object"}"#;

/// A component with these imports and exports, all of them instances of nothing, and one core module.
fn component(imports: &[&str], exports: &[&str], module: &Module) -> Component {
    let mut component = Component::new();
    let mut types = ComponentTypeSection::new();
    types.instance(&InstanceType::new());
    component.section(&types);
    let mut section = ComponentImportSection::new();
    for name in imports {
        section.import(*name, ComponentTypeRef::Instance(0));
    }
    component.section(&section);
    component.section(&ModuleSection(module));
    let mut instances = InstanceSection::new();
    instances.instantiate(0, Vec::<(&str, wasm_encoder::ModuleArg)>::new());
    component.section(&instances);
    let mut section = ComponentExportSection::new();
    for name in exports {
        section.export(*name, ComponentExportKind::Instance, 0, None);
    }
    component.section(&section);
    component
}

fn memory(minimum: u64, maximum: Option<u64>) -> Module {
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum,
        maximum,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut module = Module::new();
    module.section(&memories);
    module
}

fn schema(module: &mut Module, text: &[u8]) {
    module.section(&CustomSection {
        name: CONFIG_SCHEMA.into(),
        data: text.into(),
    });
}

fn inspect(component: Component) -> Result<Inspection, String> {
    Inspection::of(&component.finish()).map_err(|error| error.to_string())
}

#[test]
fn a_filter_is_described() {
    let mut module = memory(17, Some(32));
    schema(&mut module, SCHEMA.as_bytes());
    let mut producers = ProducersSection::new();
    producers.field("language", ProducersField::new().value("Rust", ""));
    producers.field("processed-by", ProducersField::new().value("rustc", "1.95.0"));
    module.section(&producers);
    let found = inspect(component(
        &["cairn:filter/log@0.1.0", "wasi:io/error@0.2.6"],
        &["cairn:filter/hooks@0.1.3", "cairn:filter/ticker@0.1.3"],
        &module,
    ))
    .unwrap();
    assert_eq!(found.contract(), "cairn:filter/ticking-filter@0.1.3");
    assert_eq!(
        found.exports,
        ["cairn:filter/hooks@0.1.3", "cairn:filter/ticker@0.1.3"]
    );
    assert_eq!(
        found.memories,
        [LinearMemory {
            minimum: 17 << 16,
            maximum: Some(32 << 16)
        }]
    );
    assert_eq!((found.core_modules, found.core_instances), (1, 1));
    assert_eq!(found.config_schema.as_deref(), Some(SCHEMA));
    let producers: Vec<String> = found.producers.iter().map(ToString::to_string).collect();
    assert_eq!(producers, ["Rust", "rustc 1.95.0"]);
    assert_eq!(found.sha256.len(), 64);
}

#[test]
fn imports_say_what_they_need() {
    let names = [
        "cairn:filter/exchanges@0.1.0",
        "cairn:filter/shared@0.1.0",
        "cairn:filter/outbound@0.1.7",
        "wasi:cli/stdout@0.2.6",
        "wasi:cli/stdout@0.3.0",
        "wasi:http/types@0.2.6",
        "cairn:filter/log@0.2.0",
        "cairn:filter/weather@0.1.0",
        "acme:db/query",
    ];
    let needs: Vec<Need> = names.iter().map(|name| imports::need(name)).collect();
    assert_eq!(needs[0], Need::Given);
    assert_eq!(needs[1], Need::Grant { grant: Grant::Shared });
    assert_eq!(
        needs[2],
        Need::Grant {
            grant: Grant::Outbound
        }
    );
    assert_eq!(needs[3], Need::Inert);
    for (name, need) in names.iter().zip(&needs).skip(4) {
        assert!(matches!(need, Need::Unknown { .. }), "{name}: {need:?}");
    }
}

#[test]
fn what_is_no_filter_is_refused_in_words() {
    let good = component(&[], &["cairn:filter/hooks@0.1.0"], &memory(1, None)).finish();
    for (bytes, expected) in [
        (&b""[..], "is not WebAssembly"),
        (b"\x89PNG\r\n\x1a\n0000", "is not WebAssembly"),
        (b"\0asm\x01\0\0\0", "is a core module, not a component"),
        (
            b"\0asm\x0d\0\x01\0",
            "it is a component of another world, and exports nothing",
        ),
        (&good[..good.len() - 3], "is damaged or cut off"),
        (&good[..20], "is damaged or cut off"),
    ] {
        let error = Inspection::of(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let other = component(&[], &["wasi:http/incoming-handler@0.2.0"], &memory(1, None));
    let error = inspect(other).unwrap_err();
    assert!(
        error.contains("exports wasi:http/incoming-handler@0.2.0"),
        "{error}"
    );
    let later = component(&[], &["cairn:filter/hooks@0.2.0"], &memory(1, None));
    assert!(
        inspect(later)
            .unwrap_err()
            .contains("exports no `cairn:filter/hooks@0.1.0`")
    );
}

#[test]
fn nothing_is_kept_without_bound() {
    let many: Vec<String> = (0..1001).map(|number| format!("a:b/c{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let error = inspect(component(&many, &[], &memory(1, None))).unwrap_err();
    assert!(error.contains("more than 1000 imports"), "{error}");
    let long = "a".repeat(2000);
    let error = inspect(component(&[&long], &[], &memory(1, None))).unwrap_err();
    assert!(error.contains("more than 1000 bytes in the name"), "{error}");
    let mut module = memory(1, None);
    schema(&mut module, &vec![b' '; (1 << 20) + 1]);
    let error = inspect(component(&[], &["cairn:filter/hooks@0.1.0"], &module)).unwrap_err();
    assert!(error.contains("configuration schema"), "{error}");
    let mut module = memory(1, None);
    schema(&mut module, b"\xff");
    let error = inspect(component(&[], &["cairn:filter/hooks@0.1.0"], &module)).unwrap_err();
    assert!(error.contains("not UTF-8"), "{error}");
}

/// Whatever the bytes are, they are read to an end.
#[test]
fn any_change_of_a_byte_is_survived() {
    let mut module = memory(1, None);
    schema(&mut module, SCHEMA.as_bytes());
    let good = component(&["wasi:io/error@0.2.6"], &["cairn:filter/hooks@0.1.0"], &module).finish();
    let mut different = 0;
    for place in 8..good.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[place] = value;
            different += usize::from(Inspection::of(&bytes).is_err());
        }
    }
    assert!(different > good.len(), "{different} of {}", good.len());
}
