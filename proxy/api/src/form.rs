//! How a form type meets serde: the attributes that every struct and enumeration of this crate shares.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Declares form structs: camelCase on the wire, every field optional, `null` read as absent, defaults not
/// written. Each is [`Shaped`](crate::shape::Shaped).
///
/// Only a mapping is read as a form. serde's derived code would also take a list for a struct, and some YAML
/// readers take `null`: `source: []` or a dangling `-` among the rules of a policy would then become an empty
/// form, which matches everything.
macro_rules! form {
    ($(
        $(#[$outer:meta])*
        pub struct $name:ident {
            $( $(#[$inner:meta])* pub $field:ident: $type:ty, )*
        }
    )+) => {$(
        $(#[$outer])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {$(
            $(#[$inner])*
            #[serde(skip_serializing_if = "crate::form::is_default")]
            pub $field: $type,
        )*}

        const _: () = {
            #[derive(Default, serde::Deserialize)]
            #[serde(default, rename_all = "camelCase")]
            struct Fields {$(
                $(#[$inner])*
                #[serde(deserialize_with = "crate::form::null_is_absent")]
                $field: $type,
            )*}

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let Fields { $($field),* } = crate::form::from_mapping(deserializer, stringify!($name))?;
                    Ok(Self { $($field),* })
                }
            }

            impl crate::shape::Shaped for $name {
                fn shape() -> crate::shape::Shape {
                    crate::shape::Shape::Form(crate::shape::Form::of::<Self>(|| {
                        crate::shape::fields::<Self>(vec![
                            $(<$type as crate::shape::Shaped>::shape()),*
                        ])
                    }))
                }
            }
        };
    )+};
}

/// Declares enumerations by their wire names. The first value is the default, as in protobuf.
macro_rules! choice {
    ($(
        $(#[$outer:meta])*
        pub enum $name:ident {
            $(#[$first_doc:meta])* $first:ident = $first_wire:literal,
            $( $(#[$doc:meta])* $variant:ident = $wire:literal, )*
        }
    )+) => {$(
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Deserialize, serde::Serialize)]
        pub enum $name {
            $(#[$first_doc])* #[default] #[serde(rename = $first_wire)] $first,
            $( $(#[$doc])* #[serde(rename = $wire)] $variant, )*
        }

        impl $name {
            /// The value as it is written in a document.
            pub const fn as_str(self) -> &'static str {
                match self {
                    Self::$first => $first_wire,
                    $( Self::$variant => $wire, )*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl crate::shape::Shaped for $name {
            fn shape() -> crate::shape::Shape {
                crate::shape::Shape::Choice(&[$first_wire, $($wire),*])
            }
        }
    )+};
}

/// Reads `null` as the default: the API server prunes nulls before anyone sees the object.
pub(crate) fn null_is_absent<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads the fields of a form from a mapping, and from nothing else.
pub(crate) fn from_mapping<'de, D, T>(deserializer: D, form: &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(Mapping {
        form,
        fields: PhantomData,
    })
}

struct Mapping<T> {
    form: &'static str,
    fields: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Mapping<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "struct {}", self.form)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries))
    }
}

#[cfg(test)]
mod tests;
