//! Who may reach the members at their own addresses: that it is said at every start as long as the file does not say it.
//!
//! Owns the alarm. Keeps nobody out: the workers do.

use super::controller::Controller;
use crate::admin::events::Subject;
use crate::events::AlarmCode;
use crate::time::Instant;

const KEY: &str = "direct access";

impl Controller {
    /// The file is another one, or the first.
    pub(super) fn review_direct_access(&mut self, now: Instant) {
        if self.intent.direct_access.allow.is_some() || self.intent.pools.is_empty() {
            self.outputs.clear(KEY, || "the file says who may reach the members at their own addresses".into());
            return;
        }
        let message = "anybody may reach the members at their own addresses: write [direct_access] with allow = \
                       [\"0.0.0.0/0\"] to leave it so, or with the networks that may";
        self.outputs.raise(KEY, (AlarmCode::DirectAccessOpen, Subject::none()), message.into(), now);
    }
}
