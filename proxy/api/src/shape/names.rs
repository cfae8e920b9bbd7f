//! The names under which serde writes the fields of a type, found by having it write one.

use std::fmt;

use serde::ser::{Impossible, Serialize, SerializeStruct, Serializer};

/// The names of the fields of `value`, also of those that it skips. None for what is no struct.
pub(super) fn of<T: Serialize>(value: &T) -> Vec<&'static str> {
    value.serialize(Names).unwrap_or_default()
}

struct Names;

/// It is no struct.
#[derive(Debug)]
struct NoFields;

impl fmt::Display for NoFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has no fields")
    }
}

impl std::error::Error for NoFields {}

impl serde::ser::Error for NoFields {
    fn custom<T: fmt::Display>(_: T) -> Self {
        NoFields
    }
}

struct Noted(Vec<&'static str>);

impl SerializeStruct for Noted {
    type Ok = Vec<&'static str>;
    type Error = NoFields;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, _: &T) -> Result<(), NoFields> {
        self.0.push(name);
        Ok(())
    }

    fn skip_field(&mut self, name: &'static str) -> Result<(), NoFields> {
        self.0.push(name);
        Ok(())
    }

    fn end(self) -> Result<Vec<&'static str>, NoFields> {
        Ok(self.0)
    }
}

type Never = Impossible<Vec<&'static str>, NoFields>;
type Outcome<T> = Result<T, NoFields>;

macro_rules! values {
    ($($method:ident($type:ty))+) => {$(
        fn $method(self, _: $type) -> Outcome<Self::Ok> {
            Err(NoFields)
        }
    )+};
}

impl Serializer for Names {
    type Ok = Vec<&'static str>;
    type Error = NoFields;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Noted;
    type SerializeStructVariant = Never;

    fn serialize_struct(self, _: &'static str, fields: usize) -> Outcome<Noted> {
        Ok(Noted(Vec::with_capacity(fields)))
    }

    values! {
        serialize_bool(bool)
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_f32(f32) serialize_f64(f64)
        serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_unit_struct(&'static str)
    }

    fn serialize_none(self) -> Outcome<Self::Ok> {
        Err(NoFields)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Outcome<Self::Ok> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Outcome<Self::Ok> {
        Err(NoFields)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Outcome<Self::Ok> {
        Err(NoFields)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Outcome<Self::Ok> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Outcome<Self::Ok> {
        Err(NoFields)
    }

    fn serialize_seq(self, _: Option<usize>) -> Outcome<Never> {
        Err(NoFields)
    }

    fn serialize_tuple(self, _: usize) -> Outcome<Never> {
        Err(NoFields)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Outcome<Never> {
        Err(NoFields)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Outcome<Never> {
        Err(NoFields)
    }

    fn serialize_map(self, _: Option<usize>) -> Outcome<Never> {
        Err(NoFields)
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Outcome<Never> {
        Err(NoFields)
    }
}
