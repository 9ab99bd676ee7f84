//! The configuration that is in force, as it is shown to whoever watches from outside.
//!
//! Owns its digest, which is worked out once for each text, and how the last reload ended. What was in force before is kept in
//! [`super::configurations`].

use crate::admin::rows::{InForceRow, Wall};
use openssl::sha::sha256;
use std::fmt::Write;
use std::sync::Arc;

/// Bytes of a digest that are shown.
const SHOWN: usize = 8;

/// What is shown of it.
pub(super) struct InForce {
    text: Arc<str>,
    digest: String,
    last: Wall,
    is_successful: bool,
}

impl InForce {
    /// The appliance has started with this text.
    pub(super) fn new(text: &Arc<str>, now: Wall) -> InForce {
        InForce { text: Arc::clone(text), digest: digest(text), last: now, is_successful: true }
    }

    /// A reload has ended: its configuration was taken over, or refused.
    pub(super) fn reloaded(&mut self, is_successful: bool, now: Wall) {
        (self.is_successful, self.last) = (is_successful, now);
    }

    /// This text is in force.
    pub(super) fn is(&mut self, text: &Arc<str>) {
        if !Arc::ptr_eq(&self.text, text) {
            (self.text, self.digest) = (Arc::clone(text), digest(text));
        }
    }

    pub(super) fn row(&self) -> InForceRow {
        InForceRow { digest: self.digest.clone(), last_reload: self.last, last_reload_successful: self.is_successful }
    }
}

fn digest(text: &str) -> String {
    sha256(text.as_bytes()).iter().take(SHOWN).fold(String::new(), |mut written, byte| {
        // Nothing keeps a text from growing.
        _ = write!(written, "{byte:02x}");
        written
    })
}
