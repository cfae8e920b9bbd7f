//! Cuts a file into its documents before any of them is parsed, so that a broken one does not hide the others.

/// One document of a file, with its `---` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    /// Line of the file on which it begins, from 1.
    pub line: usize,
    /// Its bytes; not checked to be UTF-8.
    pub bytes: &'a [u8],
}

/// The documents of a file. Parts that hold nothing but blanks and comments are left out.
///
/// A line that begins with `---` or `...` separates documents wherever it stands, also within quotes and block scalars: YAML forbids
/// such lines inside of content (YAML 1.2.2, 9.1.2), which is what makes cutting by lines safe.
pub(crate) fn split(bytes: &[u8]) -> Vec<Chunk<'_>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut chunks = Vec::new();
    let (mut start, mut first_line, mut content) = (0, 1, Content::Nothing);
    let mut offset = 0;
    for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let mut cut = |end: usize, next_line: usize, content: Content| {
            if content == Content::Something {
                chunks.extend(bytes.get(start..end).map(|bytes| Chunk {
                    line: first_line,
                    bytes,
                }));
            }
            (start, first_line) = (end, next_line);
        };
        if is_marker(line, b"---") {
            if content != Content::Nothing {
                cut(offset, index + 1, content);
            }
            content = if is_blank(line.get(3..).unwrap_or_default()) {
                Content::Marker
            } else {
                Content::Something
            };
        } else if is_marker(line, b"...") {
            cut(offset + line.len(), index + 2, content);
            content = Content::Nothing;
        } else if content == Content::Nothing && line.starts_with(b"%") {
            // A directive: the marker of its document is still to come.
        } else if !is_blank(line) {
            content = Content::Something;
        }
        offset += line.len();
    }
    if content == Content::Something {
        chunks.extend(bytes.get(start..).map(|bytes| Chunk {
            line: first_line,
            bytes,
        }));
    }
    chunks
}

/// What the current document has shown so far. Comments and directives before a `---` belong to the document that it begins.
#[derive(Clone, Copy, PartialEq)]
enum Content {
    Nothing,
    Marker,
    Something,
}

fn is_marker(line: &[u8], marker: &[u8]) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}

fn is_blank(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.is_empty() || line.starts_with(b"#")
}
