//! With which member something is, as far as that is known.

use testbench::plan::Who;

/// Whom a remote endpoint of a service port is with, or a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// With this member, until that is lost.
    Sure(Who),
    /// With one of these, or with nobody: that is left open.
    Perhaps(Members),
    /// It was with this one, which is lost: what happens to its next datagram the pool says.
    Lost(Who),
    /// It was left with this one while that was lost, and is its own again.
    Back(Who),
    /// Anything may be.
    Open,
}

impl Keeper {
    /// The member that has it, if that is known.
    pub fn sure(self) -> Option<Who> {
        match self {
            Keeper::Sure(who) | Keeper::Back(who) => Some(who),
            _ => None,
        }
    }

    /// Whom it is or was with.
    pub fn of(self) -> Option<Who> {
        if let Keeper::Lost(who) = self { Some(who) } else { self.sure() }
    }

    /// Its member may be this one.
    pub fn may_be(self, who: Who) -> bool {
        matches!(self, Keeper::Perhaps(some) if some.hold(who)) || self == Keeper::Open || self.of() == Some(who)
    }

    /// The member is lost.
    pub fn lose(&mut self, who: Who) {
        *self = match *self {
            Keeper::Sure(by) | Keeper::Back(by) if by == who => Keeper::Lost(who),
            Keeper::Perhaps(some) if some.hold(who) => Keeper::Open,
            other => other,
        };
    }

    /// Members are gone; nothing of it may be left.
    pub fn without(self, is_gone: impl Fn(Who) -> bool) -> Option<Keeper> {
        match self {
            Keeper::Perhaps(some) => {
                let left = (0..8).filter(|who| is_gone(*who)).fold(some, Members::but);
                (left.0 != 0).then_some(Keeper::Perhaps(left))
            }
            keeper => (!keeper.of().is_some_and(is_gone)).then_some(keeper),
        }
    }

    /// The pool has another rule for what lost members had: whether it holds for what is known of before is left open.
    pub fn unsettle(&mut self, is_back: impl Fn(Who) -> bool) {
        match *self {
            Keeper::Back(who) => *self = Keeper::Perhaps(Members::only(who)),
            Keeper::Lost(who) if is_back(who) => *self = Keeper::Perhaps(Members::only(who)),
            _ => {}
        }
    }
}

/// Some members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Members(u8);

impl Members {
    pub const NONE: Members = Members(0);

    pub fn only(who: Who) -> Members {
        Members(1 << who)
    }

    pub fn of(some: impl IntoIterator<Item = Who>) -> Members {
        some.into_iter().fold(Members::NONE, Members::and)
    }

    pub fn and(self, who: Who) -> Members {
        Members(self.0 | 1 << who)
    }

    fn but(self, who: Who) -> Members {
        Members(self.0 & !(1 << who))
    }

    pub fn hold(self, who: Who) -> bool {
        self.0 & 1 << who != 0
    }

    pub fn first(self) -> Option<Who> {
        (0..8).find(|who| self.hold(*who))
    }

    pub fn iter(self) -> impl Iterator<Item = Who> {
        (0..8).filter(move |who| self.hold(*who))
    }
}

/// Whether something is one of the connections that are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    No,
    Perhaps,
    Yes,
}

/// Why a member has taken a datagram of a remote endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It has it.
    Known,
    /// Nobody had it.
    New,
    /// The member that had it is lost.
    Moved,
}
