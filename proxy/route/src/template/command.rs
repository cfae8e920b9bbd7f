//! A variable as it is written: `NAME(ARGUMENT):LENGTH`.

use super::TemplateError;

/// A variable in its parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command<'a> {
    /// The whole, for errors.
    pub(super) source: &'a str,
    pub(super) name: &'a str,
    /// What stands in parentheses.
    pub(super) argument: Option<&'a str>,
    /// How much of the value is wanted.
    pub(super) limit: Option<usize>,
}

impl<'a> Command<'a> {
    pub(super) fn read(source: &'a str) -> Result<Command<'a>, TemplateError> {
        let unknown = || TemplateError::UnknownVariable(source.to_owned());
        let (name, argument, rest) = match source.split_once('(') {
            Some((name, rest)) => {
                let (argument, rest) = rest.rsplit_once(')').ok_or_else(unknown)?;
                (name, Some(argument), rest)
            }
            None => match source.split_once(':') {
                Some((name, _)) => (name, None, source.get(name.len()..).unwrap_or_default()),
                None => (source, None, ""),
            },
        };
        let limit = match rest.strip_prefix(':') {
            Some(digits) => Some(digits.parse().map_err(|_| unknown())?),
            None if rest.is_empty() => None,
            None => return Err(unknown()),
        };
        Ok(Command {
            source,
            name,
            argument,
            limit,
        })
    }

    pub(super) fn refused(self, reason: &'static str) -> TemplateError {
        TemplateError::Argument {
            variable: self.source.to_owned(),
            reason,
        }
    }

    pub(super) fn unknown(self) -> TemplateError {
        TemplateError::UnknownVariable(self.source.to_owned())
    }
}
