use crate::meta::Object;

/// Permission for objects of other namespaces to refer to objects of this one.
pub type ReferenceGrant = Object<ReferenceGrantSpec>;

form! {
    /// The desired state of a [`ReferenceGrant`].
    pub struct ReferenceGrantSpec {
        /// Who may refer; one match suffices.
        pub from: Vec<ReferenceGrantFrom>,
        /// To what; one match suffices.
        pub to: Vec<ReferenceGrantTo>,
    }

    /// Who may refer.
    pub struct ReferenceGrantFrom {
        /// API group; empty for the core group.
        pub group: String,
        /// Kind.
        pub kind: String,
        /// Namespace.
        pub namespace: String,
    }

    /// What may be referred to.
    pub struct ReferenceGrantTo {
        /// API group; empty for the core group.
        pub group: String,
        /// Kind.
        pub kind: String,
        /// Name. Absent: every object of the kind.
        pub name: Option<String>,
    }
}
