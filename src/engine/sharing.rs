//! Pools of several active members: which of them takes what.
//!
//! Owns the rule that whoever talks to such a pool stays with one member as long as that is there: a connection by its flow, a datagram
//! by that of its remote endpoint and the service port, made by the first datagram either of them sends and kept as long as any
//! UDP flow. Only what has no flow asks [`Sharing`](crate::policy::sharing::Sharing), which knows nobody who is down, drained or held
//! back; and only when its member is lost does a flow go to another.
//!
//! A member may speak to a remote endpoint that talks to another one. What it says leaves translated, and the answer to what it asks
//! comes back to it as among the members of a pair (`affinity`): by the topmost Via, or by its branch. While that may be so, the remote's
//! datagrams are read one by one, and its flow has no cached route.

use super::affinity::peer_of;
use super::flow_book::is_visited;
use super::lost_peers::Kept;
use super::verdict::{DropReason, Verdict};
use super::walk::Walk;
use crate::flow::{Direction, Flow, FlowId, PathKind};
use crate::policy::health::State;
use crate::policy::intent::{MemberId, Mode, Persistence, PoolId};
use crate::policy::snapshot::{Served, ServiceView};
use crate::time::Duration;
use crate::wire::sip;
use crate::wire::{Endpoint, Protocol, Tuple};
use std::net::Ipv4Addr;

/// Who takes what nobody has kept until now.
struct NewPeer {
    /// By which it is kept from now on.
    flow: Flow,
    /// What its first packet becomes.
    became: Tuple,
    /// For how long nothing was heard of its member.
    idle: Duration,
}

impl Walk<'_> {
    /// Whose turn it is to take what `source` begins.
    pub(super) fn chosen(&mut self, pool: PoolId, source: Ipv4Addr) -> Option<MemberId> {
        let view = self.snapshot.pool(pool);
        match &view.sharing {
            Some(sharing) if sharing.mode() == Mode::LeastConnections => {
                self.state.rounds.least(pool, sharing, |_| true)
            }
            Some(sharing) => sharing.choose(source, self.state.rounds.next(pool)),
            None => view.active,
        }
    }

    /// A datagram from outside to a service port of such a pool; `tuple` is its own.
    pub(super) fn shared_datagram_in(&mut self, service: &ServiceView, tuple: Tuple) -> Verdict {
        if !service.admits(tuple.src.addr) {
            return Verdict::Drop(DropReason::VirtualServerDenied);
        }
        if !service.enabled {
            return self.reject_by_protocol(DropReason::VirtualServerDisabled);
        }
        let pool = service.pool;
        if let Some(call) = self.call(pool) {
            return match self.receiver_of_call(pool, call, &tuple) {
                Ok(member) => self.forward_inside(tuple, member),
                Err(verdict) => verdict,
            };
        }
        let stood = self.stood_with_lost(pool, &tuple);
        let known = self.keeper(pool, &tuple);
        if let Some(asker) = self.other_asker(pool, tuple.src, known.map(|(_, member)| member)) {
            return self.forward_inside(tuple, asker);
        }
        if let Some((id, _)) = known {
            let kept = self.kept(pool, id);
            if let Some(verdict) = self.not_taken(pool, kept) {
                return verdict;
            }
            if self.state.flows.at(id).is_some_and(is_visited) {
                self.state.flows.set_visits(id, false);
            }
            let side = self.side_of(id, &tuple);
            return self.on_kept_flow(kept, id, side, tuple);
        }
        match self.new_peer(service, tuple, stood) {
            Ok(NewPeer { flow, became, idle }) => {
                let verdict = self.begin(flow, tuple, became);
                self.begins_idle(&tuple, idle);
                verdict
            }
            Err(verdict) => verdict,
        }
    }

    /// A datagram between service ports of a member and of such a pool, whose sender is known as `tuple.src`: who takes it, and the flow by
    /// which it keeps the sender from now on, if the datagram leaves and there was none.
    pub(super) fn shared_receiver(
        &mut self,
        service: &ServiceView,
        tuple: Tuple,
    ) -> Result<(MemberId, Option<Flow>), Verdict> {
        let pool = service.pool;
        if let Some(call) = self.call(pool) {
            return self.receiver_of_call(pool, call, &tuple).map(|member| (member, None));
        }
        let stood = self.stood_with_lost(pool, &tuple);
        let known = self.keeper(pool, &tuple);
        if let Some(asker) = self.other_asker(pool, tuple.src, known.map(|(_, member)| member)) {
            return Ok((asker, None));
        }
        if let Some((id, member)) = known {
            let kept = self.kept(pool, id);
            if kept == Kept::Served {
                self.state.flows.refresh(self.snapshot, id, Direction::Original, None, self.now);
            }
            return self.not_taken(pool, kept).map_or(Ok((member, None)), Err);
        }
        let NewPeer { flow, idle, .. } = self.new_peer(service, tuple, stood)?;
        // What is left with a lost manager has its flow at the address where that began.
        Ok((MemberId(flow.member), idle.is_zero().then_some(flow)))
    }

    /// A member of such a pool sends a datagram outside from a service port, and no flow with its own address says where.
    pub(super) fn shared_datagram_out(&mut self, sender: MemberId, tuple: Tuple, served: &Served) -> Verdict {
        // Who is excluded and has called the virtual address has a flow.
        if self.snapshot.member(sender).exclude.holds(tuple.dst.addr) {
            return self.route_unchanged();
        }
        let outside = Tuple { src: Endpoint::new(served.address, tuple.src.port), ..tuple };
        let verdict = self.forward_as(&tuple, &outside);
        if verdict.is_forwarded() {
            self.shared_spoke(sender, outside.reversed());
        }
        verdict
    }

    /// `sender` has spoken from its service port to a remote endpoint that answers with `answer`: to it from now on, unless another
    /// member talks to that remote already, or this one takes no new work.
    pub(super) fn shared_spoke(&mut self, sender: MemberId, answer: Tuple) {
        let pool = self.snapshot.member(sender).pool;
        let has_call = self.call(pool).is_some_and(|call| self.spoke_in_call(sender, call));
        match self.keeper(pool, &answer) {
            Some((id, keeper)) if keeper == sender => {
                self.take_back(id);
                self.state.flows.refresh(self.snapshot, id, Direction::Reply, None, self.now);
            }
            // Who has the call is known.
            Some(_) if has_call => {}
            Some((id, _)) => {
                self.note_asker(sender, answer.src);
                // What comes from there is read, one by one.
                let outside = self.side_of(id, &answer);
                self.state.flows.forget_route(id, outside);
            }
            None if self.may_keep(sender) => {
                let (flow, _) = self.shared_flow(sender, answer);
                let _ = self.state.flows.keep(self.snapshot, flow, self.now);
            }
            None if has_call => {}
            None => self.note_asker(sender, answer.src),
        }
    }

    /// Who takes what begins with this tuple, which nobody keeps. It goes to the member that keeps its sender at another virtual address of
    /// the pool, which is no other connection; or else to whose turn it is, as far as the limits go, unless it `stood` with a member that
    /// is lost.
    fn new_peer(&mut self, service: &ServiceView, tuple: Tuple, stood: bool) -> Result<NewPeer, Verdict> {
        if let Some((member, idle)) = self.keeper_elsewhere(service.pool, &tuple)? {
            let (flow, became) = self.shared_flow(member, tuple);
            return Ok(NewPeer { flow, became, idle });
        }
        let member = match stood {
            true => self.target(service.pool, tuple.src.addr).ok_or_else(|| self.no_member(service.pool))?,
            false => self.receiver_of_new(service, &tuple, tuple.src.addr)?,
        };
        let (mut flow, became) = self.shared_flow(member, tuple);
        flow.virtual_server = service.virtual_server.0;
        Ok(NewPeer { flow, became, idle: Duration::ZERO })
    }

    /// The flow that has just begun, if one has, has heard nothing of its member for so long.
    fn begins_idle(&mut self, tuple: &Tuple, idle: Duration) {
        if !idle.is_zero()
            && let Some((id, _)) = self.state.flows.find(tuple)
        {
            self.state.flows.set_idle(id, idle, self.now);
        }
    }

    /// The member that keeps the sender at another virtual address of the pool; and for how long nothing was heard of that, if it is lost
    /// and the sender is left with it: what is left there is not renewed by beginning here. What one member says to one remote endpoint leaves by one
    /// flow: by two members, each address would in turn take the other's.
    fn keeper_elsewhere(&mut self, pool: PoolId, tuple: &Tuple) -> Result<Option<(MemberId, Duration)>, Verdict> {
        let services = &self.snapshot.pool(pool).services;
        for &(listen, address) in services {
            let there = Tuple { dst: Endpoint::new(address, tuple.dst.port), ..*tuple };
            if listen.is(tuple.protocol, tuple.dst.port)
                && there.dst != tuple.dst
                && let Some((id, member)) = self.keeper(pool, &there)
            {
                match self.kept(pool, id) {
                    Kept::Orphaned => {}
                    Kept::Served => return Ok(Some((member, Duration::ZERO))),
                    Kept::Drained => return Ok(Some((member, self.state.flows.idle(id, self.now)))),
                    Kept::Dropped => return Err(Verdict::Drop(DropReason::MemberLost)),
                }
            }
        }
        Ok(None)
    }

    /// `sender` has spoken on a flow. If that was lost with it, and it is back, it keeps the remote endpoint again, like whoever speaks to
    /// one first.
    pub(super) fn keep_again(&mut self, sender: MemberId, id: FlowId) {
        let pool = self.snapshot.member(sender).pool;
        let is_its =
            |flow: &Flow| flow.path == PathKind::Service && flow.protocol() == Protocol::Udp && flow.member == sender.0;
        let Some(flow) = self.state.flows.at(id).filter(|flow| is_its(flow)) else { return };
        if self.is_over(pool, flow) && self.may_keep(sender) {
            self.state.flows.renew(id, self.snapshot.pool(pool).generation.0);
        }
        self.take_back(id);
    }

    /// What comes with this tuple stood with a member that is lost, and goes to another one.
    fn stood_with_lost(&mut self, pool: PoolId, tuple: &Tuple) -> bool {
        let flow = self.state.flows.find_live(self.snapshot, tuple).and_then(|(id, _)| self.state.flows.at(id));
        flow.is_some_and(|flow| flow.path == PathKind::Service && self.is_over(pool, flow))
    }

    /// The member that keeps what comes with this tuple, and its flow. One whose member is lost is over as soon as somebody else can
    /// take it, unless the pool leaves it with that; it is forgotten when another one does, so that it is known until then that what
    /// comes is nothing new.
    pub(super) fn keeper(&mut self, pool: PoolId, tuple: &Tuple) -> Option<(FlowId, MemberId)> {
        let (id, _) = self.state.flows.find_live(self.snapshot, tuple)?;
        // A flow of another kind is of before there was the service.
        let flow = self.state.flows.at(id).filter(|flow| flow.path == PathKind::Service)?;
        // One that was begun for what is left with a lost member may stand longer than it counts.
        let idle = self.state.flows.idle(id, self.now);
        let is_late = self.has_lost_its_member(flow) && idle >= self.snapshot.timeouts.udp;
        if is_late {
            self.state.flows.forget(self.snapshot, id);
            return None;
        }
        if self.is_over(pool, flow) {
            return None;
        }
        let member = MemberId(self.state.flows.at(id)?.member);
        Some((id, member))
    }

    /// Datagrams with this tuple are read one by one: the pool goes by their Call-ID, or a member has spoken to their sender that does not
    /// keep it; or SIP is counted.
    pub(super) fn is_read(&self, flow: &Flow, tuple: &Tuple) -> bool {
        if flow.protocol() != Protocol::Udp {
            return false;
        }
        match flow.path {
            PathKind::Service => {
                let pool = self.pool_of(MemberId(flow.member));
                let is_asked = || self.state.askers.find(&peer_of(pool, tuple.src)).is_some();
                self.snapshot.counts_sip() || pool.persistence == Persistence::CallId || is_asked()
            }
            // A visitor of a member's service port may have calls with the virtual address beside.
            PathKind::Routed => self.goes_by_call(MemberId(flow.opener), tuple),
            _ => false,
        }
    }

    /// What comes with this tuple is from a service port of a member whose pool goes by calls.
    pub(super) fn goes_by_call(&self, member: MemberId, tuple: &Tuple) -> bool {
        let view = self.snapshot.members.get(member).filter(|view| view.address == tuple.src.addr);
        view.is_some_and(|view| {
            let pool = self.snapshot.pool(view.pool);
            pool.persistence == Persistence::CallId && view.served(tuple.protocol, tuple.src.port).is_some()
        })
    }

    /// Another member than `keeper` asked what this datagram answers.
    pub(super) fn other_asker(&mut self, pool: PoolId, remote: Endpoint, keeper: Option<MemberId>) -> Option<MemberId> {
        let sip::Facts::Answer { sent_by, branch, is_final, .. } = self.sip else { return None };
        let asker = self.asker(pool, remote, sent_by, branch).filter(|asker| Some(*asker) != keeper);
        if let Some(branch) = branch.filter(|_| is_final) {
            self.state.askers.note_answer(&peer_of(self.snapshot.pool(pool), remote), branch);
        }
        self.state.speaker_answered |= asker.is_some();
        asker
    }

    /// A member asks a remote endpoint that it does not keep.
    fn note_asker(&mut self, sender: MemberId, remote: Endpoint) {
        let view = self.snapshot.member(sender);
        if let sip::Facts::Request { branch: Some(branch), .. } = self.sip
            && view.state != State::Offline
        {
            let (peer, speaker) = (peer_of(self.pool_of(sender), remote), self.reference(sender));
            self.state.askers.note_request(peer, speaker, view.state == State::Down, branch, self.now);
        }
    }

    /// The member takes new work, as far as is known: who answers it may be its own from now on.
    fn may_keep(&self, sender: MemberId) -> bool {
        let view = self.snapshot.member(sender);
        view.may_claim && matches!(view.state, State::Up | State::Unknown)
    }

    /// The flow of a remote endpoint that `member` keeps, and what the remote's datagrams become.
    fn shared_flow(&self, member: MemberId, outside: Tuple) -> (Flow, Tuple) {
        let inside = Endpoint::new(self.snapshot.member(member).address, outside.dst.port);
        let became = Tuple { dst: inside, ..outside };
        let mut flow = self.new_flow(PathKind::Service, outside, became.reversed());
        self.belongs(&mut flow, member, Direction::Reply);
        self.loses_with(&mut flow, member);
        (flow, became)
    }

    /// Who sends packets with this tuple, which is one of the flow's keys.
    fn side_of(&self, id: FlowId, tuple: &Tuple) -> Direction {
        match self.state.flows.at(id).is_some_and(|flow| flow.key(Direction::Original) == *tuple) {
            true => Direction::Original,
            false => Direction::Reply,
        }
    }
}
