//! The names by which policies and routes ask for claims.

/// The names that lead to a claim, compiled from the key of a condition or of a match.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimPath(Box<[Box<str>]>);

impl ClaimPath {
    /// Of the key of a condition: `request.auth.claims[a][b]`. `None`: it is no such key.
    pub fn of_condition(key: &str) -> Option<Self> {
        Self::in_brackets(key.strip_prefix("request.auth.claims")?)
    }

    /// Of the name of a header match: `@request.auth.claims.a.b`, or `@request.auth.claims[a][b]` for names with dots.
    /// `None`: it is no such name.
    pub fn of_header(name: &str) -> Option<Self> {
        const BEFORE: &str = "@request.auth.claims";
        let (before, rest) = name.split_at_checked(BEFORE.len())?;
        if !before.eq_ignore_ascii_case(BEFORE) {
            return None;
        }
        match rest.strip_prefix('.') {
            Some(names) => Self::of(names.split('.')),
            None => Self::in_brackets(rest),
        }
    }

    /// Of the names themselves. `None`: there are none, or one is empty.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Option<Self> {
        let names: Box<[Box<str>]> = names.into_iter().map(Box::from).collect();
        let sound = !names.is_empty() && names.iter().all(|name| !name.is_empty());
        sound.then_some(Self(names))
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// The name, if it is a single one.
    pub(crate) fn single(&self) -> Option<&str> {
        match &*self.0 {
            [name] => Some(name),
            _ => None,
        }
    }

    fn in_brackets(text: &str) -> Option<Self> {
        Self::of(text.strip_prefix('[')?.strip_suffix(']')?.split("]["))
    }
}

#[cfg(test)]
mod tests;
