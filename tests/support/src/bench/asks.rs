//! What an operator asks, and the answers.

use super::Bench;
use fairlead::admin::drain::DrainReport;
use fairlead::admin::request::{AdminState, FlowSelection};
use fairlead::admin::rows::{FlowRow, MemberRow, MemberState, ProbeRow, Role, SwitchoverRow};
use fairlead::admin::{Data, Request};
use std::time::Duration;

pub const POOL: &str = "pair-1";

impl Bench {
    /// An operator asks, and waits for the answer.
    pub fn ask(&mut self, request: Request) -> Result<Data, String> {
        let request_id = self.lead.ask(request, self.now());
        let end = self.now() + Duration::from_secs(5);
        while self.now() < end {
            if let Some(answer) = self.lead.answer(request_id) {
                return answer.map(|reply| reply.data).map_err(|error| error.message);
            }
            self.turn();
        }
        panic!("an operator was left without an answer for five seconds");
    }

    pub fn rows(&mut self) -> Vec<MemberRow> {
        let Ok(Data::Members(rows)) = self.ask(Request::Members {}) else { panic!("no members") };
        rows
    }

    pub fn row(&mut self, name: &str) -> MemberRow {
        self.rows().into_iter().find(|row| row.name == name).expect("the member exists")
    }

    /// The active member, as an operator reads it.
    pub fn active(&mut self) -> Option<String> {
        let rows = self.rows();
        let active: Vec<_> = rows.into_iter().filter(|row| row.role == Role::Active && row.pool == POOL).collect();
        assert!(active.len() <= 1, "one pair has at most one active member");
        active.into_iter().next().map(|row| row.name)
    }

    /// A member's admin state, as an operator reads it.
    pub fn admin(&mut self, name: &str) -> AdminState {
        self.row(name).admin
    }

    /// A member's state, as an operator reads it.
    pub fn state(&mut self, name: &str) -> MemberState {
        self.row(name).state
    }

    pub fn probe_row(&mut self, member: &str, monitor: &str) -> ProbeRow {
        let Ok(Data::Probes(rows)) = self.ask(Request::Probes {}) else { panic!("no probes") };
        rows.into_iter().find(|row| row.member == member && row.monitor == monitor).expect("the monitor exists")
    }

    pub fn switchovers(&mut self) -> Vec<SwitchoverRow> {
        let Ok(Data::Switchovers(rows)) = self.ask(Request::Switchovers {}) else { panic!("no switchovers") };
        rows
    }

    pub fn last_switchover(&mut self) -> SwitchoverRow {
        self.switchovers().into_iter().max_by_key(|row| row.detected).expect("there was one")
    }

    pub fn alarms(&mut self) -> Vec<String> {
        let Ok(Data::Status(status)) = self.ask(Request::Status {}) else { panic!("no status") };
        status.alarms.into_iter().map(|alarm| alarm.message).collect()
    }

    pub fn flows(&mut self, filter: FlowSelection) -> Vec<FlowRow> {
        let asked = self.ask(Request::Flows { filter, limit: 100_000 });
        let Ok(Data::Flows(rows, _)) = asked else { panic!("no flows: {asked:?}") };
        rows
    }

    /// A counter's sum over all workers, as an operator reads it.
    pub fn counter(&mut self, name: &str) -> u64 {
        let Ok(Data::Counters(rows)) = self.ask(Request::Counters { all: true }) else { panic!("no counters") };
        let mut rows = rows.into_iter().filter(|row| row.name == name).peekable();
        assert!(rows.peek().is_some(), "there is no counter `{name}`");
        rows.filter(|row| row.worker.is_none()).map(|row| row.value).sum()
    }

    pub fn force(&mut self, member: &str) {
        self.ask(Request::PoolForce { pool: POOL.into(), member: member.into() }).expect("it can be forced");
    }

    pub fn auto(&mut self) {
        self.ask(Request::PoolAuto { pool: POOL.into() }).expect("the choice can be given back");
    }

    /// Drained, for so many seconds if for a time.
    pub fn drain(&mut self, member: &str, for_s: Option<u64>) {
        let admin = AdminState::Draining;
        self.ask(Request::MemberSet { member: member.into(), admin, yes: false, for_s }).expect("the member exists");
    }

    pub fn drain_report(&mut self, member: &str) -> DrainReport {
        let Ok(Data::DrainReport(report)) = self.ask(Request::DrainReport { member: member.into() }) else {
            panic!("no report of {member}")
        };
        report
    }

    pub fn set(&mut self, member: &str, admin: AdminState) {
        self.ask(Request::MemberSet { member: member.into(), admin, yes: true, for_s: None })
            .expect("the member exists");
    }
}
