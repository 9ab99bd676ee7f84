//! What is not sent of datagrams of service ports, where several members are active: the specification has no rule for it.

use crate::keeper::Keeper;
use crate::packet::{Packet, What};
use crate::run::Run;
use crate::skipped::Reason;
use fairlead::policy::intent::{OnDownUdp, Persistence};
use fairlead::wire::{Endpoint, Protocol};
use testbench::plan::{Pair, Who, pair, vip};

impl Run {
    /// A datagram for the service of a pool.
    pub fn skips_unruled_senders(&self, packet: &Packet, called: Pair) -> Reason {
        let (model, service) = (&self.model, packet.way.dst.port == 5060);
        if !(service && matches!(packet.what, What::Datagram) && model.plan.is_shared(called)) {
            return None;
        }
        let remote = self.seen_as(packet)?;
        let features = &model.plan.features;
        let is_plain = features.on_down_udp[called] == OnDownUdp::Reselect
            && features.persistence[called] != Persistence::CallId
            && !model.is_limited(called);
        if remote == Endpoint::new(vip(called), 5060) && !is_plain {
            return Some("no rule: which member gets what another one sends to their own address");
        }
        let (peer, call) = (model.shares.known(called, remote), model.call_of(called, packet.sip));
        let known = call.map_or(peer, |call| model.shares.call(called, call));
        match known {
            Some(Keeper::Open) => Some("no rule: who has a peer or a call that may be left with a lost member"),
            Some(Keeper::Lost(who)) if model.may_answer(called, remote, packet.sip, who) => {
                Some("no rule: an answer for a member that is lost and asked when it was down")
            }
            None | Some(Keeper::Lost(_) | Keeper::Perhaps(_))
                if call.is_some()
                    && packet.sip.is_some_and(|sip| !sip.asks())
                    && peer.is_some_and(|peer| peer.sure().is_none()) =>
            {
                Some("no rule: an answer in a call that nobody has, from a peer whose member is lost")
            }
            _ => None,
        }
    }

    /// As whom the pool that is called knows the sender; `None` if that is left to the appliance.
    fn seen_as(&self, packet: &Packet) -> Option<Endpoint> {
        let Some(who) = self.model.plan.who_is(packet.way.src.addr) else { return Some(packet.way.src) };
        let address = vip(pair(who));
        if packet.way.src.port == 5060 {
            return Some(Endpoint::new(address, 5060));
        }
        let port = self.model.flows.snat_port((Protocol::Udp, who, packet.way.src.port))?;
        Some(Endpoint::new(address, port))
    }

    /// What a member says from its service port in a call that another one has.
    pub fn skips_calls_of_others(&self, packet: &Packet) -> Reason {
        let who = self.model.plan.who_is(packet.way.src.addr).filter(|_| packet.way.src.port == 5060)?;
        let call = self.model.call_of(pair(who), packet.sip)?;
        let others = self.model.shares.call(pair(who), call).filter(|keeper| !keeper.may_be(who));
        (self.workers > 1 && others.is_some())
            .then_some("no rule: who has a call that two members have spoken in, when several workers serve it")
    }

    /// What a member sends outside in a call of which it is left open whether it is known, to a host that is answered otherwise then.
    pub fn skips_unruled_calls(&self, packet: &Packet, who: Who) -> Reason {
        let call = self.model.call_of(pair(who), packet.sip)?;
        if let Some(reason) = self.skips_calls_of_others(packet) {
            return Some(reason);
        }
        let is_known = match self.model.shares.call(pair(who), call) {
            Some(Keeper::Lost(by)) => self.model.is_left(by),
            Some(Keeper::Perhaps(_) | Keeper::Open) => false,
            _ => true,
        };
        let stands_out =
            self.model.plan.excludes(packet.way.dst.addr) || self.model.flows.find(Protocol::Udp, packet.way).is_some();
        (stands_out && !is_known).then_some("no rule: an excluded peer and a call that may be known")
    }
}
