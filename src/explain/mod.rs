//! Floor 4: what would happen to one packet, and why.
//!
//! Owns the [`Explanation`] of a packet that nobody sends. The engine itself decides about it, on a copy of what the worker remembers that
//! concerns the packet ([`Excerpt`](crate::engine::Excerpt)); the reasons are read off what it read and what it remembers then. Decides nothing itself, and
//! changes nothing of the appliance's. Read first: [`Case`] (the packet), [`explain`]; then `trial` (the decision), `owners`, `receiver`,
//! `source` and `exit` (a part of the story each), `content` (what follows from what the packet says, or would if that were known), `outcome`
//! and `remedy` (how it ends).

mod case;
mod content;
mod exit;
mod names;
mod outcome;
mod owners;
mod receiver;
mod remedy;
mod setting;
mod source;
mod steps;
mod trial;

pub use case::Case;
pub use remedy::remedy_for_drop;
pub use setting::{Setting, Worker};

use crate::admin::explain::Explanation;
use names::Names;
use steps::Steps;
use trial::Trial;

/// What would happen to the packet, and why.
pub fn explain(case: &Case, setting: &Setting) -> Explanation {
    let trial = Trial::run(case, setting);
    let names = Names { intent: setting.intent };
    let mut steps = Steps::default();
    owners::tell(&trial, names, &mut steps);
    let receiver = receiver::tell(&trial, names, &mut steps);
    if let Some(dependence) = &trial.dependence {
        steps.add("content", dependence.words(names));
    }
    source::tell(&trial, names, &mut steps);
    let egress = exit::tell(&trial, names, &mut steps);
    let (verdict, reason, outcome) = outcome::of(&trial, names);
    Explanation {
        protocol: case.tuple.protocol.to_string(),
        flags: case.flags(),
        original: case.tuple.into(),
        translated: trial.became.filter(|_| trial.leaves()).map(Into::into),
        verdict: verdict.into(),
        remedy: remedy::of(&trial, names),
        reason,
        outcome,
        interface: names.interface(case.interface),
        worker: trial.worker(),
        virtual_server: receiver.virtual_server,
        pool: receiver.pool,
        member: receiver.member,
        one_of: receiver.one_of,
        depends_on_content: trial.dependence.is_some(),
        egress,
        steps: steps.0,
    }
}
