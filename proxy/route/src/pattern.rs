//! Regular expressions as Istio's users write them: RE2, matched against the whole text.

use std::fmt;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ast::{self, AssertionKind, Ast, ClassPerlKind, ClassSetItem, Span};
use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::Extractor;

/// The compiled size in bytes beyond which an expression is refused.
const SIZE_LIMIT: usize = 1 << 20;
/// How deep groups may nest: parsing recurses.
const NEST_LIMIT: u32 = 100;
/// Expressions that can begin in more ways than this are not worth a place per beginning in an index.
const LITERAL_LIMIT: usize = 16;

/// Why an expression was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It is not a regular expression of RE2's language.
    #[error("{reason} at character {position}")]
    Syntax {
        /// What is wrong.
        reason: String,
        /// Where, counted in characters from 1.
        position: usize,
    },
    /// It is one, but its automaton would be too large to match in bounded time and memory.
    #[error("it compiles to more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

/// A compiled expression.
///
/// The language is RE2's as Envoy uses it: `\d`, `\w`, `\s` and `\b` know ASCII only, matching takes
/// time linear in the text, and there are neither look-arounds nor back-references.
#[derive(Clone)]
pub struct Pattern {
    source: Arc<str>,
    whole: Regex,
}

/// A text that every match of an expression begins with, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) bytes: Box<[u8]>,
    /// The match is this text and nothing more.
    pub(crate) complete: bool,
}

impl Pattern {
    /// Compiles `source`.
    ///
    /// # Errors
    /// When it is not an expression of the language, or when it is too large.
    pub fn new(source: &str) -> Result<Pattern, PatternError> {
        let ascii = with_ascii_classes(source)?;
        Ok(Pattern {
            source: source.into(),
            whole: compile(&format!("^(?:{ascii})$"))?,
        })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the expression matches the whole of `text`.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.whole.is_match(text)
    }

    /// Whether it matches every text without a line feed, as `.*` does.
    pub(crate) fn is_anything(&self) -> bool {
        matches!(self.as_str(), ".*" | "^.*$" | "^.*" | ".*$")
    }

    /// The texts that matches begin with: each match begins with at least one of them. `None` when
    /// nothing useful is known.
    pub(crate) fn literals(&self) -> Option<Vec<Literal>> {
        let hir = hir(&with_ascii_classes(&self.source).ok()?).ok()?;
        let mut extractor = Extractor::new();
        extractor.limit_total(LITERAL_LIMIT);
        let sequence = extractor.extract(&hir);
        let literals = sequence.literals()?;
        let known = literals
            .iter()
            .all(|literal| literal.is_exact() || !literal.is_empty());
        known.then(|| {
            literals
                .iter()
                .map(|literal| Literal {
                    bytes: literal.as_bytes().into(),
                    complete: literal.is_exact(),
                })
                .collect()
        })
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

/// An expression that is searched for, not matched as a whole: what a substitution replaces.
pub(crate) fn searched(source: &str) -> Result<Regex, PatternError> {
    compile(&with_ascii_classes(source)?)
}

fn compile(source: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(source)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(SIZE_LIMIT)
        .nest_limit(NEST_LIMIT)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => PatternError::TooLarge { limit },
            // What remains after `with_ascii_classes` is what the parser accepts but no automaton can express.
            other => PatternError::Syntax {
                reason: last_line(&other.to_string()),
                position: 1,
            },
        })
}

fn hir(source: &str) -> Result<Hir, PatternError> {
    let parsed = regex_syntax::ParserBuilder::new()
        .utf8(false)
        .nest_limit(NEST_LIMIT)
        .build()
        .parse(source);
    parsed.map_err(|error| match error {
        regex_syntax::Error::Parse(error) => syntax(error.kind(), error.span(), source),
        regex_syntax::Error::Translate(error) => syntax(error.kind(), error.span(), source),
        other => PatternError::Syntax {
            reason: last_line(&other.to_string()),
            position: 1,
        },
    })
}

/// `source` with Perl's classes and word boundaries spelled out in ASCII, as RE2 understands them.
fn with_ascii_classes(source: &str) -> Result<String, PatternError> {
    hir(source)?;
    let parsed = ast::parse::ParserBuilder::new()
        .nest_limit(NEST_LIMIT)
        .build()
        .parse(source);
    let tree = parsed.map_err(|error| syntax(error.kind(), error.span(), source))?;
    let Ok(classes) = ast::visit(&tree, PerlClasses::default());
    let mut ascii = String::with_capacity(source.len());
    let mut copied = 0;
    for (span, replacement) in classes {
        ascii.push_str(source.get(copied..span.start.offset).unwrap_or_default());
        ascii.push_str(replacement);
        copied = span.end.offset;
    }
    ascii.push_str(source.get(copied..).unwrap_or_default());
    Ok(ascii)
}

fn syntax(kind: &impl fmt::Display, span: &Span, source: &str) -> PatternError {
    let before = source.get(..span.start.offset).unwrap_or_default();
    PatternError::Syntax {
        reason: kind.to_string(),
        position: before.chars().count() + 1,
    }
}

fn last_line(message: &str) -> String {
    message
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned()
}

#[derive(Default)]
struct PerlClasses(Vec<(Span, &'static str)>);

impl PerlClasses {
    fn class(&mut self, class: &ast::ClassPerl) {
        let ascii = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Space, false) => r"[\t\n\f\r ]",
            (ClassPerlKind::Space, true) => r"[^\t\n\f\r ]",
            (ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
            (ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
        };
        self.0.push((class.span, ascii));
    }
}

impl ast::Visitor for PerlClasses {
    type Output = Vec<(Span, &'static str)>;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<Self::Output, Self::Err> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, node: &Ast) -> Result<(), Self::Err> {
        match node {
            Ast::ClassPerl(class) => self.class(class),
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::WordBoundary => self.0.push((assertion.span, r"(?-u:\b)")),
                AssertionKind::NotWordBoundary => self.0.push((assertion.span, r"(?-u:\B)")),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Self::Err> {
        if let ClassSetItem::Perl(class) = item {
            self.class(class);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
