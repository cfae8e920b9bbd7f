//! What is found to be wrong with a policy.

use cairn_api::meta::ObjectRef;
use cairn_config::Problem;

use crate::fault::Fault;
use crate::rule::Effect;

/// Takes down what is wrong with one policy.
pub(crate) struct Findings<'a> {
    object: &'a ObjectRef,
    problems: &'a mut Vec<Problem>,
    effect: Effect,
    /// The first fault: the rule's index, and what is wrong.
    first: Option<(usize, String)>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(object: &'a ObjectRef, effect: Effect, problems: &'a mut Vec<Problem>) -> Findings<'a> {
        Findings {
            object,
            problems,
            effect,
            first: None,
        }
    }

    /// The policy.
    pub(crate) fn object(&self) -> &'a ObjectRef {
        self.object
    }

    /// The index of the first rule with a fault, and the fault in words. The policy cannot be compiled.
    pub(crate) fn first_fault(self) -> Option<(usize, String)> {
        self.first
    }

    pub(crate) fn error(&mut self, field: &str, message: String, hint: &str) {
        self.problems
            .push(Problem::error(self.object.clone(), field, message, hint));
    }

    pub(crate) fn warning(&mut self, field: &str, message: String, hint: &str) {
        self.problems
            .push(Problem::warning(self.object.clone(), field, message, hint));
    }

    pub(crate) fn fault(&mut self, rule: usize, field: &str, fault: &Fault) {
        let does = match self.effect {
            Effect::Audit => "audits",
            Effect::Custom | Effect::Deny | Effect::Allow => "denies",
        };
        let message = format!("{fault}; until this is right, the policy {does} all that it selects");
        self.error(field, message, fault.hint());
        self.first
            .get_or_insert_with(|| (rule, format!("{field}: {fault}")));
    }
}
