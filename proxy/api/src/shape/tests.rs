#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![allow(unreachable_pub, reason = "as the macros declare them")]

use super::*;
use crate::value::Duration;

form! {
    /// A form with everything that can stand at a field.
    pub struct Tree {
        /// Text.
        pub some_text: String,
        /// Under another name.
        #[serde(rename = "type", alias = "kind")]
        pub type_: Option<Side>,
        /// A leaf.
        pub after: Option<Duration>,
        /// Leaves.
        pub names: Vec<String>,
        /// Choices.
        pub sides: Vec<Side>,
        /// Forms.
        pub branches: Vec<Branch>,
        /// Forms by name.
        pub by_name: BTreeMap<String, Branch>,
        /// Nothing of its own.
        pub hollow: Option<Hollow>,
        /// The same again.
        pub within: Vec<Tree>,
    }

    /// A form in another.
    pub struct Branch {
        /// A number.
        pub length: Option<u32>,
        /// Another way back.
        pub root: Option<Box<Tree>>,
    }

    /// A form without fields.
    pub struct Hollow {}
}

choice! {
    /// One of two.
    pub enum Side {
        /// One.
        Left = "LEFT",
        /// The other.
        Right = "RIGHT",
    }
}

#[test]
fn a_field_is_named_as_in_the_document_and_recursion_ends() {
    let paths = Tree::shape().paths();
    let fields: Vec<&str> = paths.iter().map(|path| path.field.as_str()).collect();
    let expected = [
        "someText",
        "type",
        "after",
        "names",
        "sides",
        "branches[].length",
        "branches[].root",
        "byName{}.length",
        "byName{}.root",
        "hollow",
        "within[]",
    ];
    assert_eq!(fields, expected);
    assert_eq!(paths[1].values, ["LEFT", "RIGHT"]);
    assert_eq!(paths[4].values, [""; 0]);
}

#[test]
fn a_form_that_comes_again_beside_itself_has_its_fields_there_too() {
    let Shape::Form(form) = Tree::shape() else {
        panic!("a form")
    };
    let fields = form.fields();
    let of = |name: &str| {
        let field = fields.iter().find(|field| field.name == name).unwrap();
        field.shape.paths().len()
    };
    assert_eq!(of("branches"), of("byName"));
    assert!(of("branches") > 2);
}

#[test]
fn what_is_no_struct_has_no_names() {
    assert_eq!(names::of(&7), [""; 0]);
    assert_eq!(names::of(&vec![1]), [""; 0]);
    assert_eq!(names::of(&Some(Branch::default())), ["length", "root"]);
}
