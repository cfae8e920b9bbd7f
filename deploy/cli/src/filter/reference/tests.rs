use wit_parser::{Docs, TypeDefKind};

use super::*;

/// Everything of a package that has no words.
fn wordless(text: &str) -> Vec<String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", text).unwrap();
    let package = &resolve.packages[package];
    let mut found = Vec::new();
    let mut check = |docs: &Docs, name: String| {
        if docs.contents.as_deref().unwrap_or_default().trim().is_empty() {
            found.push(name);
        }
    };
    check(&package.docs, package.name.to_string());
    for (name, world) in &package.worlds {
        check(&resolve.worlds[*world].docs, name.clone());
    }
    for (interface, id) in &package.interfaces {
        let interface_ = &resolve.interfaces[*id];
        check(&interface_.docs, interface.clone());
        for (name, function) in &interface_.functions {
            check(&function.docs, format!("{interface}.{name}"));
        }
        for (name, id) in &interface_.types {
            if written::origin(&resolve, *id) != *id {
                continue;
            }
            let definition = &resolve.types[*id];
            let place = format!("{interface}.{name}");
            check(&definition.docs, place.clone());
            match &definition.kind {
                TypeDefKind::Record(record) => {
                    for field in &record.fields {
                        check(&field.docs, format!("{place}.{}", field.name));
                    }
                }
                TypeDefKind::Variant(variant) => {
                    for case in &variant.cases {
                        check(&case.docs, format!("{place}.{}", case.name));
                    }
                }
                TypeDefKind::Enum(cases) => {
                    for case in &cases.cases {
                        check(&case.docs, format!("{place}.{}", case.name));
                    }
                }
                TypeDefKind::Flags(flags) => {
                    for flag in &flags.flags {
                        check(&flag.docs, format!("{place}.{}", flag.name));
                    }
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn everything_in_the_contract_has_words() {
    assert_eq!(wordless(CONTRACT), Vec::<String>::new());
}

#[test]
fn what_has_no_words_is_found() {
    let text = "/// P.
package a:b@1.0.0;
/// I.
interface i {
  record r { a: u8 }
  /// E.
  enum e { one }
  f: func();
}
world w { export i; }";
    assert_eq!(wordless(text), ["w", "i.f", "i.r", "i.r.a", "i.e.one"]);
}

#[test]
fn every_link_leads_somewhere() {
    let (resolve, package) = contract().unwrap();
    let page = render::page(&resolve, package);
    let headings = page.lines().filter_map(|line| line.strip_prefix('#'));
    let headings: Vec<String> = headings
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .replace(' ', "-")
        })
        .collect();
    let mut links = 0;
    for (place, _) in page.match_indices("](#") {
        let target = page[place + 3..].split(')').next().unwrap();
        let there =
            page.contains(&format!("<a id=\"{target}\">")) || headings.iter().any(|one| one == target);
        assert!(there, "{target}");
        links += 1;
    }
    assert!(links > 100, "{links}");
    for name in [
        "on-request-head",
        "http-all",
        "ticking-filter",
        "release",
        "set-state",
    ] {
        assert!(page.contains(name), "{name}");
    }
}
