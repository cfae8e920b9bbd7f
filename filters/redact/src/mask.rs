//! Masking a stream.

use serde::{Deserialize, Serialize};

use crate::program::{Program, Scratch};

/// What to look for, and what to write in its place.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) name: String,
    pub(crate) program: Program,
    pub(crate) replacement: Vec<u8>,
}

/// Where a stream is: kept from one part to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The byte before `kept`, as it came.
    before: Option<u8>,
    /// What may be the beginning of a match.
    kept: Vec<u8>,
    /// Matches so far.
    pub(crate) matches: u64,
}

impl Place {
    /// Takes a part, and gives what may go on. `counts` has, for each pattern, how many matches were masked.
    pub(crate) fn mask(
        &mut self,
        patterns: &[Pattern],
        part: &[u8],
        end: bool,
        counts: &mut [u32],
    ) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.kept);
        text.extend_from_slice(part);
        // Beyond this, the longest match and the byte after it are not all there yet.
        let longest = patterns.iter().map(|pattern| pattern.program.longest).max();
        let decided = if end {
            text.len()
        } else {
            text.len().saturating_sub(longest.unwrap_or(0))
        };
        let mut masked = Vec::with_capacity(text.len());
        let mut scratch = Scratch::default();
        let mut at = 0;
        while at < decided {
            let mut best: Option<(usize, &Pattern, usize)> = None;
            for (index, pattern) in patterns.iter().enumerate() {
                let matched = pattern.program.longest_at(&text, at, self.before, &mut scratch);
                if let Some(to) = matched.filter(|to| best.is_none_or(|(.., best)| *to > best)) {
                    best = Some((index, pattern, to));
                }
            }
            match best {
                Some((index, pattern, to)) => {
                    masked.extend_from_slice(&pattern.replacement);
                    self.matches += 1;
                    if let Some(count) = counts.get_mut(index) {
                        *count += 1;
                    }
                    at = to;
                }
                None => {
                    masked.extend(text.get(at));
                    at += 1;
                }
            }
        }
        if let Some(last) = at.checked_sub(1).and_then(|last| text.get(last)) {
            self.before = Some(*last);
        }
        self.kept = text.split_off(at.min(text.len()));
        masked
    }
}

#[cfg(test)]
mod tests {
    use super::{Pattern, Place};
    use crate::pattern;
    use crate::program::Program;

    fn patterns() -> Vec<Pattern> {
        let regex = |name: &str, text: &str| Pattern {
            name: name.to_owned(),
            program: Program::new(&pattern::parse(text).unwrap()).unwrap(),
            replacement: b"***".to_vec(),
        };
        vec![
            regex("card", r"\b(\d{4}-?){3}\d{4}\b"),
            regex("word", "(?i)secret"),
            regex("longer", "secretly"),
        ]
    }

    fn masked(parts: &[&[u8]]) -> String {
        let mut place = Place::default();
        let mut out = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            out.extend(place.mask(&patterns(), part, index + 1 == parts.len(), &mut [0; 3]));
            assert!(place.kept.len() <= 19);
        }
        assert!(place.kept.is_empty());
        String::from_utf8(out).unwrap()
    }

    const TEXT: &str = "A Secret, told secretly: 1234-5678-9012-3456, 1234567890123456, \
                        not 12345678901234567 nor 1234-5678-9012-345; secretsecret";
    const MASKED: &str = "A ***, told ***: ***, ***, not 12345678901234567 nor 1234-5678-9012-345; ******";

    #[test]
    fn the_longest_pattern_is_masked() {
        assert_eq!(masked(&[TEXT.as_bytes()]), MASKED);
    }

    /// However the stream is cut, what comes out is what comes out of the whole.
    #[test]
    fn cuts_make_no_difference() {
        let bytes = TEXT.as_bytes();
        for size in 1..bytes.len() {
            let parts: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(masked(&parts), MASKED, "parts of {size}");
        }
        for cut in 0..bytes.len() {
            let (one, other) = bytes.split_at(cut);
            assert_eq!(masked(&[one, b"", other, b""]), MASKED, "cut at {cut}");
        }
    }
}
