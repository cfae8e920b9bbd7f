//! Gives exchanges back in time, in components of componentize-qjs.
//!
//! A hook borrows its exchange, and a borrow is to be given back before the hook returns. componentize-qjs (up to 0.4.5)
//! gives it back afterwards, when the result is freed, which is an error of the canonical ABI: each hook would trap. The
//! interpreter's module that has the hooks is therefore changed in two places: what the interpreter calls to give back an
//! exchange does nothing, and each hook is wrapped in a function that calls it and then gives the exchange back. A version
//! that gives it back in time by itself comes to the same.

use std::collections::BTreeSet;
use std::convert::Infallible;

use anyhow::{Context as _, anyhow};
use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, utils};
use wasm_encoder::{CodeSection, Component, Elements, ExportSection, Function, FunctionSection, Instruction};
use wasm_encoder::{Module, ModuleSection, RawSection};
use wasmparser::{CompositeInnerType, ExternalKind, FuncType, Parser, Payload, TypeRef};

const EXCHANGES: &str = "cairn:filter/exchanges@";
const DROP: &str = "[resource-drop]exchange";
const HOOKS: &str = "cairn:filter/hooks@";
/// The one hook that has no exchange.
const CONFIGURE: &str = "#configure";

/// The component with its exchanges given back in time.
pub(super) fn returned(component: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut changed = Component::new();
    let mut modules = Modules { found: 0 };
    modules
        .parse_component(&mut changed, Parser::new(0), component)
        .map_err(|error| anyhow!("the component cannot be read: {error}"))?;
    if modules.found != 1 {
        return Err(anyhow!(
            "{} modules of the component have hooks, not one: this version of componentize-qjs is not known here",
            modules.found
        ));
    }
    let changed = changed.finish();
    wasmparser::validate(&changed).context("the component is broken")?;
    Ok(changed)
}

/// Copies a component, but for the module that has the hooks.
struct Modules {
    found: usize,
}

impl Reencode for Modules {
    type Error = Infallible;
}

impl ReencodeComponent for Modules {
    fn parse_component_submodule(
        &mut self,
        component: &mut Component,
        parser: Parser,
        module: &[u8],
    ) -> Result<(), Error<Infallible>> {
        let Some(mut wrapped) = Wrapped::find(module)? else {
            const CORE_MODULE: u8 = 1;
            component.section(&RawSection {
                id: CORE_MODULE,
                data: module,
            });
            return Ok(());
        };
        self.found += 1;
        let mut changed = Module::new();
        utils::parse_core_module(&mut wrapped, &mut changed, parser, module)?;
        component.section(&ModuleSection(&changed));
        Ok(())
    }
}

/// What is added to the module that has the hooks, behind its own functions: one that does nothing, and the wrappers.
struct Wrapped {
    /// The imported function that gives an exchange back.
    drop: u32,
    /// Its type, and so that of the function which does nothing.
    drop_type: u32,
    /// The index of the function which does nothing.
    nothing: u32,
    hooks: Vec<Hook>,
}

struct Hook {
    function: u32,
    type_index: u32,
    parameters: u32,
    wrapper: u32,
}

impl Wrapped {
    /// What is to be done to a module; nothing if it has no hooks.
    fn find(module: &[u8]) -> Result<Option<Wrapped>, wasmparser::Error> {
        let mut types: Vec<Option<FuncType>> = Vec::new();
        // Type by function.
        let mut functions: Vec<u32> = Vec::new();
        let mut drop = None;
        let mut hooks = BTreeSet::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        types.extend(group?.into_types().map(|ty| match ty.composite_type.inner {
                            CompositeInnerType::Func(function) => Some(function),
                            _ => None,
                        }));
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        let TypeRef::Func(type_index) = import.ty else {
                            continue;
                        };
                        if import.module.starts_with(EXCHANGES) && import.name == DROP {
                            drop = u32::try_from(functions.len()).ok().zip(Some(type_index));
                        }
                        functions.push(type_index);
                    }
                }
                Payload::FunctionSection(section) => {
                    for type_index in section {
                        functions.push(type_index?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        let is_hook = export.kind == ExternalKind::Func && export.name.starts_with(HOOKS);
                        if is_hook && !export.name.ends_with(CONFIGURE) {
                            hooks.insert(export.index);
                        }
                    }
                }
                _ => {}
            }
        }
        let (Some((drop, drop_type)), false) = (drop, hooks.is_empty()) else {
            return Ok(None);
        };
        let nothing = u32::try_from(functions.len()).unwrap_or(u32::MAX);
        let hooks = hooks.into_iter().zip(nothing.saturating_add(1)..);
        let hook = |(function, wrapper): (u32, u32)| {
            let type_index = *functions.get(function as usize)?;
            let ty = types.get(type_index as usize)?.as_ref()?;
            Some(Hook {
                function,
                type_index,
                parameters: u32::try_from(ty.params().len()).ok()?,
                wrapper,
            })
        };
        Ok(Some(Wrapped {
            drop,
            drop_type,
            nothing,
            hooks: hooks.filter_map(hook).collect(),
        }))
    }
}

impl Reencode for Wrapped {
    type Error = Infallible;

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.drop_type);
        for hook in &self.hooks {
            functions.function(hook.type_index);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        utils::parse_code_section(self, code, section)?;
        let mut nothing = Function::new([]);
        nothing.instruction(&Instruction::End);
        code.function(&nothing);
        for hook in &self.hooks {
            let mut wrapper = Function::new([]);
            for parameter in 0..hook.parameters {
                wrapper.instruction(&Instruction::LocalGet(parameter));
            }
            wrapper
                .instruction(&Instruction::Call(hook.function))
                // The exchange is the first parameter. What the hook returns stays on the stack.
                .instruction(&Instruction::LocalGet(0))
                .instruction(&Instruction::Call(self.drop))
                .instruction(&Instruction::End);
            code.function(&wrapper);
        }
        Ok(())
    }

    fn parse_export(
        &mut self,
        exports: &mut ExportSection,
        mut export: wasmparser::Export<'_>,
    ) -> Result<(), Error<Infallible>> {
        let hook = self.hooks.iter().find(|hook| hook.function == export.index);
        if let Some(hook) = hook.filter(|_| export.kind == ExternalKind::Func) {
            export.index = hook.wrapper;
        }
        utils::parse_export(self, exports, export)
    }

    fn element_items<'a>(
        &mut self,
        items: wasmparser::ElementItems<'a>,
    ) -> Result<Elements<'a>, Error<Infallible>> {
        let elements = utils::element_items(self, items)?;
        let Elements::Functions(functions) = elements else {
            return Ok(elements);
        };
        let instead = |function: &u32| {
            if *function == self.drop {
                self.nothing
            } else {
                *function
            }
        };
        Ok(Elements::Functions(functions.iter().map(instead).collect()))
    }
}
