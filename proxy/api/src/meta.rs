//! What all resources share: metadata, the envelope, kinds and names.

mod kind;
mod object;
mod reference;

pub use kind::{Kind, KindError};
pub use object::{Condition, IgnoredStatus, Object, ObjectMeta, OwnerReference};
pub use reference::{Key, ObjectRef};

#[cfg(test)]
mod tests;
