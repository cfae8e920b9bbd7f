//! A pattern, ready to be matched: a nondeterministic automaton, of which all states are followed at once (Thompson), so that
//! no text can make it slow.

use crate::pattern::{Node, Set, is_word};

/// Steps of one program.
const MOST: usize = 4096;
/// Bytes of the longest match.
const LONGEST: usize = 1024;

#[derive(Clone, Debug)]
enum Step {
    Byte(Set),
    Boundary,
    /// Goes on at both.
    Split(usize, usize),
    Jump(usize),
    Match,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    steps: Vec<Step>,
    /// What a match can begin with.
    first: Set,
    /// Bytes of the longest match.
    pub(crate) longest: usize,
}

/// Room for the states that are followed; kept from match to match.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    now: Vec<usize>,
    next: Vec<usize>,
    /// When a step was last reached, in positions that were looked at: so nothing is ever cleared.
    seen: Vec<u64>,
    turn: u64,
    stack: Vec<usize>,
}

impl Program {
    pub(crate) fn new(pattern: &Node) -> Result<Program, String> {
        let (shortest, longest) = lengths(pattern);
        if shortest == 0 {
            return Err("it matches nothing at all, and so everywhere".to_owned());
        }
        if longest > LONGEST {
            return Err(format!("a match could have {longest} bytes; {LONGEST} at most"));
        }
        let mut program = Program {
            steps: Vec::new(),
            first: Set::default(),
            longest,
        };
        program.emit(pattern)?;
        program.push(Step::Match)?;
        program.first = program.beginnings();
        Ok(program)
    }

    /// The end of the longest match that begins at `at`. `before` is the byte before the text.
    pub(crate) fn longest_at(
        &self,
        text: &[u8],
        at: usize,
        before: Option<u8>,
        scratch: &mut Scratch,
    ) -> Option<usize> {
        if !self.first.has(*text.get(at)?) {
            return None;
        }
        scratch.now.clear();
        if scratch.seen.len() < self.steps.len() {
            scratch.seen.resize(self.steps.len(), 0);
        }
        scratch.turn += 1;
        let mut found = None;
        self.follow(0, text, at, before, scratch);
        let mut position = at;
        loop {
            std::mem::swap(&mut scratch.now, &mut scratch.next);
            scratch.now.clear();
            scratch.turn += 1;
            let byte = text.get(position).copied();
            let states = std::mem::take(&mut scratch.next);
            for state in &states {
                match (self.steps.get(*state), byte) {
                    (Some(Step::Match), _) => found = Some(position),
                    (Some(Step::Byte(set)), Some(byte)) if set.has(byte) => {
                        self.follow(state + 1, text, position + 1, before, scratch);
                    }
                    _ => {}
                }
            }
            scratch.next = states;
            if scratch.now.is_empty() {
                return found;
            }
            position += 1;
        }
    }

    /// Adds all steps that are reached without reading a byte.
    fn follow(&self, step: usize, text: &[u8], at: usize, before: Option<u8>, scratch: &mut Scratch) {
        scratch.stack.push(step);
        while let Some(step) = scratch.stack.pop() {
            match scratch.seen.get_mut(step) {
                Some(seen) if *seen != scratch.turn => *seen = scratch.turn,
                _ => continue,
            }
            match self.steps.get(step) {
                Some(Step::Jump(to)) => scratch.stack.push(*to),
                Some(Step::Split(one, other)) => scratch.stack.extend([*one, *other]),
                Some(Step::Boundary) => {
                    let previous = match at.checked_sub(1) {
                        Some(previous) => text.get(previous).copied(),
                        None => before,
                    };
                    let word = |byte: Option<u8>| byte.is_some_and(is_word);
                    if word(previous) != word(text.get(at).copied()) {
                        scratch.stack.push(step + 1);
                    }
                }
                Some(Step::Byte(_) | Step::Match) => scratch.now.push(step),
                None => {}
            }
        }
    }

    fn beginnings(&self) -> Set {
        let (mut set, mut stack, mut seen) = (Set::default(), vec![0], vec![false; self.steps.len()]);
        while let Some(step) = stack.pop() {
            match seen.get_mut(step) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            match self.steps.get(step) {
                Some(Step::Byte(bytes)) => set = set.union(bytes),
                Some(Step::Boundary) => stack.push(step + 1),
                Some(Step::Split(one, other)) => stack.extend([*one, *other]),
                Some(Step::Jump(to)) => stack.push(*to),
                Some(Step::Match) | None => {}
            }
        }
        set
    }

    fn emit(&mut self, node: &Node) -> Result<(), String> {
        match node {
            Node::Byte(set) => self.push(Step::Byte(*set)).map(drop),
            Node::Boundary => self.push(Step::Boundary).map(drop),
            Node::Sequence(parts) => parts.iter().try_for_each(|part| self.emit(part)),
            Node::Either(choices) => self.either(choices),
            Node::Repeat(part, least, most) => {
                for _ in 0..*least {
                    self.emit(part)?;
                }
                let mut splits = Vec::new();
                for _ in *least..*most {
                    splits.push(self.push(Step::Match)?);
                    self.emit(part)?;
                }
                let end = self.steps.len();
                for split in splits {
                    self.replace(split, Step::Split(split + 1, end));
                }
                Ok(())
            }
        }
    }

    fn either(&mut self, choices: &[Node]) -> Result<(), String> {
        let mut jumps = Vec::new();
        for (index, choice) in choices.iter().enumerate() {
            if index + 1 == choices.len() {
                self.emit(choice)?;
                break;
            }
            let split = self.push(Step::Match)?;
            self.emit(choice)?;
            jumps.push(self.push(Step::Match)?);
            self.replace(split, Step::Split(split + 1, self.steps.len()));
        }
        let end = self.steps.len();
        for jump in jumps {
            self.replace(jump, Step::Jump(end));
        }
        Ok(())
    }

    fn push(&mut self, step: Step) -> Result<usize, String> {
        if self.steps.len() >= MOST {
            return Err("it is too large".to_owned());
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    fn replace(&mut self, at: usize, step: Step) {
        if let Some(old) = self.steps.get_mut(at) {
            *old = step;
        }
    }
}

/// Bytes of the shortest and of the longest match.
fn lengths(node: &Node) -> (usize, usize) {
    match node {
        Node::Byte(_) => (1, 1),
        Node::Boundary => (0, 0),
        Node::Sequence(parts) => parts.iter().map(lengths).fold((0, 0), |sum, next| {
            (sum.0.saturating_add(next.0), sum.1.saturating_add(next.1))
        }),
        Node::Either(choices) => {
            let lengths: Vec<_> = choices.iter().map(lengths).collect();
            let shortest = lengths.iter().map(|length| length.0).min();
            let longest = lengths.iter().map(|length| length.1).max();
            (shortest.unwrap_or(0), longest.unwrap_or(0))
        }
        Node::Repeat(part, least, most) => {
            let (shortest, longest) = lengths(part);
            let times = |times: u32| usize::try_from(times).unwrap_or(usize::MAX);
            (
                shortest.saturating_mul(times(*least)),
                longest.saturating_mul(times(*most)),
            )
        }
    }
}

#[cfg(test)]
mod tests;
