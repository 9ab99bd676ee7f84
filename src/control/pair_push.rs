//! The configuration of one appliance of a pair, sent to the other.
//!
//! Owns both ends of `fairlead pair push`: what is sent is what is in force; where it arrives it is checked there, with what is that appliance's
//! own ([`crate::config::for_this_one`]), and taken over as by a reload that must be confirmed.

use super::controller::Controller;
use super::outbox::Output;
use super::pair_word::PairWord;
use super::proposed::{How, Reading};
use super::requests::Begun;
use super::waiting::Pending;
use crate::admin::Answer;
use crate::admin::answer::{AdminError, Answered, Code, Data};
use crate::admin::request::CONFIRM_MAX;
use crate::admin::rows::{ConfigurationCause, Reloaded};
use crate::config::LogLevel;
use crate::events::EventName;
use crate::sync::LONGEST;
use crate::time::{Duration, Instant};
use std::sync::Arc;

/// How long the other one may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Without another word it has to be confirmed within so many seconds.
const CONFIRM: u64 = 300;
/// Requests of the other one's are counted down from here, and operators' up from 1.
const LAST: u64 = u64::MAX;

impl Controller {
    /// An operator wants the other appliance to have this one's configuration.
    pub(super) fn begin_push(&mut self, request_id: u64, (confirm_s, yes): (Option<u64>, bool), now: Instant) -> Begun {
        let refused = |why: String| Err(AdminError::new(Code::Refused, why));
        if !self.has_peer() {
            let why = "the file names no other appliance: write [pair] peer, certificate, key and peer_certificate";
            return refused(why.into());
        }
        if !self.pair_link.is_up() {
            return refused(format!("there is no connection to the other appliance: {}", self.pair_link.failure()));
        }
        if self.follows_peer() && !yes {
            return refused(format!(
                "this appliance stands by: what it has would be in force at once at {name}, which is active, for all traffic. `fairlead pair \
                 push` there sends that one's here; `--yes` sends this one's there all the same",
                name = self.pair_link.name()
            ));
        }
        if !self.pair_link.pushes.is_empty() {
            return refused(format!("{} is sending its own here at this moment: try again", self.pair_link.name()));
        }
        if let Some(why) = self.in_the_way(now) {
            return refused(why);
        }
        let text = self.configurations.last().text.to_string();
        // Quotes and line ends take two bytes on the way.
        if text.len() > LONGEST / 2 {
            return refused(format!("the configuration is larger than {} MiB, too much to be sent", LONGEST >> 21));
        }
        self.say_to_peer(PairWord::Push { number: request_id, text, confirm_s: confirm_s.unwrap_or(CONFIRM) });
        self.waiting.push(request_id, Pending::Pushed { outcome: None }, now + PATIENCE);
        Ok(None)
    }

    /// The other one sends its configuration.
    pub(super) fn on_push(&mut self, number: u64, text: &str, confirm_s: u64, now: Instant) {
        let busy = (!self.pair_link.pushes.is_empty()).then(|| "another one is being read".to_owned());
        // Both would have the other's in the end, each what an operator wanted to be rid of.
        let crosses = self
            .waiting
            .has_push()
            .then(|| "it is sending its own at this moment: try again on one of the two".to_owned());
        let stopping = self.stopping.is_some().then(|| "the appliance is shutting down".to_owned());
        if let Some(why) = busy.or(crosses).or(stopping).or_else(|| self.in_the_way(now)) {
            return self.say_to_peer(PairWord::Pushed { number, outcome: Err(why) });
        }
        let name = self.pair_link.name().to_owned();
        let message = format!("{name} sends its configuration, to be confirmed within {confirm_s} s");
        self.log(EventName::PairPush, LogLevel::Info, message);
        let request_id = LAST - self.pair_link.pushed;
        self.pair_link.pushed += 1;
        self.pair_link.pushes.insert(request_id, number);
        let how = How {
            cause: ConfigurationCause::Pushed,
            confirm: Some(Duration::from_secs(confirm_s.clamp(1, CONFIRM_MAX))),
            life: Some(self.file.intent.lives.now),
            ..How::default()
        };
        self.readings.insert(request_id, Reading::TakeOver(how));
        let (text, own) = (text.into(), Arc::clone(&self.configurations.last().text));
        let name = format!("the configuration of {name}");
        self.outputs.push(Output::ReadPushed { request_id, name, text, own });
    }

    /// What came of a configuration of the other one's goes back to it. Says whether this answers one.
    pub(super) fn answer_push(&mut self, request_id: u64, answer: &Answer) -> bool {
        let Some(number) = self.pair_link.pushes.remove(&request_id) else { return false };
        let outcome = match answer {
            Ok(Answered { data: Data::Reloaded(reloaded), .. }) => Ok(Box::new(reloaded.clone())),
            Ok(_) => Ok(Box::default()),
            Err(error) => Err(error.message.clone()),
        };
        self.say_to_peer(PairWord::Pushed { number, outcome });
        true
    }

    /// The answer to who has sent one.
    pub(super) fn pushed(&self, outcome: Option<Result<Box<Reloaded>, String>>) -> Result<Data, AdminError> {
        match outcome {
            Some(Ok(reloaded)) => Ok(Data::Reloaded(*reloaded)),
            Some(Err(why)) => {
                Err(AdminError::new(Code::Refused, format!("the other appliance has not taken it: {why}")))
            }
            None => {
                let message = format!(
                    "the other appliance has not answered within {} s: look there with `fairlead history`",
                    PATIENCE.as_secs()
                );
                Err(AdminError::new(Code::NoAnswer, message))
            }
        }
    }
}
