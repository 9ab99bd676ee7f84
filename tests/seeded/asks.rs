//! Whose answer it is: what members have asked, and whom the answer to that goes to.
//!
//! An answer goes to the member whose address stands in its topmost Via; where that is the virtual address or a name, to who used its
//! branch, of members that were not active or do not keep the one they asked. A member that is down gets none, unless it was when it asked.

use crate::keeper::Keeper;
use crate::model::{Choice, Model};
use crate::sip::{Sip, Start, Via};
use fairlead::policy::health::State;
use fairlead::policy::intent::Persistence;
use fairlead::wire::Endpoint;
use std::collections::HashMap;
use testbench::plan::{Pair, Plan, Who, pair};

/// So many branches of a remote endpoint are remembered.
const ROW: usize = 8;

/// A request, as a pool remembers it.
#[derive(Clone, Copy, Debug)]
struct Ask {
    who: Who,
    branch: u32,
    placed: Placed,
    answered: Answered,
    /// How often its sender had been down, if it was down when it asked.
    down: Option<u32>,
}

/// It takes a place in the row, by which it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placed {
    No,
    /// That is left open.
    Perhaps,
    Yes,
}

/// A final answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    No,
    /// One has, and was not forwarded.
    Perhaps,
    Yes,
}

/// What was asked of a remote endpoint.
#[derive(Clone, Debug, Default)]
struct Row {
    asks: Vec<Ask>,
    /// One of them gave way that was not answered, or may have.
    forgot: bool,
    /// These have spoken while they were down.
    down: Vec<Who>,
}

#[derive(Default)]
pub struct Asks {
    rows: HashMap<(Pair, Endpoint), Row>,
    /// How often each member has been down.
    downs: [u32; 6],
}

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    Nobody,
    Surely(Who),
    /// One of these, or nobody: that is left open.
    Perhaps(Vec<Who>),
}

/// Whether a member gets an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reached {
    Yes,
    No,
    Open,
}

impl Asks {
    pub fn goes_down(&mut self, who: Who) {
        self.downs[who] += 1;
    }

    /// A member has spoken as the active one: what it has asked before takes no place any more.
    pub fn gives_up(&mut self, pair: Pair, remote: Endpoint, who: Who) {
        let Some(row) = self.rows.get_mut(&(pair, remote)) else { return };
        let its = row.asks.iter_mut().filter(|ask| ask.who == who);
        its.for_each(|ask| ask.placed = Placed::No);
    }

    /// A member has become active, or keeps a peer: whether what it has asked before is remembered is left open.
    pub fn unsure(&mut self, of: impl Fn(Pair, Endpoint, Who) -> bool) {
        for ((pair, remote), row) in &mut self.rows {
            row.asks.iter_mut().filter(|ask| of(*pair, *remote, ask.who)).for_each(Ask::unsettle);
        }
    }

    /// Members or virtual addresses are gone.
    pub fn forget(&mut self, pair_is_gone: impl Fn(Pair) -> bool, is_gone: impl Fn(Who) -> bool) {
        self.rows.retain(|(pair, _), _| !pair_is_gone(*pair));
        self.rows.values_mut().for_each(|row| row.asks.retain(|ask| !is_gone(ask.who)));
    }

    /// A member has spoken to `remote`. What it has asked takes a place if it is no receiver of what comes from there.
    pub fn note(&mut self, plan: &Plan, who: Who, remote: Endpoint, sip: Option<Sip>, placed: Placed) {
        let (pair, is_down) = (pair(who), plan.members[who].state == State::Down);
        let row = self.rows.entry((pair, remote)).or_default();
        if is_down && !row.down.contains(&who) {
            row.down.push(who);
        }
        let Some(Sip { branch, start: Start::Request, .. }) = sip else { return };
        let placed = if plan.members[who].state == State::Offline { placed.min(Placed::Perhaps) } else { placed };
        let down = is_down.then_some(self.downs[who]);
        row.asks.push(Ask { who, branch, placed, answered: Answered::No, down });
        row.gives_way();
    }

    /// A final answer comes.
    pub fn note_answer(&mut self, pair: Pair, remote: Endpoint, sip: Option<Sip>, is_forwarded: bool) {
        let Some(Sip { branch, start: Start::Ok, .. }) = sip else { return };
        let Some(row) = self.rows.get_mut(&(pair, remote)) else { return };
        for ask in row.asks.iter_mut().filter(|ask| ask.branch == branch && ask.answered != Answered::Yes) {
            ask.answered = if is_forwarded { Answered::Yes } else { Answered::Perhaps };
        }
    }

    fn reached(&self, plan: &Plan, row: Option<&Row>, who: Who, ask: Option<&Ask>) -> Reached {
        match plan.members[who].state {
            State::Offline => Reached::No,
            State::Down if ask.is_some_and(|ask| ask.is_sure() && ask.down == Some(self.downs[who])) => Reached::Yes,
            State::Down if row.is_some_and(|row| row.down.contains(&who)) => Reached::Open,
            State::Down => Reached::No,
            _ => Reached::Yes,
        }
    }
}

impl Ask {
    /// It is remembered.
    fn is_sure(&self) -> bool {
        self.placed == Placed::Yes
    }

    fn unsettle(&mut self) {
        self.placed = self.placed.min(Placed::Perhaps);
    }
}

impl Row {
    /// The last few are remembered; those that were answered give way first. Where some may take a place, or not, one may have given way.
    fn gives_way(&mut self) {
        let places = self.asks.iter_mut().rev().filter(|ask| ask.placed != Placed::No);
        let (answered, waiting): (Vec<_>, Vec<_>) = places.partition(|ask| ask.answered == Answered::Yes);
        if answered.len() + waiting.len() <= ROW {
            return;
        }
        self.forgot |= waiting.len() > ROW;
        let late = waiting.into_iter().enumerate().filter(|(at, ask)| *at >= ROW || ask.answered != Answered::No);
        answered.into_iter().chain(late.map(|(_, ask)| ask)).for_each(Ask::unsettle);
    }
}

impl Model {
    /// Who asked what this answers, of the pool that it comes to.
    fn whom(&self, pair: Pair, remote: Endpoint, sip: Sip) -> Asker {
        let (plan, asks) = (&self.plan, &self.asks);
        let row = asks.rows.get(&(pair, remote));
        // One that has spoken since without asking may get what is forgotten as well.
        let claimant = self.claims.get(&(pair, remote)).map(|(who, _)| *who);
        let all = |row: &Row| -> Vec<Who> { row.asks.iter().map(|ask| ask.who).chain(claimant).collect() };
        let ask = row.and_then(|row| row.asks.iter().find(|ask| ask.branch == sip.branch));
        match (sip.via, row, ask) {
            (Via::Own(who), _, _) if plan.members_of(pair).contains(&who) => {
                // That all answers are read while a member has asked that does not get them anyway is ruled; that they are otherwise
                // is not.
                let is_read =
                    self.is_read(pair, remote, who) || row.is_some_and(|row| row.asks.iter().any(Ask::is_sure));
                match asks.reached(plan, row, who, ask) {
                    Reached::No => Asker::Nobody,
                    Reached::Yes if is_read => Asker::Surely(who),
                    _ => Asker::Perhaps(vec![who]),
                }
            }
            (_, Some(row), Some(ask)) if row.forgot && !ask.is_sure() => Asker::Perhaps(all(row)),
            (_, _, Some(ask)) => match asks.reached(plan, row, ask.who, Some(ask)) {
                Reached::No => Asker::Nobody,
                Reached::Yes if ask.is_sure() => Asker::Surely(ask.who),
                _ => Asker::Perhaps(vec![ask.who]),
            },
            (_, Some(row), None) if row.forgot => Asker::Perhaps(all(row)),
            _ => Asker::Nobody,
        }
    }

    /// What comes from `remote` is read though nobody is known to have asked; or `who` gets it in any case.
    fn is_read(&self, pair: Pair, remote: Endpoint, who: Who) -> bool {
        let by_another = |keeper: Keeper| keeper.sure() != Some(who);
        match self.plan.is_shared(pair) {
            false => self.plan.active[pair] == Some(who),
            true if self.plan.features.persistence[pair] == Persistence::CallId || self.plan.counts_sip => true,
            // Between pools each one is; from outside, all of a remote that nobody has.
            true if self.plan.served_at(remote.addr).is_some() => true,
            true => !self.shares.known(pair, remote).is_some_and(by_another),
        }
    }

    /// The member that this answer goes to because it asked, as the appliance has `chosen` where that is left open; and whether it is.
    pub fn asker(&self, pair: Pair, remote: Endpoint, sip: Option<Sip>, chosen: Choice) -> Option<(Who, bool)> {
        match self.whom(pair, remote, sip.filter(|sip| !sip.asks())?) {
            Asker::Nobody => None,
            Asker::Surely(who) => Some((who, false)),
            Asker::Perhaps(some) => chosen.member.filter(|who| some.contains(who)).map(|who| (who, true)),
        }
    }

    /// The answer may be one for a member that is lost, and has asked since.
    pub fn may_answer(&self, pair: Pair, remote: Endpoint, sip: Option<Sip>, who: Who) -> bool {
        match sip.filter(|sip| !sip.asks()).map(|sip| self.whom(pair, remote, sip)) {
            Some(Asker::Surely(asker)) => asker == who,
            Some(Asker::Perhaps(some)) => some.contains(&who),
            _ => false,
        }
    }

    /// A member spoke to a remote endpoint from its service port.
    pub fn speaks(&mut self, who: Who, remote: Endpoint, sip: Option<Sip>) {
        if self.plan.is_shared(pair(who)) {
            return self.speaks_among_several(who, remote, sip);
        }
        let is_active = self.plan.active[pair(who)] == Some(who);
        if is_active {
            self.asks.gives_up(pair(who), remote, who);
        } else {
            self.asks.note(&self.plan, who, remote, sip, Placed::Yes);
        }
        if is_active {
            self.claims.get_mut(&(pair(who), remote)).into_iter().for_each(|(_, superseded)| *superseded = true);
        } else if self.plan.members[who].may_claim {
            self.claims.insert((pair(who), remote), (who, false));
        }
    }

    fn speaks_among_several(&mut self, who: Who, remote: Endpoint, sip: Option<Sip>) {
        self.keeps(who, remote);
        let call = self.call_of(pair(who), sip);
        if let (Some(call), Some(sip)) = (call, sip) {
            self.speaks_in_call(who, call, sip);
        }
        // Whoever has the peer or the call gets the answer all the same.
        let placed = match self.shares.known(pair(who), remote) {
            Some(Keeper::Sure(by) | Keeper::Back(by)) if by == who => Placed::No,
            Some(Keeper::Lost(by)) if by == who => Placed::Perhaps,
            Some(Keeper::Perhaps(_) | Keeper::Open) => Placed::Perhaps,
            _ if call.is_some() => Placed::Perhaps,
            _ => Placed::Yes,
        };
        self.asks.note(&self.plan, who, remote, sip, placed);
    }
}
