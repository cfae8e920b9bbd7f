//! Which audiences a rule accepts.

/// The audiences of a rule; none accepts any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audiences(Box<[Box<str>]>);

impl Audiences {
    pub(crate) fn new<'a>(written: impl IntoIterator<Item = &'a str>) -> Self {
        Self(written.into_iter().map(|one| bare(one).into()).collect())
    }

    /// Whether one of a token's audiences is accepted.
    pub(crate) fn accept<'a>(&self, mut audiences: impl Iterator<Item = &'a str>) -> bool {
        self.0.is_empty() || audiences.any(|one| self.0.iter().any(|own| **own == *bare(one)))
    }
}

/// As Envoy compares them: without scheme and one slash at the end.
fn bare(audience: &str) -> &str {
    let rest = audience
        .strip_prefix("http://")
        .or_else(|| audience.strip_prefix("https://"));
    let rest = rest.unwrap_or(audience);
    rest.strip_suffix('/').unwrap_or(rest)
}

#[cfg(test)]
mod tests;
