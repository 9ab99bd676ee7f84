//! What a command asks of the appliance.
//!
//! Owns [`Question`]: the request, how its answer is shown, and what else is asked around it.

use super::kit::Shown;
use super::narrow::Narrow;
use crate::admin::Request;
use crate::admin::rows::Wall;
use crate::cli::client::Failure;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// What is asked, and how the answer is shown.
pub struct Question {
    /// What is asked.
    pub request: Request,
    /// The data of the answer as text; ages are counted from the second argument.
    pub show: Show,
    /// It is printed as JSON instead.
    pub json: bool,
    /// It is asked again every so many seconds.
    pub watch: Option<u64>,
    /// What somebody must agree to before anything is asked.
    pub confirm: Option<String>,
    /// The file whose text the request carries; `-`: standard input, of what a packet says.
    pub file: Option<PathBuf>,
    /// What is asked each second after that, until its `state` is no longer `running`.
    pub follow: Option<Request>,
    /// The file that it is asked of, instead of an appliance.
    pub candidate: Option<PathBuf>,
    /// What is asked each second after that instead of showing the answer: how far it has come, a line each time.
    pub wait: Option<Request>,
    /// What the command ends with, by the data of the answer.
    pub exit: Option<fn(&Value) -> u8>,
    /// Which rows of the answer are shown, if not all.
    pub narrow: Option<Narrow>,
    /// It is asked twice, so many seconds apart, and shown is by how much counters have grown.
    pub during: Option<u64>,
    /// What happens after that is shown too, as it happens.
    pub stream: bool,
    /// What is printed where there is no answer, and what the command ends with, instead of saying why on the standard error.
    pub unanswered: Option<Unanswered>,
}

/// What is printed where there is no answer, and the exit code.
pub type Unanswered = fn(&Failure) -> (String, u8);

impl Question {
    /// How long an answer may take: a little longer than the appliance itself waits for what it depends on.
    pub fn patience(&self) -> Duration {
        // keepalived runs it each second or so, and a late answer is as bad as none.
        if self.request == (Request::Health {}) {
            return Duration::from_secs(1);
        }
        Duration::from_secs(match self.request {
            Request::ProbeNow { .. } => 120,
            // The other appliance has twenty seconds.
            Request::PairPush { .. } => 25,
            Request::MemberSet { .. }
            | Request::PoolForce { .. }
            | Request::PoolAuto { .. }
            | Request::DrillBegin { .. }
            | Request::ExcludeAdd { .. }
            | Request::ExcludeRemove { .. }
            | Request::StateDrop {}
            | Request::Diff { .. }
            | Request::Reload { .. }
            | Request::Rollback { .. }
            | Request::Confirm {} => 15,
            _ => 5,
        })
    }
}

/// See [`Question::show`].
pub type Show = fn(Value, Wall) -> Shown;
