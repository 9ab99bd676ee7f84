//! The steps of a decision, in order.

use crate::admin::explain::ExplainedStep;

/// The story so far.
#[derive(Default)]
pub(super) struct Steps(pub(super) Vec<ExplainedStep>);

impl Steps {
    pub(super) fn add(&mut self, step: &str, says: impl Into<String>) {
        self.0.push(ExplainedStep { step: step.into(), says: says.into() });
    }
}
