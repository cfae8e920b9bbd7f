//! What a document holds.

use cairn_api::meta::ObjectRef;

use crate::lines::Lines;
use crate::objects::{BrokenPolicy, Resource};
use crate::problem::Severity;

/// What a document holds. Lines count from 1 within it, so that it stays valid when it moves within its file.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub items: Vec<Item>,
    pub findings: Vec<Finding>,
    /// Whether it may hold objects besides [`Self::items`]: it could not be read, and what it was is not certain.
    pub uncertain: bool,
}

/// One object of a document.
#[derive(Debug)]
pub(crate) struct Item {
    /// The object. The name is empty for a broken policy whose name cannot be read.
    pub object: ObjectRef,
    pub lines: Lines,
    /// Line on which the object begins.
    pub line: u32,
    pub content: Content,
}

/// How far an object could be read.
#[derive(Debug)]
pub(crate) enum Content {
    /// As a whole.
    Good(Resource),
    /// Not; the last good version of it goes on, or when there is none what is left of it.
    Lost(Option<Resource>),
    /// Not, and it is a policy: what it selects must be denied.
    Denied(Box<BrokenPolicy>),
}

/// Something to say about a document.
#[derive(Debug)]
pub(crate) struct Finding {
    pub severity: Severity,
    pub object: Option<ObjectRef>,
    pub line: u32,
    pub field: String,
    pub message: String,
    pub hint: String,
}
