//! What the types read, as data: which fields there are, by the names that a document has them under, and what stands at each.
//!
//! Every type that can stand at a field is [`Shaped`], so that no field can be declared without being part of the shape of its
//! form.

mod names;

use std::any::TypeId;
use std::collections::BTreeMap;

use serde::Serialize;

/// What stands at a field.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A value that has no fields of its own, or a list or mapping of such values.
    Leaf,
    /// One of these values.
    Choice(&'static [&'static str]),
    /// A mapping of fields.
    Form(Form),
    /// A list of forms.
    List(Box<Shape>),
    /// A mapping of forms by names that the author of the document chooses.
    Map(Box<Shape>),
}

/// A type with fields. They are looked up when they are asked for, so that a form may hold another one of its own type.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    id: TypeId,
    fields: fn() -> Vec<Field>,
}

/// A field of a form.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in a document.
    pub name: &'static str,
    /// What stands there.
    pub shape: Shape,
}

/// A type that can stand at a field of a document.
pub trait Shaped: 'static {
    /// What stands there.
    fn shape() -> Shape;
}

/// A field that has nothing below it, by its way through the document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// `spec.http[].match[].headers{}.exact`: `[]` stands for every item of a list, `{}` for every name of a mapping.
    pub field: String,
    /// The values that it can have, where there are just so many.
    pub values: &'static [&'static str],
}

impl Shape {
    /// Every field that has nothing below it, in the order of the declarations.
    ///
    /// A form within itself has no fields the second time.
    #[must_use]
    pub fn paths(&self) -> Vec<Path> {
        let mut found = Vec::new();
        self.walk(String::new(), &mut Vec::new(), &mut found);
        found
    }

    fn walk(&self, field: String, within: &mut Vec<TypeId>, found: &mut Vec<Path>) {
        match self {
            Shape::Leaf => found.push(Path { field, values: &[] }),
            Shape::Choice(values) => found.push(Path { field, values }),
            Shape::List(item) => item.walk(field + "[]", within, found),
            Shape::Map(value) => value.walk(field + "{}", within, found),
            Shape::Form(form) => {
                let fields = form.fields();
                if fields.is_empty() || within.contains(&form.id) {
                    return found.push(Path { field, values: &[] });
                }
                within.push(form.id);
                for inner in fields {
                    let separator = if field.is_empty() { "" } else { "." };
                    let name = format!("{field}{separator}{}", inner.name);
                    inner.shape.walk(name, within, found);
                }
                within.pop();
            }
        }
    }

    /// Of a list or mapping, which is a leaf when its items are.
    fn of_items<T: Shaped>(wrap: fn(Box<Shape>) -> Shape) -> Shape {
        match T::shape() {
            Shape::Leaf | Shape::Choice(_) => Shape::Leaf,
            forms => wrap(Box::new(forms)),
        }
    }
}

impl Form {
    /// The form of a type, given a way to its fields.
    pub(crate) fn of<T: 'static>(fields: fn() -> Vec<Field>) -> Form {
        Form {
            id: TypeId::of::<T>(),
            fields,
        }
    }

    /// The fields, as they are declared.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        (self.fields)()
    }
}

/// The fields of a type that serde writes, given what stands at each, in the order of their declarations. The names are serde's
/// own: those that it writes, and reads.
pub(crate) fn fields<T: Serialize + Default>(shapes: Vec<Shape>) -> Vec<Field> {
    let names = names::of(&T::default());
    debug_assert_eq!(names.len(), shapes.len(), "serde writes every field or skips it");
    let named = names.into_iter().zip(shapes);
    named.map(|(name, shape)| Field { name, shape }).collect()
}

impl<T: Shaped> Shaped for Option<T> {
    fn shape() -> Shape {
        T::shape()
    }
}

impl<T: Shaped> Shaped for Box<T> {
    fn shape() -> Shape {
        T::shape()
    }
}

impl<T: Shaped> Shaped for Vec<T> {
    fn shape() -> Shape {
        Shape::of_items::<T>(Shape::List)
    }
}

impl<K: 'static, V: Shaped> Shaped for BTreeMap<K, V> {
    fn shape() -> Shape {
        Shape::of_items::<V>(Shape::Map)
    }
}

macro_rules! leaves {
    ($($type:ty),+ $(,)?) => {$(
        impl Shaped for $type {
            fn shape() -> Shape {
                Shape::Leaf
            }
        }
    )+};
}

leaves! {
    String, bool, f64, i32, i64, u16, u32, u64,
    serde_json::Value,
    crate::value::Duration, crate::value::Hidden, crate::value::IntOrString,
}

#[cfg(test)]
mod tests;
