//! What would happen to a packet: asked of the worker that would decide about it.
//!
//! Owns the question to the workers, and what the explanation is told of pools. The explanation itself is [`explain`]'s.

use super::controller::Controller;
use super::requests::Begun;
use super::waiting::{Found, PATIENCE, Pending};
use crate::admin::answer::{AdminError, Code, Data};
use crate::admin::request::PacketAsked;
use crate::explain::{Case, Setting, Worker, explain};
use crate::policy::intent::PoolId;
use crate::time::Instant;
use crate::worker::mailbox::{Asked, Command};

impl Controller {
    pub(super) fn begin_explanation(&mut self, request_id: u64, packet: &PacketAsked, now: Instant) -> Begun {
        let not_yet = || AdminError::new(Code::Refused, "the appliance is starting: try again in a moment");
        let snapshot = self.publisher.latest().ok_or_else(not_yet)?;
        let case = Case::of(packet, &self.intent, snapshot)?;
        let about = Asked {
            packet: case.packet,
            port: case.port,
            sip: case.sip.unwrap_or_default(),
            members: case.members(&self.intent, snapshot).into(),
        };
        self.ask_workers(|| Command::Excerpt { query: request_id, about: Box::new(about.clone()) });
        let missing = self.machine.workers;
        self.waiting.push(
            request_id,
            Pending::Explained { case: Box::new(case), found: None, missing },
            now + PATIENCE,
        );
        Ok(None)
    }

    pub(super) fn explanation(
        &self,
        case: &Case,
        found: Option<Found>,
        missing: usize,
        now: Instant,
    ) -> Result<Data, AdminError> {
        let Some(Found { worker, excerpt, snapshot }) = found else {
            let message = match missing {
                0 => "the workers were taking over another configuration: ask again".into(),
                _ => format!(
                    "{missing} workers did not answer within {PATIENCE:?}, and one of them would decide: is the appliance overloaded?"
                ),
            };
            return Err(AdminError::new(Code::NoAnswer, message));
        };
        // Names and numbers of what it says are of that file.
        if snapshot.life != self.intent.lives.now {
            let message = "another configuration was taken over meanwhile: ask again";
            return Err(AdminError::new(Code::NoAnswer, message));
        }
        let setting = Setting {
            intent: &self.intent,
            snapshot: &snapshot,
            snat_ports: &self.checks.ports.snat_ports,
            excerpt: &excerpt,
            worker: Some(Worker { number: worker.0, of: self.machine.workers }),
            choice: &|pool| self.choice_words(pool, now),
            is_live: true,
        };
        Ok(Data::Explanation(Box::new(explain(case, &setting))))
    }

    /// Why the pool's members take what is new, and since when.
    fn choice_words(&self, id: PoolId, now: Instant) -> Option<String> {
        self.intent.pools.get(id)?;
        let pool = self.pools.pool(id);
        let forced = if pool.is_forced() { "forced by the operator " } else { "" };
        let span = crate::config::duration_text(crate::time::Duration::from_secs(now.since(pool.since).as_secs()));
        Some(format!("{forced}for {span}: {}", pool.reason))
    }
}
