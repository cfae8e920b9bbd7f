//! Following the chunked coding (RFC 9112 section 7.1) without touching the data.
//!
//! Stricter than hyper: no white space around sizes, no bare line feeds, no control characters in extensions, no folded
//! trailer lines. Whoever reads the same bytes differently must not find another request in them.

/// Longest chunk size line, extensions included, and longest trailer section.
const LINE_LIMIT: usize = 4 * 1024;
const EXTENSIONS_LIMIT: usize = 15 * 1024;
const TRAILERS_LIMIT: usize = 15 * 1024;

#[derive(Debug, Default)]
pub(super) struct Chunked {
    state: State,
    size: u64,
    /// Digits of the size, then bytes of the line.
    line: usize,
    extensions: usize,
    trailers: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
}

/// How far the body went.
pub(super) enum Step {
    /// All bytes belong to it, and it goes on.
    More,
    /// It ended after so many bytes.
    End(usize),
    /// It is none.
    Bad(&'static str),
}

impl Chunked {
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            if self.state == State::Data {
                let count = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest.len());
                self.size -= count as u64;
                rest = rest.get(count..).unwrap_or_default();
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            rest = tail;
            if self.state == State::EndLf && byte == b'\n' {
                return Step::End(bytes.len() - rest.len());
            }
            match self.next(byte) {
                Ok(state) => self.state = state,
                Err(reason) => return Step::Bad(reason),
            }
        }
        Step::More
    }

    fn next(&mut self, byte: u8) -> Result<State, &'static str> {
        match (self.state, byte) {
            (State::Size, b'\r') if self.line > 0 => Ok(State::SizeLf),
            (State::Size, b';') if self.line > 0 => Ok(State::Extension),
            (State::Size, byte) => {
                let digit = char::from(byte).to_digit(16).ok_or("an invalid chunk size")?;
                self.line += 1;
                if self.line > 16 || self.size >> 59 != 0 {
                    return Err("a chunk size beyond measure");
                }
                self.size = self.size << 4 | u64::from(digit);
                Ok(State::Size)
            }
            (State::Extension, b'\r') => Ok(State::SizeLf),
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.line += 1;
                self.extensions += 1;
                if self.line > LINE_LIMIT || self.extensions > EXTENSIONS_LIMIT {
                    return Err("chunk extensions beyond measure");
                }
                Ok(State::Extension)
            }
            (State::Extension, _) => Err("a control character in a chunk extension"),
            (State::SizeLf, b'\n') => {
                self.line = 0;
                Ok(if self.size == 0 {
                    State::TrailerStart
                } else {
                    State::Data
                })
            }
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size),
            (State::DataCr | State::DataLf, _) => Err("a chunk longer than its size"),
            _ => self.next_of_trailer(byte),
        }
    }

    fn next_of_trailer(&mut self, byte: u8) -> Result<State, &'static str> {
        self.trailers += 1;
        if self.trailers > TRAILERS_LIMIT {
            return Err("trailers beyond measure");
        }
        match (self.state, byte) {
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerStart | State::TrailerName, byte) if is_token(byte) => Ok(State::TrailerName),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Ok(State::TrailerValue),
            (State::TrailerLf, b'\n') => Ok(State::TrailerStart),
            (State::SizeLf | State::EndLf | State::TrailerLf, _) => {
                Err("a carriage return without line feed")
            }
            _ => Err("an invalid trailer field"),
        }
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
