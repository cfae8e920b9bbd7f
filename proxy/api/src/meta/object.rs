use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::reference::Key;
use crate::form::from_mapping;
use crate::shape::{Field, Form, Shape, Shaped};

form! {
    /// The metadata of an object, as far as a mesh reads it.
    pub struct ObjectMeta {
        /// Name, unique per kind and namespace.
        pub name: String,
        /// Namespace; empty for cluster-scoped kinds, and where the document leaves it out.
        pub namespace: String,
        /// Prefix from which the API server makes a name when there is none.
        pub generate_name: String,
        /// Identifier of this very object, assigned by the API server.
        pub uid: String,
        /// Opaque version of the object, assigned by the API server.
        pub resource_version: String,
        /// Counter of changes of the desired state.
        pub generation: Option<i64>,
        /// When the object was created, RFC 3339.
        pub creation_timestamp: Option<String>,
        /// When the object was asked to go away, RFC 3339.
        pub deletion_timestamp: Option<String>,
        /// Seconds that the object has to go away.
        pub deletion_grace_period_seconds: Option<i64>,
        /// Labels.
        pub labels: BTreeMap<String, String>,
        /// Annotations.
        pub annotations: BTreeMap<String, String>,
        /// Owners, whose end is this object's end.
        pub owner_references: Vec<OwnerReference>,
        /// Controllers that must clean up before the object may go.
        pub finalizers: Vec<String>,
        /// Which client set which field; not kept.
        pub managed_fields: IgnoredStatus,
        /// Path of the object in old API servers; not kept.
        pub self_link: IgnoredStatus,
    }

    /// One owner of an object.
    pub struct OwnerReference {
        /// `apiVersion` of the owner.
        pub api_version: String,
        /// Kind of the owner.
        pub kind: String,
        /// Name of the owner, in the same namespace or cluster-scoped.
        pub name: String,
        /// Identifier of the owner.
        pub uid: String,
        /// Whether this owner is the managing controller.
        pub controller: Option<bool>,
        /// Whether the owner cannot go before this object.
        pub block_owner_deletion: Option<bool>,
    }

    /// One condition in a status.
    pub struct Condition {
        /// What is being said, `Ready`.
        #[serde(rename = "type")]
        pub type_: String,
        /// `True`, `False` or `Unknown`.
        pub status: String,
        /// Generation of the object that this was said of.
        pub observed_generation: Option<i64>,
        /// When the status last changed, RFC 3339.
        pub last_transition_time: Option<String>,
        /// Why, as one CamelCase word.
        pub reason: String,
        /// Why, for a person.
        pub message: String,
    }
}

impl ObjectMeta {
    /// Namespace and name.
    pub fn key(&self) -> Key {
        Key {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// An object with a desired state (`spec`) and, for kinds whose status is read, an observed one.
///
/// `apiVersion` and `kind` have done their work once the type is chosen (see
/// [`Kind::resolve`](super::Kind::resolve)) and are not kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Object<S, T = IgnoredStatus> {
    /// Name, namespace, labels, annotations.
    pub metadata: ObjectMeta,
    /// The desired state, as the user wrote it.
    pub spec: S,
    /// The observed state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<T>,
}

impl<'de, S, T> Deserialize<'de> for Object<S, T>
where
    S: Deserialize<'de> + Default,
    T: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document: Document<S, T> = from_mapping(deserializer, "Object")?;
        Ok(Self {
            metadata: document.metadata,
            spec: document.spec,
            status: document.status,
        })
    }
}

/// The shape on the wire. Names the fields that are read and dropped, so that they do not count as unknown.
impl<S: Shaped, T: Shaped> Shaped for Object<S, T> {
    fn shape() -> Shape {
        Shape::Form(Form::of::<Self>(|| {
            let field = |name, shape| Field { name, shape };
            vec![
                field("metadata", ObjectMeta::shape()),
                field("spec", S::shape()),
                field("status", T::shape()),
            ]
        }))
    }
}

#[derive(Deserialize)]
#[serde(bound = "S: Deserialize<'de> + Default, T: Deserialize<'de>")]
struct Document<S, T> {
    #[serde(rename = "apiVersion", default)]
    _api_version: IgnoredStatus,
    #[serde(rename = "kind", default)]
    _kind: IgnoredStatus,
    #[serde(default, deserialize_with = "crate::form::null_is_absent")]
    metadata: ObjectMeta,
    #[serde(default, deserialize_with = "crate::form::null_is_absent")]
    spec: S,
    #[serde(default = "Option::default")]
    status: Option<T>,
}

/// A part of a document that is accepted whatever it holds, and not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IgnoredStatus {}

impl<'de> Deserialize<'de> for IgnoredStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::value::skip_any(deserializer)?;
        Ok(Self {})
    }
}

impl Shaped for IgnoredStatus {
    fn shape() -> Shape {
        Shape::Leaf
    }
}
