//! What every frame that a program matches has: addresses, or ports.
//!
//! Owns what can be read of that from the program itself, without a frame: nothing is claimed that does not hold. Whoever has frames asks
//! once, and passes over those that have none of it.

use super::program::{Condition, Operand, Program, Step, Width};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

impl Program {
    /// Addresses of which every frame that matches has one: as its source or destination in IPv4 or ARP, behind one tag or none. `None`: a
    /// frame may match without any, or it cannot be seen from the program.
    pub fn addresses(&self) -> Option<Vec<Ipv4Addr>> {
        let mut found = Vec::new();
        let is_sought = |here: Known, value| {
            let is_address = here.is_address();
            found.extend(is_address.then(|| Ipv4Addr::from(value)));
            is_address
        };
        self.follow(is_sought, |_| true)?;
        Some(found)
    }

    /// Ports of which every frame that matches has one, unless it is IPv6: as source or destination of TCP, UDP or SCTP in IPv4, of a
    /// whole datagram or its first fragment, behind one tag or none. `None` as above. Each once, in order.
    pub fn ports(&self) -> Option<Vec<u16>> {
        let mut found = BTreeSet::new();
        let is_sought = |here: Known, value| {
            let is_port = here.is_port();
            // No port is larger: nothing matches there.
            found.extend(u16::try_from(value).ok().filter(|_| is_port));
            is_port
        };
        self.follow(is_sought, |there| there.frame != Header::Ipv6)?;
        Some(found.into_iter().collect())
    }

    /// Follows each way to an end that passes no comparison that is sought, as libpcap makes them for `host` and `port`, with what is known
    /// there of the headers, of A and of X; and no way that is not `followed`. `None`: a frame may match there, or a way leads back.
    fn follow(&self, mut is_sought: impl FnMut(Known, u32) -> bool, followed: impl Fn(Known) -> bool) -> Option<()> {
        let mut known: Vec<Option<Known>> = vec![None; self.0.len()];
        *known.first_mut()? = Some(Known::NOTHING);
        for (at, step) in self.0.iter().enumerate() {
            let Some(here) = known[at] else { continue };
            let mut reach = |to: usize, what: Known| {
                // A way back is a loop.
                let place = known.get_mut(to).filter(|_| to > at)?;
                if followed(what) {
                    *place = Some(place.map_or(what, |other| other.and(what)));
                }
                Some(())
            };
            match *step {
                Step::Return(0) => {}
                Step::Return(_) | Step::ReturnA => return None,
                Step::Jump(to) => reach(to.into(), here)?,
                Step::Branch(condition, Operand::Constant(value), [yes, no]) => {
                    let is_refused = self.0.get(usize::from(yes)) == Some(&Step::Return(0));
                    if !(is_refused || condition == Condition::Equal && is_sought(here, value)) {
                        reach(yes.into(), here.where_it(condition, value, true))?;
                    }
                    reach(no.into(), here.where_it(condition, value, false))?;
                }
                Step::Branch(_, Operand::X, ways) => {
                    reach(ways[0].into(), here)?;
                    reach(ways[1].into(), here)?;
                }
                ref step => reach(at + 1, here.behind(step))?,
            }
        }
        Some(())
    }
}

/// What is known at a place of a program, whichever way leads there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    a: Value,
    /// X is the length of the IPv4 header that begins there.
    x: Option<u32>,
    frame: Header,
    /// The protocol was compared: it is one that begins with its ports.
    has_ports: bool,
    /// The offset was looked at: it is no fragment but perhaps the first.
    is_first: bool,
}

/// What A holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    At(Width, u32),
    /// So far behind the end of an IPv4 header, which begins there.
    Behind(u32, Width, u32),
    Other,
}

/// What the EtherTypes say that were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    Any,
    Tagged,
    Ipv4,
    Arp,
    TaggedIpv4,
    TaggedArp,
    /// Behind a tag or none.
    Ipv6,
}

impl Known {
    const NOTHING: Known = Known { a: Value::Other, x: None, frame: Header::Any, has_ports: false, is_first: false };

    /// What holds either way.
    fn and(self, other: Known) -> Known {
        Known {
            a: if self.a == other.a { self.a } else { Value::Other },
            x: self.x.filter(|_| self.x == other.x),
            frame: if self.frame == other.frame { self.frame } else { Header::Any },
            has_ports: self.has_ports && other.has_ports,
            is_first: self.is_first && other.is_first,
        }
    }

    /// A holds an address of the frame.
    fn is_address(self) -> bool {
        let Value::At(Width::Word, at) = self.a else { return false };
        match self.frame {
            Header::Ipv4 => matches!(at, 26 | 30),
            Header::Arp => matches!(at, 28 | 38),
            Header::TaggedIpv4 => matches!(at, 30 | 34),
            Header::TaggedArp => matches!(at, 32 | 42),
            Header::Any | Header::Tagged | Header::Ipv6 => false,
        }
    }

    /// Where the IPv4 header begins.
    fn ipv4(self) -> Option<u32> {
        match self.frame {
            Header::Ipv4 => Some(14),
            Header::TaggedIpv4 => Some(18),
            _ => None,
        }
    }

    /// A holds a port of the frame.
    fn is_port(self) -> bool {
        let Value::Behind(header, Width::Half, from) = self.a else { return false };
        let is_port = self.ipv4() == Some(header) && (from == header || from == header + 2);
        is_port && self.has_ports && self.is_first
    }

    /// Behind a branch that asks this of A and finds that it is so, or is not.
    fn where_it(self, condition: Condition, value: u32, holds: bool) -> Known {
        match (condition, self.a, self.ipv4()) {
            (Condition::Equal, Value::At(Width::Byte, at), Some(header)) if holds && at == header + 9 => {
                Known { has_ports: matches!(value, 6 | 17 | 132), ..self }
            }
            (Condition::AnyBit, Value::At(Width::Half, at), Some(header)) if !holds && at == header + 6 => {
                Known { is_first: self.is_first || value & 0x1fff == 0x1fff, ..self }
            }
            (Condition::Equal, ..) if holds => self.equal_to(value),
            _ => self,
        }
    }

    /// A is this value.
    fn equal_to(self, value: u32) -> Known {
        let frame = match (self.a, value, self.frame) {
            (Value::At(Width::Half, 12), 0x0800, _) => Header::Ipv4,
            // RARP has its addresses where ARP has them.
            (Value::At(Width::Half, 12), 0x0806 | 0x8035, _) => Header::Arp,
            (Value::At(Width::Half, 12), 0x8100 | 0x88a8 | 0x9100, _) => Header::Tagged,
            (Value::At(Width::Half, 12), 0x86dd, _) => Header::Ipv6,
            (Value::At(Width::Half, 16), 0x0800, Header::Tagged) => Header::TaggedIpv4,
            (Value::At(Width::Half, 16), 0x0806 | 0x8035, Header::Tagged) => Header::TaggedArp,
            (Value::At(Width::Half, 16), 0x86dd, Header::Tagged) => Header::Ipv6,
            (_, _, frame) => frame,
        };
        Known { frame, ..self }
    }

    /// Behind a step that goes on to the next one.
    fn behind(self, step: &Step) -> Known {
        match (*step, self.x) {
            (Step::Load(width, from), _) => Known { a: Value::At(width, from), ..self },
            (Step::LoadAtX(width, from), Some(header)) => Known { a: Value::Behind(header, width, from), ..self },
            (Step::SetXHeader(from), _) => Known { x: Some(from), ..self },
            (Step::SetX(_) | Step::SetXLength | Step::RecallX(_) | Step::CopyToX, _) => Known { x: None, ..self },
            (Step::Store(_) | Step::StoreX(_), _) => self,
            _ => Known { a: Value::Other, ..self },
        }
    }
}
