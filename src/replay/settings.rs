//! What is asked of a replay, and what that is by the configuration's ids.
//!
//! Owns names becoming ids, with errors that list what there is.

use super::error::ReplayError;
use crate::policy::intent::{Intent, InterfaceId, MemberId, PortId};
use crate::policy::words::words;
use crate::time::Duration;
use crate::wire::{Mac, VlanId};
use std::collections::HashMap;

words! {
    /// Where the MACs of members, routers and other hosts come from.
    NeighbourSource {
        /// From the whole file; who does not show one has one made up.
        Assumed = "assumed",
        /// From the whole file; for who does not show one, frames wait until his time is up.
        Learned = "learned",
        /// From ARP in the file, from its time on.
        Arp = "arp",
    }
}

/// When a switchover happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long after the first packet.
    After(Duration),
    /// Nanoseconds since 1970.
    At(u64),
}

/// What is asked of a replay, in the words of whoever asks.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Interfaces of the capture, by name or by number, and what they are in the configuration.
    pub interfaces: Vec<(String, String)>,
    /// Our MACs, by interface or port, where the file does not show them.
    pub macs: Vec<(String, Mac)>,
    /// Where the MACs of others come from.
    pub neighbours: NeighbourSource,
    /// Members that are active from the beginning.
    pub active: Vec<String>,
    /// Members that are down.
    pub down: Vec<String>,
    /// When which member takes over.
    pub switchovers: Vec<(Moment, String)>,
    /// IPv4 identifications are not compared with expected ones.
    pub any_id: bool,
}

/// Where frames of an interface of the capture come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub port: PortId,
    /// The tag that a frame gets if it has none.
    pub vlan: Option<VlanId>,
}

/// The same by ids.
pub(super) struct Resolved {
    pub interfaces: HashMap<String, Place>,
    pub macs: HashMap<PortId, Mac>,
    pub active: Vec<MemberId>,
    pub down: Vec<MemberId>,
    /// By time, once the first packet's is known.
    pub switchovers: Vec<(Moment, MemberId)>,
}

impl Settings {
    pub(super) fn resolve(&self, intent: &Intent) -> Result<Resolved, ReplayError> {
        let mut interfaces = HashMap::new();
        for (captured, name) in &self.interfaces {
            let place = place_of(intent, name).ok_or_else(|| ReplayError::NoInterface {
                given: format!("{captured}={name}"),
                name: name.clone(),
                choices: places(intent),
            })?;
            interfaces.insert(captured.clone(), place);
        }
        let mut macs = HashMap::new();
        for (name, mac) in &self.macs {
            let none = || ReplayError::NoPort { name: name.clone(), choices: places(intent) };
            macs.insert(place_of(intent, name).ok_or_else(none)?.port, *mac);
        }
        let members = |option, names: &[String]| -> Result<Vec<MemberId>, ReplayError> {
            names.iter().map(|name| member(intent, option, name)).collect()
        };
        let (active, down) = (members("--active", &self.active)?, members("--down", &self.down)?);
        let named = self.switchovers.iter().map(|(at, name)| Ok((*at, member(intent, "--switchover", name)?)));
        let switchovers = named.collect::<Result<Vec<_>, ReplayError>>()?;
        let resolved = Resolved { interfaces, macs, active, down, switchovers };
        resolved.check(intent)?;
        Ok(resolved)
    }
}

impl Resolved {
    fn check(&self, intent: &Intent) -> Result<(), ReplayError> {
        let name = |id: MemberId| intent.members[id].name.clone();
        let actives = self.active.iter().map(|id| ("--active", *id));
        for (option, id) in actives.chain(self.switchovers.iter().map(|(_, id)| ("--switchover", *id))) {
            let pool = &intent.pools[intent.members[id].pool];
            if pool.is_shared() {
                return Err(ReplayError::Shared { option, name: name(id), pool: pool.name.clone() });
            }
        }
        for (at, id) in self.active.iter().enumerate() {
            if self.down.contains(id) {
                return Err(ReplayError::ActiveAndDown(name(*id)));
            }
            let pool = intent.members[*id].pool;
            if let Some(other) = self.active[..at].iter().find(|other| intent.members[**other].pool == pool) {
                let (first, second, pool) = (name(*other), name(*id), intent.pools[pool].name.clone());
                return Err(ReplayError::TwoActive { first, second, pool });
            }
        }
        Ok(())
    }
}

fn member(intent: &Intent, option: &'static str, name: &str) -> Result<MemberId, ReplayError> {
    let none = || {
        let names: Vec<&str> = intent.members.iter().map(|member| member.name.as_str()).collect();
        ReplayError::NoMember { option, name: name.into(), choices: names.join(", ") }
    };
    intent.members.find_id(|member| member.name == name).ok_or_else(none)
}

/// An interface of the configuration by its name, or a port by its own.
pub(super) fn place_of(intent: &Intent, name: &str) -> Option<Place> {
    let of = |id: InterfaceId| Place { port: intent.interfaces[id].port, vlan: intent.interfaces[id].vlan };
    let interface = intent.interfaces.find_id(|interface| interface.name == name).map(of);
    let port = || intent.ports.iter().position(|port| port.name == name);
    interface.or_else(|| port().map(|at| Place { port: PortId(at as u8), vlan: None }))
}

/// The names of interfaces, to choose from.
pub(super) fn places(intent: &Intent) -> String {
    intent.interfaces.iter().map(|interface| interface.name.as_str()).collect::<Vec<_>>().join(", ")
}
