//! How a form type meets serde: the attributes that every struct and enumeration of this crate shares.

use serde::{Deserialize, Deserializer};

/// Declares form structs: camelCase on the wire, every field optional, `null` read as absent, defaults not written.
macro_rules! form {
    ($(
        $(#[$outer:meta])*
        pub struct $name:ident {
            $( $(#[$inner:meta])* pub $field:ident: $type:ty, )*
        }
    )+) => {$(
        $(#[$outer])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(default, rename_all = "camelCase")]
        pub struct $name {$(
            $(#[$inner])*
            #[serde(
                deserialize_with = "crate::form::null_is_absent",
                skip_serializing_if = "crate::form::is_default"
            )]
            pub $field: $type,
        )*}
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
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize,
        )]
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
