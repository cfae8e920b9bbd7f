//! One pass over the sections of a component and of what is nested in it.

use wasmparser::{
    BinaryReaderError, CustomSectionReader, Instance, KnownCustom, MemoryType, Parser, Payload,
};

use super::{CONFIG_SCHEMA, InspectError, LinearMemory, Producer};

/// Imports, or exports, that are kept.
const NAMES: usize = 1000;
/// Core modules with their memories, and core instances; interpreters of scripting languages have some dozens.
const CORES: usize = 1000;
/// Lines about producers.
const PRODUCERS: usize = 200;
/// Bytes of a schema.
const SCHEMA: usize = 1 << 20;
/// Bytes of one name.
const NAME: usize = 1000;
/// Bytes of a page, of which memories are made unless they say otherwise.
const PAGE: u64 = 64 << 10;

/// What there is in a component.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    pub(super) memories: Vec<LinearMemory>,
    pub(super) core_modules: usize,
    pub(super) core_instances: usize,
    pub(super) producers: Vec<Producer>,
    pub(super) config_schema: Option<String>,
}

pub(super) fn gather(bytes: &[u8]) -> Result<Gathered, InspectError> {
    let mut gathered = Gathered::default();
    let damaged = |error: BinaryReaderError| InspectError::Damaged {
        reason: error.message().to_owned(),
        offset: error.offset(),
        size: bytes.len(),
    };
    // Components and core modules that are open around the section at hand.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::ModuleSection { .. } => {
                depth += 1;
                gathered.core_modules += 1;
                bounded("core modules", gathered.core_modules, CORES)?;
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import.map_err(damaged)?.name.name;
                    keep(&mut gathered.imports, "imports", name)?;
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let name = export.map_err(damaged)?.name.name;
                    keep(&mut gathered.exports, "exports", name)?;
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    gathered.memories.push(linear(memory.map_err(damaged)?));
                    bounded("memories", gathered.memories.len(), CORES)?;
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    if let Instance::Instantiate { .. } = instance.map_err(damaged)? {
                        gathered.core_instances += 1;
                        bounded("core instances", gathered.core_instances, CORES)?;
                    }
                }
            }
            Payload::CustomSection(section) => gathered.custom(&section)?,
            _ => {}
        }
    }
    Ok(gathered)
}

impl Gathered {
    fn custom(&mut self, section: &CustomSectionReader<'_>) -> Result<(), InspectError> {
        if section.name() == CONFIG_SCHEMA {
            bounded("bytes of a configuration schema", section.data().len(), SCHEMA)?;
            let text = std::str::from_utf8(section.data()).map_err(|_| InspectError::Schema)?;
            self.config_schema = Some(text.to_owned());
        } else if let KnownCustom::Producers(fields) = section.as_known() {
            // What is wrong in a section that nothing depends on is no reason to say nothing of the rest.
            for field in fields.into_iter().map_while(Result::ok) {
                for value in field.values.into_iter().map_while(Result::ok) {
                    let producer = Producer {
                        field: field.name.to_owned(),
                        name: short(value.name),
                        version: short(value.version),
                    };
                    if !self.producers.contains(&producer) && self.producers.len() < PRODUCERS {
                        self.producers.push(producer);
                    }
                }
            }
        }
        Ok(())
    }
}

fn keep(names: &mut Vec<String>, what: &'static str, name: &str) -> Result<(), InspectError> {
    bounded("bytes in the name of an import or export", name.len(), NAME)?;
    bounded(what, names.len() + 1, NAMES)?;
    names.push(name.to_owned());
    Ok(())
}

fn bounded(what: &'static str, count: usize, limit: usize) -> Result<(), InspectError> {
    if count > limit {
        return Err(InspectError::TooMuch { what, limit });
    }
    Ok(())
}

fn linear(memory: MemoryType) -> LinearMemory {
    let page = memory
        .page_size_log2
        .map_or(PAGE, |log2| 1_u64.checked_shl(log2).unwrap_or(PAGE));
    LinearMemory {
        minimum: memory.initial.saturating_mul(page),
        maximum: memory.maximum.map(|pages| pages.saturating_mul(page)),
    }
}

fn short(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(100)
        .collect()
}
