//! What would follow from what the packet says, where nobody said what that is.
//!
//! Owns [`Dependence`]: that it matters, and who may get the packet by it. What a packet says that is known is read by the engine alone.

use super::case::Case;
use super::names::{Names, listed};
use super::setting::Setting;
use crate::engine::{Engine, Path};
use crate::policy::health::State;
use crate::policy::intent::{MemberId, OnDownUdp, Persistence};
use crate::policy::snapshot::{PoolView, ServiceView};
use crate::wire::{Endpoint, Protocol};

/// By what it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dependence {
    /// Which member gets it.
    Receiver {
        /// By its Call-ID as well.
        by_call: bool,
        /// Those that may, beside whoever gets it if it says nothing.
        members: Vec<MemberId>,
    },
    /// As what it leaves that a member sends outward.
    Source,
}

/// What to write so that it is known.
const ADD: &str = "Add --sip-file FILE, or --call-id TEXT";

impl Dependence {
    /// What the packet says matters: the engine reads it, as `reads_sip` says where it goes by that alone. `remote` is whom its sender is
    /// known as.
    pub(super) fn of(
        case: &Case,
        path: Path,
        (engine, reads_sip): (&Engine, bool),
        remote: Endpoint,
        setting: &Setting,
    ) -> Option<Dependence> {
        if case.sip.is_some() || case.tuple.protocol != Protocol::Udp {
            return None;
        }
        let snapshot = setting.snapshot;
        let serves = |member: MemberId| snapshot.member(member).served(Protocol::Udp, case.tuple.src.port).is_some();
        match path {
            Path::Outward(sender) => {
                let pool = snapshot.pool(snapshot.member(sender).pool);
                (goes_by_call(pool) && serves(sender)).then_some(Dependence::Source)
            }
            Path::ServiceIn(_) | Path::Inward(_) | Path::Hairpin { .. } => {
                let service = snapshot.service_at(Protocol::Udp, case.tuple.dst).filter(|service| service.enabled)?;
                let is_shared = snapshot.pool(service.pool).is_shared;
                // What a member sends to several from another port goes by its flow alone.
                let is_read = match path {
                    Path::Hairpin { sender, .. } if is_shared => serves(sender),
                    _ => is_shared || reads_sip,
                };
                is_read.then(|| Dependence::receiver(service, engine, remote, setting))
            }
            _ => None,
        }
    }

    fn receiver(service: &ServiceView, engine: &Engine, remote: Endpoint, setting: &Setting) -> Dependence {
        let snapshot = setting.snapshot;
        let pool = snapshot.pool(service.pool);
        let by_call = goes_by_call(pool);
        let has_calls = |member: MemberId| {
            let view = snapshot.member(member);
            let may_have = match view.state {
                // Taken offline is lost as well.
                State::Down | State::Offline => pool.on_down_udp == OnDownUdp::Drain && !view.gone,
                _ => true,
            };
            may_have || pool.sharing.as_ref().is_some_and(|sharing| sharing.holds(member))
        };
        let may = |member: &MemberId| engine.may_be_answered(*member, remote) || (by_call && has_calls(*member));
        let all = setting.intent.pools.get(service.pool).map_or(&[][..], |pool| &pool.members[..]);
        let all = all.iter().filter(|id| snapshot.members.get(**id).is_some_and(|it| it.pool == service.pool));
        Dependence::Receiver { by_call, members: all.copied().filter(may).collect() }
    }

    /// Who may get it by what it says.
    pub(super) fn members(&self) -> &[MemberId] {
        match self {
            Dependence::Receiver { members, .. } => members,
            Dependence::Source => &[],
        }
    }

    pub(super) fn words(&self, names: Names) -> String {
        let named = |members: &[MemberId]| listed(members.iter().map(|member| names.member(*member)));
        let matters = match self {
            Dependence::Receiver { by_call: true, members } => format!(
                "a SIP message goes by its Call-ID (persistence = \"call-id\"), and an answer to whoever asked, by its topmost Via: to one \
                 of {}",
                named(members)
            ),
            Dependence::Receiver { by_call: false, members } => {
                format!("a SIP answer goes to whoever asked, by its topmost Via: to one of {}", named(members))
            }
            Dependence::Source => {
                "a SIP message of a call with a virtual address leaves with that as its source (persistence = \
                                   \"call-id\")"
                    .to_owned()
            }
        };
        format!("unknown, so this is about a datagram that is no SIP; {matters}. {ADD}")
    }
}

fn goes_by_call(pool: &PoolView) -> bool {
    pool.is_shared && pool.persistence == Persistence::CallId
}
