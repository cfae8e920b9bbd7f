//! What a document that is no YAML was meant to be, judged by its lines.

use cairn_api::meta::{Kind, ObjectRef};

use crate::objects::is_policy;

/// An object that a document plainly speaks of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Salvaged {
    /// The object; the name is empty when it is not found.
    pub object: ObjectRef,
    /// Line of its `kind`.
    pub line: u32,
}

/// The objects that the lines of a document name. For policies a `kind` is enough, since missing one would leave open what it was to close;
/// other objects must name their `apiVersion` too.
pub(super) fn salvage(text: &str) -> Vec<Salvaged> {
    let lines: Vec<Line<'_>> = text
        .lines()
        .zip(1..)
        .filter_map(|(text, number)| Line::read(text, number))
        .collect();
    let found: Vec<Salvaged> = (0..lines.len())
        .filter_map(|index| object_at(&lines, index))
        .collect();
    if found.is_empty() {
        in_flow_style(text)
    } else {
        found
    }
}

/// `key: value` at a column; dashes and quotes are taken off.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    number: u32,
    column: usize,
    /// Whether it begins an item of a list.
    dash: bool,
    key: &'a str,
    value: &'a str,
}

impl<'a> Line<'a> {
    fn read(text: &'a str, number: u32) -> Option<Self> {
        let mut rest = text.trim_start();
        if rest.is_empty() || rest.starts_with('#') {
            return None;
        }
        let mut dash = false;
        while let Some(after) = rest
            .strip_prefix('-')
            .filter(|after| after.starts_with([' ', '\t']))
        {
            rest = after.trim_start();
            dash = true;
        }
        let (key, value) = rest.split_once(':').unwrap_or((rest, ""));
        let key = key.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '{' | ','));
        let value = value.split(" #").next().unwrap_or_default();
        let value = value.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ','));
        Some(Self {
            number,
            column: text.len() - rest.len(),
            dash,
            key,
            value,
        })
    }
}

fn object_at(lines: &[Line<'_>], index: usize) -> Option<Salvaged> {
    let line = lines.get(index)?;
    let kind = Kind::ALL
        .iter()
        .copied()
        .find(|kind| line.key == "kind" && line.value == kind.as_str())?;
    let before = lines.get(..index)?;
    let after = lines.get(index + 1..)?;
    // The object reaches as far as its lines are not indented less, and no other object of the same list begins.
    let level = |other: &&Line<'_>| other.column == line.column;
    let mut begun = line.dash;
    let before = before.iter().rev().take_while(|other| {
        let own = !begun && other.column >= line.column && !(level(other) && other.key == "kind");
        begun |= other.dash && level(other);
        own
    });
    let before: Vec<&Line<'_>> = before.collect();
    let begins_other = |other: &&Line<'_>| level(other) && (other.dash || other.key == "kind");
    let after = after
        .iter()
        .take_while(|other| other.column >= line.column && !begins_other(other));
    let after: Vec<&Line<'_>> = after.collect();

    let mut own = before.iter().chain(&after).copied().filter(level);
    let version = own.find(|other| other.key == "apiVersion");
    let known = version.is_some_and(|version| Kind::resolve(version.value, line.value) == Ok(kind));
    if !known && !is_policy(kind) {
        return None;
    }
    let is_metadata = |other: &&Line<'_>| level(other) && other.key == "metadata";
    let ahead = after
        .iter()
        .position(is_metadata)
        .map(|distance| index + 1 + distance);
    let behind = || {
        before
            .iter()
            .position(is_metadata)
            .map(|distance| index - 1 - distance)
    };
    let within = ahead
        .or_else(behind)
        .and_then(|metadata| lines.get(metadata..))
        .unwrap_or_default();
    let word = |key: &str| {
        let (first, rest) = within.split_first()?;
        let rest = rest.iter().take_while(|other| other.column > line.column);
        // A label may be called `name` too; the name itself is less indented.
        let nested = rest
            .filter(|other| other.key == key)
            .min_by_key(|other| other.column);
        let nested = nested
            .map(|other| word_in(other.value))
            .filter(|word| !word.is_empty());
        nested.or_else(|| words_after(first.value, key).first().copied())
    };
    let object = object(kind, word("namespace"), word("name"));
    let counts = is_policy(kind) || !object.name.is_empty();
    counts.then_some(Salvaged {
        object,
        line: line.number,
    })
}

/// Policies in flow style, whose lines do not tell which word belongs to which object: any may be in any of the namespaces.
fn in_flow_style(text: &str) -> Vec<Salvaged> {
    let text: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    let named = words_after(&text, "kind");
    let policies: Vec<Kind> = Kind::ALL
        .iter()
        .copied()
        .filter(|kind| is_policy(*kind) && named.contains(&kind.as_str()))
        .collect();
    let namespaces = words_after(&text, "namespace");
    let names = words_after(&text, "name");
    let name = if named.len() == 1 { names.first() } else { None };
    let in_namespaces = |kind: Kind| {
        let found = namespaces
            .iter()
            .map(move |namespace| object(kind, Some(namespace), name.copied()));
        found.chain(namespaces.is_empty().then(|| object(kind, None, name.copied())))
    };
    policies
        .into_iter()
        .flat_map(in_namespaces)
        .map(|object| Salvaged { object, line: 1 })
        .collect()
}

fn object(kind: Kind, namespace: Option<&str>, name: Option<&str>) -> ObjectRef {
    let namespace = if kind.is_cluster_scoped() {
        ""
    } else {
        namespace.unwrap_or("default")
    };
    ObjectRef::new(kind, namespace, name.unwrap_or_default())
}

/// The different words after `key:` or `"key":` in a text.
pub(super) fn words_after<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let word = |(start, _): (usize, &str)| {
        let before = text.get(..start)?.chars().next_back();
        if before.is_some_and(is_word) {
            return None;
        }
        let rest = text.get(start + key.len()..)?;
        let rest = rest
            .trim_start_matches(['"', '\''])
            .trim_start()
            .strip_prefix(':')?;
        let word = word_in(rest.trim_start().trim_start_matches(['"', '\'']));
        (!word.is_empty()).then_some(word)
    };
    let mut words = Vec::new();
    for word in text.match_indices(key).filter_map(word) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

fn word_in(text: &str) -> &str {
    text.split(|c: char| !is_word(c)).next().unwrap_or_default()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '.' | '_')
}

#[cfg(test)]
mod tests;
