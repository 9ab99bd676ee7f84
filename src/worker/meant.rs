//! What captures ask of a packet's addresses, or of its ports, together: at a glance.
//!
//! Owns [`Meant`]: a few values, and six bits of each by which most others are told apart. Who asks for which, and when that is known, is
//! [`super::taps`]'.

use std::net::Ipv4Addr;

/// So many are few.
const FEW: usize = 8;

/// Addresses, or ports, of which a packet that is meant has one.
#[derive(Clone, Copy)]
pub(super) struct Meant<T> {
    /// Their lower six bits.
    bits: u64,
    /// They themselves, if they are few; else they are many, or not known.
    few: Option<([T; FEW], usize)>,
}

impl Default for Meant<Ipv4Addr> {
    fn default() -> Self {
        Meant { bits: 0, few: Some(([Ipv4Addr::UNSPECIFIED; FEW], 0)) }
    }
}

impl Default for Meant<u16> {
    fn default() -> Self {
        Meant { bits: 0, few: Some(([0; FEW], 0)) }
    }
}

impl<T: Copy + PartialEq + Into<u32>> Meant<T> {
    /// Anybody may be meant.
    pub(super) const ANY: Meant<T> = Meant { bits: u64::MAX, few: None };

    pub(super) fn add(&mut self, one: T) {
        self.bits |= 1 << low(one);
        let Some((few, count)) = &mut self.few else { return };
        if few[..*count].contains(&one) {
            return;
        }
        match few.get_mut(*count) {
            Some(place) => (*place, *count) = (one, *count + 1),
            None => self.few = None,
        }
    }

    /// It, if there is no other.
    #[inline(always)]
    pub(super) fn one(&self) -> Option<T> {
        match self.few {
            Some(([one, ..], 1)) => Some(one),
            _ => None,
        }
    }

    #[inline(always)]
    pub(super) fn is_none(&self) -> bool {
        self.bits == 0
    }

    /// One of these two may be among them.
    #[inline(always)]
    pub(super) fn may_hold(&self, [one, other]: [T; 2]) -> bool {
        let bit = |it| self.bits >> low(it);
        (bit(one) | bit(other)) & 1 != 0 && self.is_not_known_without([one, other])
    }

    /// Of one in thirty that share those bits with what is meant, nearly all are none of it.
    fn is_not_known_without(&self, both: [T; 2]) -> bool {
        self.few.is_none_or(|(few, count)| both.iter().any(|one| few[..count].contains(one)))
    }
}

/// The lower six bits.
#[inline(always)]
fn low(number: impl Into<u32>) -> u32 {
    number.into() & 63
}
