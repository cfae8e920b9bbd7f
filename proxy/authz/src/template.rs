//! Path templates: `{*}` is one segment, `{**}` any number of them, in the form that Envoy's URI template matcher takes.

/// A path template.
///
/// Envoy lets a wildcard match only the characters that RFC 3986 allows in a segment, without `=` and `*`. So a path with an
/// odd character escapes a policy that denies. Here a template [matches](Template::matches) strictly, as Envoy does, where a match
/// lets a request pass, and with any character where a match refuses it.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    head: Box<[Segment]>,
    /// What follows the last wildcard: the ending of its segment or, after `{**}`, of the path.
    tail: Box<str>,
    /// Whether `{**}` follows the head.
    rest: bool,
}

#[derive(Debug, Clone)]
enum Segment {
    Literal(Box<str>),
    One,
}

/// Which characters a wildcard matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charset {
    /// Those that Envoy lets it match.
    Segment,
    /// Any.
    Any,
}

impl Charset {
    fn accepts(self, text: &str, slashes: bool) -> bool {
        self == Charset::Any
            || text
                .bytes()
                .all(|byte| is_literal(byte) || (slashes && byte == b'/'))
    }
}

impl Template {
    /// Whether Istio takes a path for a template.
    pub(crate) fn is_template(path: &str) -> bool {
        path.contains("{*}") || path.contains("{**}")
    }

    /// Reads a template; `None` where Istio or Envoy refuses it.
    pub(crate) fn parse(path: &str) -> Option<Template> {
        let mut head = vec![];
        let mut segments = path.strip_prefix('/')?.split('/');
        while let Some(segment) = segments.next() {
            if let Some(ending) = segment.strip_prefix("{**}") {
                let mut tail = String::from(ending);
                for literal in segments {
                    // An ending makes the wildcard the last segment, and only literals may follow `{**}`.
                    if !ending.is_empty() || !literal.bytes().all(is_literal) {
                        return None;
                    }
                    tail.push('/');
                    tail.push_str(literal);
                }
                return is_tail(&tail).then(|| Template::new(head, &tail, true));
            }
            if let Some(ending) = segment.strip_prefix("{*}") {
                head.push(Segment::One);
                if !ending.is_empty() {
                    let last = segments.next().is_none();
                    return (last && ending.bytes().all(is_literal))
                        .then(|| Template::new(head, ending, false));
                }
            } else if segment.is_empty() {
                // The path ends with a slash; anywhere else an empty segment is an error.
                if segments.next().is_some() {
                    return None;
                }
                head.push(Segment::Literal("".into()));
                break;
            } else if segment.bytes().all(is_literal) {
                head.push(Segment::Literal(segment.into()));
            } else {
                return None;
            }
        }
        Some(Template::new(head, "", false))
    }

    fn new(head: Vec<Segment>, tail: &str, rest: bool) -> Template {
        Template {
            head: head.into(),
            tail: tail.into(),
            rest,
        }
    }

    /// Whether the whole path fits, with wildcards that match `charset`.
    pub(crate) fn matches(&self, path: &str, charset: Charset) -> bool {
        let Some(mut remaining) = path.strip_prefix('/') else {
            return false;
        };
        let mut head = self.head.iter().peekable();
        while let Some(segment) = head.next() {
            let last = head.peek().is_none() && !self.rest;
            let text = match remaining.split_once('/') {
                Some((text, after)) if !last => {
                    remaining = after;
                    text
                }
                None if last => remaining,
                _ => return false,
            };
            let fits = match segment {
                Segment::Literal(literal) => text == &**literal,
                Segment::One => {
                    let text = if last {
                        text.strip_suffix(&*self.tail)
                    } else {
                        Some(text)
                    };
                    text.is_some_and(|text| !text.is_empty() && charset.accepts(text, false))
                }
            };
            if !fits {
                return false;
            }
        }
        !self.rest
            || remaining
                .strip_suffix(&*self.tail)
                .is_some_and(|text| charset.accepts(text, true))
    }

    /// What every matching path starts with.
    pub(crate) fn literal_prefix(&self) -> String {
        let mut prefix = String::from("/");
        let literals = self.head.iter().map_while(|segment| match segment {
            Segment::Literal(text) => Some(text),
            Segment::One => None,
        });
        let count = literals.clone().count();
        for (index, literal) in literals.enumerate() {
            prefix.push_str(literal);
            if index + 1 < count || count < self.head.len() || self.rest {
                prefix.push('/');
            }
        }
        prefix
    }
}

/// Literal text after `{**}`: no empty segment but the last.
fn is_tail(tail: &str) -> bool {
    let body = tail.strip_suffix('/').unwrap_or(tail);
    tail.bytes().all(|byte| is_literal(byte) || byte == b'/') && !body.contains("//") && !body.ends_with('/')
}

/// A character of RFC 3986's `pchar`, except for `*` and `=`.
fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@".contains(&byte)
}

#[cfg(test)]
mod tests;
