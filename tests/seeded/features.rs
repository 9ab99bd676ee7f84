//! What the file says of pools and members beside who they are: drawn for each run, and changed by reloads.

use crate::admission::Owner;
use crate::packet::Packet;
use crate::run::Run;
use fairlead::policy::intent::{Dscp, OnDownTcp, OnDownUdp, Persistence};
use fairlead::wire::Protocol;
use testbench::dice::Dice;
use testbench::features::{Features, Limit};
use testbench::plan::{Pair, Who, pair};

const PERSISTENCE: [Persistence; 3] = [Persistence::Endpoint, Persistence::Source, Persistence::CallId];
const ON_DOWN_UDP: [OnDownUdp; 3] = [OnDownUdp::Reselect, OnDownUdp::Drain, OnDownUdp::Drop];
/// Most leave what their members give.
const DSCP: [Option<Dscp>; 5] = [None, None, None, Some(Dscp::Cs3), Some(Dscp::Cs0)];
const ON_DOWN_TCP: [OnDownTcp; 3] = [OnDownTcp::Reset, OnDownTcp::Drain, OnDownTcp::Drop];

/// What a run begins with. A quarter of the pools have limits, of the virtual server, of the members, or of both.
pub fn draw(seed: u64) -> Features {
    let mut dice = Dice::new(seed ^ 0x00fe_a704_e5f1);
    // The first numbers of seeds that are alike are alike.
    (0..8).for_each(|_| _ = dice.roll(2));
    let mut features = Features::default();
    // Of their own, so that all else is drawn as before there were any.
    let mut marks = Dice::new(seed ^ 0xd5c9);
    (0..8).for_each(|_| _ = marks.roll(2));
    for pair in 0..2 {
        features.persistence[pair] = dice.pick(&PERSISTENCE);
        features.on_down_udp[pair] = dice.pick(&ON_DOWN_UDP);
        features.on_down_tcp[pair] = dice.pick(&ON_DOWN_TCP);
        features.dscp[pair] = [(); 2].map(|()| marks.pick(&DSCP));
        if !dice.once_in(4) {
            continue;
        }
        let whose = dice.roll(3);
        if whose != 0 {
            features.servers[pair] = limit(&mut dice, &[10, 40, 120]);
        }
        if whose != 1 {
            members(pair).for_each(|who| features.members[who] = limit(&mut dice, &[0, 4, 15, 50]));
        }
    }
    features
}

fn members(of: Pair) -> impl Iterator<Item = Who> {
    (0..6).filter(move |who| pair(*who) == of)
}

/// Limits that are met before everything is forgotten.
fn limit(dice: &mut Dice, most: &[u32]) -> Limit {
    let most = dice.pick(most);
    // Each a part of a second without a rest.
    Limit { most, per_second: dice.pick(&[0, 0, 4, 10, 25]) }
}

impl Run {
    /// The type of service with which a packet leaves that has become `forwarded`.
    pub fn leaves_with(&self, packet: &Packet, forwarded: &Packet) -> u8 {
        let sender = self.model.plan.who_is(packet.way.src.addr).filter(|_| packet.way.src != forwarded.way.src);
        let Some(who) = sender.filter(|_| packet.quoted().is_none()) else { return packet.tos };
        let is_of_service = match packet.protocol() {
            Protocol::Udp => packet.way.src.port == 5060,
            Protocol::Tcp => [5060, 5061].contains(&packet.way.src.port),
            _ => false,
        };
        let dscp = self.model.plan.features.dscp[pair(who)][usize::from(!is_of_service)];
        dscp.map_or(packet.tos, |dscp| packet.tos & 0b11 | dscp.value() << 2)
    }

    /// The file says something else of a pool or its members.
    pub fn features_change(&mut self) {
        let who = self.who();
        let (pair, now) = (pair(who), self.lab.rig.now);
        let is_shared = self.model.plan.is_shared(pair);
        match self.dice.roll(4) {
            0 if is_shared => {
                let policy = self.dice.pick(&ON_DOWN_UDP);
                let (plan, shares) = (&mut self.model.plan, &mut self.model.shares);
                if std::mem::replace(&mut plan.features.on_down_udp[pair], policy) != policy {
                    shares.unsettle(pair, |who| plan.members[who].is_back);
                }
            }
            1 if is_shared => {
                let persistence = self.dice.pick(&PERSISTENCE);
                let before = std::mem::replace(&mut self.model.plan.features.persistence[pair], persistence);
                if before != persistence {
                    self.model.shares.forget_persistence(pair);
                }
            }
            2 if self.model.is_limited(pair) => {
                let limit = limit(&mut self.dice, &[0, 10, 40, 120]);
                self.limit_changes(Owner::Server(pair), limit, now);
            }
            3 if self.dice.once_in(4) => {
                let dscp = self.dice.pick(&DSCP);
                self.model.plan.features.dscp[pair][usize::from(self.dice.once_in(2))] = dscp;
            }
            3 if self.model.is_limited(pair) => {
                let limit = limit(&mut self.dice, &[0, 4, 15, 50]);
                self.limit_changes(Owner::Member(who), limit, now);
            }
            _ => {}
        }
    }

    fn limit_changes(&mut self, owner: Owner, limit: Limit, now: fairlead::time::Instant) {
        let features = &mut self.model.plan.features;
        let before = match owner {
            Owner::Server(pair) => &mut features.servers[pair],
            Owner::Member(who) => &mut features.members[who],
        };
        if std::mem::replace(before, limit).per_second != limit.per_second {
            self.model.rates.unsettle(owner, now);
        }
    }

    /// What stands is counted as it is.
    pub fn expect_counts(&self) {
        let snapshot = self.lab.rig.workers[0].engine().snapshot();
        let limits = &snapshot.connection_limits;
        let members = limits.members().filter_map(|(id, limit)| {
            let who = self.model.plan.who_is(snapshot.members.get(id)?.address)?;
            Some((Owner::Member(who), limit.connections()))
        });
        let servers = limits.servers().filter_map(|(id, limit)| {
            let pool = snapshot.virtual_servers.get(id)?;
            let one = snapshot.members.iter().find(|member| member.pool == *pool)?;
            Some((Owner::Server(pair(self.model.plan.who_is(one.address)?)), limit.connections()))
        });
        for (owner, counted) in members.chain(servers) {
            let (least, most) = self.model.connections(owner, None);
            let within = u64::from(least)..=u64::from(most);
            assert!(within.contains(&counted), "{owner:?} has {least} to {most} connections, not {counted}");
        }
    }
}
