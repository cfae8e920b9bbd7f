//! The JSON of tokens and key sets: parsed once, asked often.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Number;

/// A value.
///
/// Its `Debug` form tells the kind alone: what a token says is nobody's business in a log.
#[derive(Clone, PartialEq)]
pub enum Claim {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as exact as it was written.
    Number(Number),
    /// A string.
    Text(Box<str>),
    /// An array.
    List(Box<[Claim]>),
    /// An object.
    Object(Claims),
}

impl Claim {
    /// The text of a string.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool",
            Self::Number(_) => "Number",
            Self::Text(_) => "Text",
            Self::List(_) => "List",
            Self::Object(_) => "Object",
        })
    }
}

/// An object: its members in the order of their names, each name once.
#[derive(Clone, PartialEq)]
pub struct Claims(Box<[(Box<str>, Claim)]>);

impl Claims {
    /// Reads one JSON object. `None`: it is none, or names a member twice at any depth, of which one reader would see the
    /// first and another the last.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        match serde_json::from_slice(json) {
            Ok(Claim::Object(claims)) => Some(claims),
            _ => None,
        }
    }

    /// The member of that very name.
    pub fn get(&self, name: &str) -> Option<&Claim> {
        let found = self.0.binary_search_by(|(other, _)| (**other).cmp(name));
        found
            .ok()
            .and_then(|index| self.0.get(index))
            .map(|(_, claim)| claim)
    }

    /// The value that a path of names leads to through nested objects.
    pub fn at<'n>(&self, path: impl IntoIterator<Item = &'n str>) -> Option<&Claim> {
        let mut names = path.into_iter();
        let mut claim = self.get(names.next()?)?;
        for name in names {
            let Claim::Object(inner) = claim else { return None };
            claim = inner.get(name)?;
        }
        Some(claim)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claims({})", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Claim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyClaim)
    }
}

struct AnyClaim;

impl<'de> Visitor<'de> for AnyClaim {
    type Value = Claim;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Claim, E> {
        Ok(Claim::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Claim, E> {
        Ok(Claim::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Claim, E> {
        Ok(Claim::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Claim, E> {
        Ok(Claim::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Claim, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?;
        Ok(Claim::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Claim, E> {
        Ok(Claim::Text(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Claim, E> {
        Ok(Claim::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Claim, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Claim::List(list.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Claim, A::Error> {
        let mut claims: Vec<(Box<str>, Claim)> = Vec::new();
        while let Some(member) = members.next_entry()? {
            claims.push(member);
        }
        claims.sort_by(|(a, _), (b, _)| a.cmp(b));
        let twice = claims
            .iter()
            .zip(claims.iter().skip(1))
            .any(|((a, _), (b, _))| a == b);
        if twice {
            return Err(A::Error::custom("a member is named twice"));
        }
        Ok(Claim::Object(Claims(claims.into())))
    }
}

impl Serialize for Claim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items.iter()),
            Self::Object(claims) => {
                serializer.collect_map(claims.0.iter().map(|(name, claim)| (name, claim)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
