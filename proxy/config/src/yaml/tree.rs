//! Parser events to a tree of located nodes.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet};

use serde_saphyr::granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, ScanError, Tag};

use crate::path::{Step, push_key, render};
use crate::yaml::node::{Entry, Extent, Node, Value};
use crate::yaml::scalar;

/// Nodes of one document, counted after aliases are expanded.
const MAX_NODES: usize = 1_000_000;
/// Bytes of text of one document, keys included, counted after aliases are expanded: one node may be as large as the whole file.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Depth of one document, counted after aliases are expanded: trees are walked by recursion.
const MAX_DEPTH: usize = 100;

/// Something that makes a document invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub line: u32,
    pub field: String,
    pub message: String,
    pub hint: String,
}

/// A document that could be read, perhaps with faults that leave its shape clear, such as a key that is written twice.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Absent when the document is empty.
    pub root: Option<Node>,
    pub faults: Vec<Fault>,
}

/// Reads one document.
///
/// # Errors
///
/// What keeps the document from being read at all.
pub(crate) fn parse(text: &str) -> Result<Tree, Fault> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| unreadable(&error, text))?;
        let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX);
        builder.accept(event, line)?;
    }
    Ok(Tree {
        root: builder.root,
        faults: builder.faults,
    })
}

/// A collection that has begun and not ended.
struct Open {
    line: u32,
    anchor: usize,
    contents: Contents,
}

enum Contents {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        key: Option<(String, u32)>,
        merged: Vec<Node>,
    },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    size: Size,
    root: Option<Node>,
    faults: Vec<Fault>,
}

/// What has been made of the document so far, aliases expanded.
#[derive(Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, extent: Extent, line: u32) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(extent.nodes);
        self.bytes = self.bytes.saturating_add(extent.bytes);
        if self.nodes > MAX_NODES {
            return Err(too_large(line, &format!("{MAX_NODES} values")));
        }
        if self.bytes > MAX_BYTES {
            return Err(too_large(
                line,
                &format!("{} MiB of text", MAX_BYTES / (1024 * 1024)),
            ));
        }
        Ok(())
    }

    /// Adds text that is kept besides the values: keys, and the paths of faults.
    fn add_text(&mut self, text: &str, line: u32) -> Result<(), Fault> {
        let extent = Extent {
            nodes: 0,
            bytes: text.len(),
            depth: 0,
        };
        self.add(extent, line)
    }
}

impl Builder {
    fn accept(&mut self, event: Event<'_>, line: u32) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, anchor, tag.as_deref(), line)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(line, anchor, Contents::Sequence(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.begin(
                line,
                anchor,
                Contents::Mapping {
                    entries: Vec::new(),
                    key: None,
                    merged: Vec::new(),
                },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, line),
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        line: u32,
    ) -> Result<(), Fault> {
        if let Some(Open {
            contents: Contents::Mapping { key: key @ None, .. },
            ..
        }) = self.open.last_mut()
        {
            *key = Some((text.to_owned(), line));
            return self.size.add_text(text, line);
        }
        let plain = match tag.and_then(Tag::core_suffix) {
            Some("str") => false,
            Some(_) => true,
            None => style == ScalarStyle::Plain && tag.is_none(),
        };
        let value = if plain {
            scalar::resolve(text)
        } else {
            Value::String(text.to_owned())
        };
        self.place(Node { line, value }, anchor)
    }

    fn begin(&mut self, line: u32, anchor: usize, contents: Contents) -> Result<(), Fault> {
        self.refuse_as_key(line)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(line));
        }
        self.open.push(Open {
            line,
            anchor,
            contents,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(Open {
            line,
            anchor,
            contents,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let value = match contents {
            Contents::Sequence(items) => Value::Sequence(items),
            Contents::Mapping {
                mut entries, merged, ..
            } => {
                self.drop_repeated(&mut entries)?;
                self.merge(&mut entries, merged)?;
                Value::Mapping(entries)
            }
        };
        self.place(Node { line, value }, anchor)
    }

    fn alias(&mut self, anchor: usize, line: u32) -> Result<(), Fault> {
        self.refuse_as_key(line)?;
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(Fault::new(
                line,
                "an alias stands inside the value that it stands for",
                "write the value out",
            ));
        };
        let extent = target.extent();
        if self.open.len() + extent.depth > MAX_DEPTH {
            return Err(too_deep(line));
        }
        // Before the copy is made, which is what could be too large.
        self.size.add(extent, line)?;
        let target = Node {
            line,
            ..target.clone()
        };
        self.put(target);
        Ok(())
    }

    /// Puts a finished node where it belongs: in the innermost open collection, or as the root.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        // What it is made of has been counted already.
        let own = Extent {
            nodes: 1,
            bytes: node.own_bytes(),
            depth: 0,
        };
        self.size.add(own, node.line)?;
        if anchor != 0 {
            // The copy counts too: nested anchors copy the same nodes again and again.
            self.size.add(node.extent(), node.line)?;
            self.anchors.insert(anchor, node.clone());
        }
        self.put(node);
        Ok(())
    }

    fn put(&mut self, node: Node) {
        match self.open.last_mut().map(|open| &mut open.contents) {
            Some(Contents::Sequence(items)) => items.push(node),
            Some(Contents::Mapping { entries, key, merged }) => match key.take() {
                Some((key, _)) if key == "<<" => merged.push(node),
                Some((key, line)) => entries.push(Entry {
                    key,
                    line,
                    value: node,
                }),
                None => {}
            },
            None => self.root = Some(node),
        }
    }

    fn refuse_as_key(&self, line: u32) -> Result<(), Fault> {
        match self.open.last() {
            Some(Open {
                contents: Contents::Mapping { key: None, .. },
                ..
            }) => Err(Fault::new(
                line,
                "a key must be plain text",
                "quote text that begins with `{`, `[` or `*`; a template with `{{ }}` must be rendered first",
            )),
            _ => Ok(()),
        }
    }

    /// Keeps the first of entries with the same key, and reports the others.
    fn drop_repeated(&mut self, entries: &mut Vec<Entry>) -> Result<(), Fault> {
        let repeated = repeated(entries);
        if repeated.is_empty() {
            return Ok(());
        }
        let mut others = repeated.iter().peekable();
        let path = self.path();
        for (index, entry) in std::mem::take(entries).into_iter().enumerate() {
            let Some((_, earlier)) = others.next_if(|(other, _)| *other == index) else {
                entries.push(entry);
                continue;
            };
            let distance = entry.line.saturating_sub(*earlier);
            let lines = if distance == 1 {
                "1 line".to_owned()
            } else {
                format!("{distance} lines")
            };
            let mut field = path.clone();
            push_key(&mut field, &entry.key);
            self.size.add_text(&field, entry.line)?;
            self.faults.push(Fault {
                line: entry.line,
                field,
                message: "is written twice".to_owned(),
                hint: format!("keep one of the two; the other is {lines} above"),
            });
        }
        Ok(())
    }

    /// Adds what `<<` brings in; what the mapping itself says wins.
    fn merge(&mut self, entries: &mut Vec<Entry>, merged: Vec<Node>) -> Result<(), Fault> {
        if merged.is_empty() {
            return Ok(());
        }
        let mut known: HashSet<String> = entries.iter().map(|entry| entry.key.clone()).collect();
        for source in merged {
            let line = source.line;
            let parts = match source.value {
                Value::Sequence(items) => items,
                _ => vec![source],
            };
            for part in parts {
                if let Value::Mapping(additions) = part.value {
                    entries.extend(
                        additions
                            .into_iter()
                            .filter(|addition| known.insert(addition.key.clone())),
                    );
                } else {
                    let mut field = self.path();
                    push_key(&mut field, "<<");
                    self.size.add_text(&field, line)?;
                    self.faults.push(Fault {
                        line,
                        field,
                        message: "does not bring in a mapping".to_owned(),
                        hint: "write the alias of a mapping, `<<: *name`".to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Path of the collection that has just ended.
    fn path(&self) -> String {
        let step = |open: &Open| match &open.contents {
            Contents::Sequence(items) => Some(Step::Index(items.len())),
            Contents::Mapping { key, .. } => key.as_ref().map(|(key, _)| Step::Key(key.clone())),
        };
        let path: Vec<Step> = self.open.iter().filter_map(step).collect();
        render(&path)
    }
}

/// Indices of entries whose key has been seen before, in their order, each with the line of the first.
fn repeated(entries: &[Entry]) -> Vec<(usize, u32)> {
    let mut seen: HashMap<&str, u32> = HashMap::with_capacity(entries.len());
    let mut found = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match seen.entry(&entry.key) {
            MapEntry::Occupied(first) => found.push((index, *first.get())),
            MapEntry::Vacant(place) => {
                place.insert(entry.line);
            }
        }
    }
    found
}

impl Fault {
    pub(crate) fn new(line: u32, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            line,
            field: String::new(),
            message: message.into(),
            hint: hint.into(),
        }
    }
}

fn too_deep(line: u32) -> Fault {
    Fault::new(
        line,
        format!("is nested more than {MAX_DEPTH} levels deep"),
        "flatten it",
    )
}

fn too_large(line: u32, limit: &str) -> Fault {
    Fault::new(
        line,
        format!("has more than {limit}"),
        "split it into several documents",
    )
}

fn unreadable(error: &ScanError, text: &str) -> Fault {
    // What is missing is missed at the end of the text, on a line that belongs to the next document.
    let line = error.marker().line().min(text.trim_end().lines().count());
    let line = u32::try_from(line).unwrap_or(u32::MAX);
    let hint = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => "indent with spaces, not with tabs",
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => "close the quote",
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::MisplacedFlowCollectionEnd
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => "check the brackets and commas",
        ErrorKind::UnexpectedCharacter { .. } => "put text that begins with this character in quotes",
        ErrorKind::UnknownAnchor => {
            "define the anchor (`&name`) above its alias (`*name`), or quote the text"
        }
        ErrorKind::MappingValueNotAllowed => "check the indentation; text that contains `: ` needs quotes",
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            "write `key: value`; check for a missing colon"
        }
        _ => "check the indentation and the quotes of this line and of the one above",
    };
    Fault::new(line, format!("cannot be read as YAML: {}", error.info()), hint)
}
