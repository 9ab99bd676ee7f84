//! Which end of the packets that come in at a port lies outside.
//!
//! Owns the answer for each NIC, for whoever asks it to spread what it receives: by the source where clients come from,
//! by the destination where members are. Read from where members live and where routes lead; touches no NIC.

use super::Intent;
use super::intent::{InterfaceId, PortId};
use crate::wire::toeplitz::HashOn;

/// For each port, in order, by what it should spread.
pub fn spreads(intent: &Intent) -> Vec<HashOn> {
    let ports = (0..intent.ports.len()).map(|at| PortId(at as u8));
    let seen: Vec<_> = ports.map(|port| (members_live_at(intent, port), leads_outside(intent, port))).collect();
    let somewhere = seen.iter().any(|(_, outside)| *outside);
    let spread = |&(members, outside): &(bool, bool)| match (members, outside || !somewhere) {
        (true, true) => HashOn::Both,
        (true, false) => HashOn::Destination,
        (false, _) => HashOn::Source,
    };
    seen.iter().map(spread).collect()
}

fn members_live_at(intent: &Intent, port: PortId) -> bool {
    intent.members.iter().any(|member| intent.interfaces[member.interface].port == port)
}

/// An interface without members is on it, or the way outside leads through it: the default route, or where there
/// is none, any.
fn leads_outside(intent: &Intent, port: PortId) -> bool {
    let of_port = |interface: InterfaceId| intent.interfaces[interface].port == port;
    let empty = |interface: InterfaceId| intent.members.iter().all(|member| member.interface != interface);
    let has_default = intent.routes.iter().any(|route| route.to.prefix_len() == 0);
    let mut ways = intent.routes.iter().filter(|route| !has_default || route.to.prefix_len() == 0);
    let mut interfaces = intent.interfaces.ids();
    interfaces.any(|interface| of_port(interface) && empty(interface)) || ways.any(|route| of_port(route.interface))
}
