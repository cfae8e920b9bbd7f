//! Regular expressions whose matches have a longest length.
//!
//! A stream can be searched with bounded memory only for what is bounded itself, so there is neither `*` nor `+`. What there
//! is: literals, `.`, `[a-z]`, `[^a-z]`, `\d \w \s` and their opposites, `\b`, groups, `|`, `?`, `{n}`, `{n,m}`, and `(?i)`
//! at the beginning. A pattern is over bytes: a letter beyond ASCII is the bytes of its UTF-8.

use std::iter::Peekable;
use std::str::Chars;

/// Groups may stand in each other so deep.
const DEEPEST: usize = 32;

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set([u64; 4]);

impl Set {
    fn of(wanted: impl Fn(u8) -> bool) -> Set {
        let mut set = Set::default();
        for byte in 0..=u8::MAX {
            if wanted(byte) {
                set.add(byte);
            }
        }
        set
    }

    pub(crate) fn add(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    pub(crate) fn has(&self, byte: u8) -> bool {
        self.0
            .get(usize::from(byte >> 6))
            .is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    pub(crate) fn union(&self, other: &Set) -> Set {
        Set::of(|byte| self.has(byte) || other.has(byte))
    }

    fn opposite(self) -> Set {
        Set::of(|byte| !self.has(byte))
    }

    fn folded(self) -> Set {
        Set::of(|byte| self.has(byte.to_ascii_lowercase()) || self.has(byte.to_ascii_uppercase()))
    }
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// One of these bytes.
    Byte(Set),
    /// Between a letter of a word and none.
    Boundary,
    /// One after the other.
    Sequence(Vec<Node>),
    /// Any one.
    Either(Vec<Node>),
    /// So many times, at least and at most.
    Repeat(Box<Node>, u32, u32),
}

/// A literal.
pub(crate) fn literal(text: &str) -> Node {
    bytes(text.as_bytes())
}

/// A regular expression.
pub(crate) fn parse(text: &str) -> Result<Node, String> {
    let (fold, rest) = match text.strip_prefix("(?i)") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parser = Parser {
        rest: rest.chars().peekable(),
        fold,
        depth: 0,
    };
    let node = parser.either()?;
    match parser.rest.next() {
        None => Ok(node),
        Some(_) => Err("there is a `)` without its `(`".to_owned()),
    }
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn bytes(bytes: &[u8]) -> Node {
    Node::Sequence(
        bytes
            .iter()
            .map(|wanted| Node::Byte(Set::of(|byte| byte == *wanted)))
            .collect(),
    )
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    fold: bool,
    depth: usize,
}

impl Parser<'_> {
    fn either(&mut self) -> Result<Node, String> {
        let mut choices = vec![self.sequence()?];
        while self.rest.next_if_eq(&'|').is_some() {
            choices.push(self.sequence()?);
        }
        match choices.pop() {
            Some(only) if choices.is_empty() => Ok(only),
            last => Ok(Node::Either(choices.into_iter().chain(last).collect())),
        }
    }

    fn sequence(&mut self) -> Result<Node, String> {
        let mut parts = Vec::new();
        while let Some(next) = self.rest.next_if(|next| !matches!(next, '|' | ')')) {
            let part = self.atom(next)?;
            parts.push(self.repeated(part)?);
        }
        Ok(Node::Sequence(parts))
    }

    fn atom(&mut self, first: char) -> Result<Node, String> {
        match first {
            '(' => self.group(),
            '[' => self.class().map(Node::Byte),
            '.' => Ok(Node::Byte(Set::of(|byte| byte != b'\n'))),
            '\\' => {
                let escaped = self.rest.next().ok_or("it ends with a `\\`")?;
                match escaped {
                    'b' => Ok(Node::Boundary),
                    _ => self.escaped(escaped).map(Node::Byte),
                }
            }
            '*' | '+' => Err(unbounded(first)),
            '^' | '$' => Err(format!(
                "`{first}` has no meaning in a stream; write `\\{first}` for the letter"
            )),
            '?' | '{' | '}' | ']' => Err(format!("write `\\{first}` for the letter `{first}`")),
            letter if letter.is_ascii() => Ok(Node::Byte(self.one(letter))),
            letter => Ok(bytes(letter.encode_utf8(&mut [0; 4]).as_bytes())),
        }
    }

    fn group(&mut self) -> Result<Node, String> {
        if self.rest.next_if_eq(&'?').is_some() && self.rest.next() != Some(':') {
            return Err("a group is `(…)` or `(?:…)`".to_owned());
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("its groups are too deep".to_owned());
        }
        let inner = self.either()?;
        self.depth -= 1;
        match self.rest.next() {
            Some(')') => Ok(inner),
            _ => Err("there is a `(` without its `)`".to_owned()),
        }
    }

    fn class(&mut self) -> Result<Set, String> {
        let open = || "there is a `[` without its `]`".to_owned();
        let opposite = self.rest.next_if_eq(&'^').is_some();
        let mut set = Set::default();
        let mut empty = true;
        loop {
            let first = match self.rest.next().ok_or_else(open)? {
                ']' if !empty => break,
                '\\' => {
                    let escaped = self.rest.next().ok_or_else(open)?;
                    let several = self.escaped(escaped)?;
                    set = set.union(&several);
                    empty = false;
                    continue;
                }
                letter => ascii(letter)?,
            };
            empty = false;
            let mut ahead = self.rest.clone();
            if ahead.next() != Some('-') || ahead.next().is_none_or(|last| last == ']') {
                set = set.union(&self.one(first.into()));
                continue;
            }
            self.rest.next();
            let last = ascii(self.rest.next().ok_or_else(open)?)?;
            if last < first || last == b'\\' {
                return Err(format!(
                    "`{}-{}` is no range",
                    char::from(first),
                    char::from(last)
                ));
            }
            let range = Set::of(|byte| (first..=last).contains(&byte));
            set = set.union(&if self.fold { range.folded() } else { range });
        }
        Ok(if opposite { set.opposite() } else { set })
    }

    fn escaped(&self, letter: char) -> Result<Set, String> {
        Ok(match letter {
            'd' => Set::of(|byte| byte.is_ascii_digit()),
            'D' => Set::of(|byte| !byte.is_ascii_digit()),
            'w' => Set::of(is_word),
            'W' => Set::of(|byte| !is_word(byte)),
            's' => Set::of(|byte| byte.is_ascii_whitespace()),
            'S' => Set::of(|byte| !byte.is_ascii_whitespace()),
            'n' => self.one('\n'),
            'r' => self.one('\r'),
            't' => self.one('\t'),
            letter if letter.is_ascii_punctuation() => self.one(letter),
            letter => return Err(format!("`\\{letter}` is not known")),
        })
    }

    /// A letter of ASCII.
    fn one(&self, letter: char) -> Set {
        let set = Set::of(|byte| char::from(byte) == letter);
        if self.fold { set.folded() } else { set }
    }

    fn repeated(&mut self, part: Node) -> Result<Node, String> {
        let (least, most) = match self.rest.peek() {
            Some('?') => {
                self.rest.next();
                (0, 1)
            }
            Some('{') => {
                self.rest.next();
                self.bounds()?
            }
            Some(sign @ ('*' | '+')) => return Err(unbounded(*sign)),
            _ => return Ok(part),
        };
        if matches!(self.rest.peek(), Some('?' | '{' | '*' | '+')) {
            return Err("a repetition is not repeated, and always as long as it can be".to_owned());
        }
        Ok(Node::Repeat(Box::new(part), least, most))
    }

    fn bounds(&mut self) -> Result<(u32, u32), String> {
        let wrong = || "a repetition is `{n}` or `{n,m}`, with n not beyond m and m at most 1024".to_owned();
        let mut inside = String::new();
        loop {
            match self.rest.next().ok_or_else(wrong)? {
                '}' => break,
                letter => inside.push(letter),
            }
        }
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        let (least, most) = match inside.split_once(',') {
            None => (number(&inside)?, number(&inside)?),
            Some((_, "")) => return Err(unbounded('+')),
            Some((least, most)) => (number(least)?, number(most)?),
        };
        if least > most || most > 1024 {
            return Err(wrong());
        }
        Ok((least, most))
    }
}

fn ascii(letter: char) -> Result<u8, String> {
    u8::try_from(letter)
        .ok()
        .filter(u8::is_ascii)
        .ok_or_else(|| format!("`{letter}` in a class: only ASCII"))
}

fn unbounded(sign: char) -> String {
    format!("`{sign}` has no end; say how many at most: `{{0,64}}`, or write `\\{sign}` for the letter")
}
