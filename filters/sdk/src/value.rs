//! Values of attributes and of metadata.

pub use crate::bindings::cairn::filter::exchanges::Value;

/// What an attribute or metadata can be read as. A value of another kind reads as `None`.
pub trait FromValue: Sized {
    /// The value, if it is of this kind.
    fn from_value(value: Value) -> Option<Self>;
}

impl FromValue for Value {
    fn from_value(value: Value) -> Option<Value> {
        Some(value)
    }
}

macro_rules! kinds {
    ($($kind:ty => $case:ident),* $(,)?) => {$(
        impl FromValue for $kind {
            fn from_value(value: Value) -> Option<$kind> {
                match value {
                    Value::$case(value) => Some(value),
                    _ => None,
                }
            }
        }

        impl From<$kind> for Value {
            fn from(value: $kind) -> Value {
                Value::$case(value)
            }
        }
    )*};
}

kinds! {
    bool => Boolean,
    i64 => Int,
    f64 => Float,
    String => Text,
    Vec<u8> => Bytes,
    Vec<String> => Texts,
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::Text(value.to_owned())
    }
}
