//! Who has put a route into the kernel.
//!
//! Owns the numbers and their names: those of iproute2's `rt_protos`, and FRR's. BIRD's routes are all "bird"; zebra's have the number of
//! the protocol that they come from.

use std::fmt;
use std::str::FromStr;

/// The protocol of a route (`rtm_protocol` of rtnetlink(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteProtocol(pub u8);

impl RouteProtocol {
    /// ICMP redirects (RTPROT_REDIRECT).
    pub const REDIRECT: RouteProtocol = RouteProtocol(1);
    /// The kernel itself: the networks of its addresses (RTPROT_KERNEL).
    pub const KERNEL: RouteProtocol = RouteProtocol(2);
}

/// In the order of their numbers.
const NAMES: &[(u8, &str)] = &[
    (1, "redirect"),
    (2, "kernel"),
    (3, "boot"),
    (4, "static"),
    (9, "ra"),
    (11, "zebra"),
    (12, "bird"),
    (16, "dhcp"),
    (18, "keepalived"),
    (42, "babel"),
    (186, "bgp"),
    (187, "isis"),
    (188, "ospf"),
    (189, "rip"),
    (191, "nhrp"),
    (192, "eigrp"),
    (195, "pbr"),
    (196, "frr-static"),
    (197, "openfabric"),
];

impl fmt::Display for RouteProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

/// It is neither a name nor a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownProtocol;

impl FromStr for RouteProtocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<RouteProtocol, UnknownProtocol> {
        let named = NAMES.iter().find(|(_, name)| *name == text).map(|(number, _)| *number);
        named.or_else(|| text.parse().ok()).map(RouteProtocol).ok_or(UnknownProtocol)
    }
}

impl RouteProtocol {
    /// The names, for whoever has to choose one.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(_, name)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_text_that_means_it() {
        for number in 0..=u8::MAX {
            let protocol = RouteProtocol(number);
            assert_eq!(protocol.to_string().parse(), Ok(protocol));
        }
        assert_eq!("186".parse(), Ok(RouteProtocol(186)));
        for wrong in ["256", "BGP", "", "-1"] {
            assert_eq!(wrong.parse::<RouteProtocol>(), Err(UnknownProtocol));
        }
    }
}
