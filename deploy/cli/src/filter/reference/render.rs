//! A package of WIT as a page of Markdown.

use wit_parser::{
    Docs, Function, FunctionKind, Interface, InterfaceId, PackageId, Resolve, Type, TypeDef, TypeDefKind,
    TypeId, TypeOwner, World, WorldItem,
};

use super::written::{made_of, mentioned, named, origin, signature};

/// How to read what follows, for whoever has never seen WIT.
const NOTATION: &str = "\
| written | meaning |
|---|---|
| `bool`, `u16`, `u32`, `u64`, `s64`, `f64` | true or false; whole numbers without and with a sign; a number |
| `string`, `list<u8>` | text; bytes |
| `list<T>`, `tuple<A, B>` | any number of T; an A and a B |
| `option<T>` | a T or nothing |
| `result<T, E>` | a T, or an E that says why there is none |
| record | several values, each with a name |
| variant, enum | one of several cases; that of a variant may carry a value |
| resource, `borrow<T>` | something that the waypoint keeps and the filter calls; it is lent for one call |

In a language other than Rust, a binding generator makes types and functions of these of its own, under the same names.
";

/// The page.
pub(super) fn page(resolve: &Resolve, package: PackageId) -> String {
    let Some(package) = resolve.packages.get(package) else {
        return String::new();
    };
    let worlds: Vec<&World> = package
        .worlds
        .values()
        .filter_map(|world| resolve.worlds.get(*world))
        .collect();
    let interfaces = in_reading_order(&worlds, package.interfaces.values().copied());
    let mut page = Page {
        resolve,
        text: String::new(),
    };
    page.line("<!-- Made by `cairn filter reference`. Change the WIT and make it again. -->");
    page.line(&format!("# The contract `{}`", package.name));
    page.docs(&package.docs);
    page.line("## Contents");
    for id in &interfaces {
        page.entry(*id);
    }
    let names: Vec<String> = worlds
        .iter()
        .map(|world| format!("[{}](#{0})", world.name))
        .collect();
    page.item(&format!("[Worlds](#worlds): {}", names.join(", ")));
    page.item("[How to read this page](#how-to-read-this-page)");
    page.blank();
    for id in interfaces {
        page.interface(id, &worlds);
    }
    page.line("## Worlds");
    for world in worlds {
        page.world(world);
    }
    page.line("## How to read this page");
    page.line(NOTATION.trim_end());
    page.text
}

/// What filters export comes first: it is what their authors write.
fn in_reading_order(worlds: &[&World], all: impl Iterator<Item = InterfaceId>) -> Vec<InterfaceId> {
    let mut order: Vec<InterfaceId> = Vec::new();
    let exported = worlds.iter().flat_map(|world| world.exports.values());
    let exported = exported.filter_map(|item| match item {
        WorldItem::Interface { id, .. } => Some(*id),
        _ => None,
    });
    for id in exported.collect::<Vec<_>>().into_iter().chain(all) {
        if !order.contains(&id) {
            order.push(id);
        }
    }
    order
}

struct Page<'a> {
    resolve: &'a Resolve,
    text: String,
}

impl Page<'_> {
    /// A paragraph, or a heading.
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push_str("\n\n");
    }

    fn item(&mut self, text: &str) {
        self.text.push_str("* ");
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn docs(&mut self, docs: &Docs) {
        if let Some(contents) = &docs.contents {
            self.line(contents.trim());
        }
    }

    /// An interface in the table of contents, with what is in it.
    fn entry(&mut self, id: InterfaceId) {
        let Some(interface) = self.resolve.interfaces.get(id) else {
            return;
        };
        let name = interface.name.as_deref().unwrap_or_default();
        let types = interface
            .types
            .iter()
            .filter(|(_, id)| origin(self.resolve, **id) == **id)
            .map(|(name, _)| name.as_str());
        let functions = interface
            .functions
            .values()
            .filter(|function| function.kind.resource().is_none())
            .map(|function| function.name.as_str());
        let items: Vec<String> = functions
            .chain(types)
            .map(|item| format!("[{item}](#{name}.{item})"))
            .collect();
        self.item(&format!("[{name}](#{name}): {}", items.join(", ")));
    }

    fn interface(&mut self, id: InterfaceId, worlds: &[&World]) {
        let Some(interface) = self.resolve.interfaces.get(id) else {
            return;
        };
        let name = interface.name.as_deref().unwrap_or_default();
        self.line(&format!("## {name}"));
        self.docs(&interface.docs);
        let is = |item: &WorldItem| matches!(item, WorldItem::Interface { id: found, .. } if *found == id);
        if worlds.iter().any(|world| world.exports.values().any(is)) {
            self.line("The filter has these functions; the waypoint calls them.");
        } else if !interface.functions.is_empty() {
            self.line("The waypoint has these functions; the filter calls them.");
        }
        for function in interface.functions.values() {
            if function.kind.resource().is_none() {
                self.function("###", name, function);
            }
        }
        for (item, id) in &interface.types {
            if origin(self.resolve, *id) == *id {
                self.definition(name, item, *id, interface);
            }
        }
    }

    fn function(&mut self, level: &str, place: &str, function: &Function) {
        let name = function.item_name();
        self.line(&format!("{level} <a id=\"{place}.{name}\"></a>{name}"));
        self.line(&format!("```wit\n{};\n```", signature(self.resolve, function)));
        self.docs(&function.docs);
        let mut types = Vec::new();
        let is_method = matches!(
            function.kind,
            FunctionKind::Method(_) | FunctionKind::AsyncMethod(_)
        );
        let parameters = function.params.iter().skip(usize::from(is_method));
        for of in parameters.map(|parameter| &parameter.ty).chain(&function.result) {
            mentioned(self.resolve, of, &mut types);
        }
        self.see(&types);
    }

    /// Links to types.
    fn see(&mut self, types: &[TypeId]) {
        let links: Vec<String> = types.iter().filter_map(|id| self.link(*id)).collect();
        if !links.is_empty() {
            self.line(&format!("See {}.", links.join(", ")));
        }
    }

    fn link(&self, id: TypeId) -> Option<String> {
        let definition = self.resolve.types.get(id)?;
        let TypeOwner::Interface(owner) = definition.owner else {
            return None;
        };
        let owner = self.resolve.interfaces.get(owner)?.name.as_deref()?;
        let name = definition.name.as_deref()?;
        Some(format!("[{name}](#{owner}.{name})"))
    }

    /// The links to the types that one type names.
    fn types(&self, of: &Type) -> String {
        let mut types = Vec::new();
        mentioned(self.resolve, of, &mut types);
        let links: Vec<String> = types.into_iter().filter_map(|id| self.link(id)).collect();
        if links.is_empty() {
            String::new()
        } else {
            format!(" ({})", links.join(", "))
        }
    }

    fn definition(&mut self, place: &str, name: &str, id: TypeId, interface: &Interface) {
        let Some(definition) = self.resolve.types.get(id) else {
            return;
        };
        let kind = match &definition.kind {
            TypeDefKind::Record(_) => "record ",
            TypeDefKind::Variant(_) => "variant ",
            TypeDefKind::Enum(_) => "enum ",
            TypeDefKind::Flags(_) => "flags ",
            TypeDefKind::Resource => "resource ",
            _ => "",
        };
        self.line(&format!("### <a id=\"{place}.{name}\"></a>{kind}{name}"));
        self.docs(&definition.docs);
        self.members(definition);
        for function in interface.functions.values() {
            if function.kind.resource() == Some(id) {
                self.function("####", &format!("{place}.{name}"), function);
            }
        }
    }

    fn members(&mut self, definition: &TypeDef) {
        let rows: Vec<[String; 3]> = match &definition.kind {
            TypeDefKind::Record(record) => record
                .fields
                .iter()
                .map(|field| row(&field.name, self.value(Some(&field.ty)), &field.docs))
                .collect(),
            TypeDefKind::Variant(variant) => variant
                .cases
                .iter()
                .map(|case| row(&case.name, self.value(case.ty.as_ref()), &case.docs))
                .collect(),
            TypeDefKind::Enum(cases) => cases
                .cases
                .iter()
                .map(|case| row(&case.name, String::new(), &case.docs))
                .collect(),
            TypeDefKind::Flags(flags) => flags
                .flags
                .iter()
                .map(|flag| row(&flag.name, String::new(), &flag.docs))
                .collect(),
            TypeDefKind::Resource => return,
            other => {
                self.line(&format!("```wit\n{}\n```", made_of(self.resolve, other)));
                return;
            }
        };
        let has_values = rows.iter().any(|[_, value, _]| !value.is_empty());
        let (title, rule) = if has_values {
            ("| | | |", "|---|---|---|")
        } else {
            ("| | |", "|---|---|")
        };
        self.text.push_str(&format!("{title}\n{rule}\n"));
        for [name, value, docs] in rows {
            let line = if has_values {
                format!("| {name} | {value} | {docs} |\n")
            } else {
                format!("| {name} | {docs} |\n")
            };
            self.text.push_str(&line);
        }
        self.blank();
    }

    /// A type in a cell.
    fn value(&self, of: Option<&Type>) -> String {
        of.map_or_else(String::new, |of| {
            format!("`{}`{}", named(self.resolve, of), self.types(of))
        })
    }

    fn world(&mut self, world: &World) {
        self.line(&format!("### {}", world.name));
        self.docs(&world.docs);
        let names = |items: &mut dyn Iterator<Item = &WorldItem>| -> Vec<String> {
            items
                .filter_map(|item| match item {
                    WorldItem::Interface { id, .. } => self.resolve.interfaces.get(*id)?.name.clone(),
                    _ => None,
                })
                .map(|name| format!("[{name}](#{name})"))
                .collect()
        };
        let exports = names(&mut world.exports.values());
        let imports = names(&mut world.imports.values());
        self.item(&format!("exports {}", exports.join(", ")));
        self.item(&format!("imports {}", imports.join(", ")));
        self.blank();
    }
}

fn row(name: &str, value: String, docs: &Docs) -> [String; 3] {
    [format!("`{name}`"), value, cell(docs)]
}

/// Docs in one line.
fn cell(docs: &Docs) -> String {
    let text = docs.contents.as_deref().unwrap_or_default().trim();
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        words.join(" ").replace('|', "\\|")
    });
    paragraphs.collect::<Vec<_>>().join("<br>")
}
