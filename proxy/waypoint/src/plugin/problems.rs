//! What is wrong with one object.

use cairn_api::meta::ObjectRef;
use cairn_config::Problem;

/// What is wrong with one object.
pub(super) struct Problems {
    object: ObjectRef,
    pub(super) found: Vec<Problem>,
}

impl Problems {
    pub(super) fn of(object: &ObjectRef) -> Problems {
        Problems {
            object: object.clone(),
            found: Vec::new(),
        }
    }

    pub(super) fn error(&mut self, field: &str, message: impl Into<String>, hint: &str) {
        self.found
            .push(Problem::error(self.object.clone(), field, message, hint));
    }

    pub(super) fn unsupported(&mut self, field: &str, message: impl Into<String>, hint: &str) {
        self.found
            .push(Problem::unsupported(self.object.clone(), field, message, hint));
    }
}
