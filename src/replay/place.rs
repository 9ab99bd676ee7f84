//! Where a frame of a capture came in.
//!
//! Owns the choice: by the name of the interface that it was captured on, by what an operator says of that, else by the frame itself.
//! Decides nothing of what happens to it there.

use super::error::ReplayError;
use super::hosts::Hosts;
use super::settings::{Place, place_of, places};
use crate::capture_file::Captured;
use crate::policy::intent::{Intent, InterfaceId, PortId};
use crate::wire::facts::Link;
use crate::wire::{Mac, Packet};
use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;

/// Where frames of the capture come in.
pub(super) struct Placer<'a> {
    intent: &'a Intent,
    hosts: &'a Hosts,
    file: String,
    said: &'a HashMap<String, Place>,
    /// Which of what was said is of an interface that the capture has.
    used: BTreeSet<String>,
    /// What the capture's interfaces are called.
    seen: BTreeSet<String>,
    /// Section and interface of the latest frame, and where it came in by that; `None`: each frame says itself.
    latest: ((u64, usize), Option<Place>),
}

/// Where a frame came in, and whether its interface's name says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub place: Place,
    pub by_name: bool,
}

impl<'a> Placer<'a> {
    pub fn new(intent: &'a Intent, hosts: &'a Hosts, file: &str, said: &'a HashMap<String, Place>) -> Placer<'a> {
        let (used, seen) = (BTreeSet::new(), BTreeSet::new());
        Placer { intent, hosts, file: file.into(), said, used, seen, latest: ((0, 0), None) }
    }

    /// Where the frame came in. `Ok(None)`: it is neither IPv4 nor ARP, and nothing says.
    pub fn find(&mut self, captured: &Captured<'_>, ours: &HashMap<Mac, Place>) -> Result<Option<Found>, ReplayError> {
        if let Some(place) = self.by_name(captured) {
            return Ok(Some(Found { place, by_name: true }));
        }
        let by_frame = |place| Some(Found { place, by_name: false });
        let link = Link::of(captured.bytes);
        let packet = Packet::parse(captured.bytes).ok();
        if let Some(place) = packet.as_ref().and_then(|packet| self.by_source(packet)) {
            return Ok(by_frame(place));
        }
        if let Some(place) = ours.get(&link.dst) {
            return Ok(by_frame(*place));
        }
        if self.intent.ports.len() == 1 {
            return Ok(by_frame(Place { port: PortId(0), vlan: None }));
        }
        match packet {
            Some(packet) if !is_nobody(packet.src()) => Err(self.unplaced(captured, packet.src())),
            _ => Ok(None),
        }
    }

    /// What was said of interfaces that the capture does not have.
    pub fn unused(&self) -> Result<(), ReplayError> {
        let Some((name, _)) = self.said.iter().find(|(name, _)| !self.used.contains(*name)) else { return Ok(()) };
        let choices = self.seen.iter().cloned().collect::<Vec<_>>().join(", ");
        Err(ReplayError::NoCaptured {
            given: format!("{name}=.."),
            file: self.file.clone(),
            name: name.clone(),
            choices,
        })
    }

    /// By what is said of the interface that it was captured on, else by that interface's name.
    fn by_name(&mut self, captured: &Captured<'_>) -> Option<Place> {
        let key = (captured.section, captured.interface);
        if self.latest.0 == key {
            return self.latest.1;
        }
        let number = captured.interface.to_string();
        let name = captured.described.name.clone().unwrap_or_else(|| number.clone());
        let said = [&name, &number].into_iter().find(|key| self.said.contains_key(*key));
        self.used.extend(said.cloned());
        let said = said.and_then(|key| self.said.get(key).copied());
        let place = said.or_else(|| place_of(self.intent, captured.described.name.as_deref()?));
        // Of very many interfaces the first are enough to choose from.
        if self.seen.len() < 64 {
            self.seen.insert(name);
        }
        self.latest = (key, place);
        place
    }

    /// By the tag if one interface alone has it, else by the way back to who sent it; what we have sent, by the way it took.
    fn by_source(&self, packet: &Packet) -> Option<Place> {
        let place = |id: InterfaceId| {
            let interface = &self.intent.interfaces[id];
            Place { port: interface.port, vlan: interface.vlan }
        };
        if let Some(vlan) = packet.vlan() {
            let mut tagged = self.intent.interfaces.entries().filter(|(_, interface)| interface.vlan == Some(vlan));
            if let (Some((id, _)), None) = (tagged.next(), tagged.next()) {
                return Some(place(id));
            }
        }
        if let Some(member) = self.hosts.member(packet.src()) {
            return Some(place(self.intent.members[member].interface));
        }
        let from = if self.hosts.is_ours(packet.src()) { packet.dst() } else { packet.src() };
        self.intent.hop_towards(from).map(|hop| place(hop.interface))
    }

    fn unplaced(&self, captured: &Captured<'_>, src: Ipv4Addr) -> ReplayError {
        let name = captured.described.name.clone();
        ReplayError::Unplaced {
            file: self.file.clone(),
            number: captured.number,
            src,
            captured: name.unwrap_or_else(|| captured.interface.to_string()),
            choices: places(self.intent),
        }
    }
}

/// Ports by our MAC, of which there is one each in the order of the configuration. Of ports that share one none is meant.
pub(super) fn by_mac(macs: &[Mac]) -> HashMap<Mac, Place> {
    let ports = (0..macs.len()).map(|at| PortId(at as u8));
    let alone = |mac: &Mac| macs.iter().filter(|other| *other == mac).count() == 1;
    ports.zip(macs).filter(|(_, mac)| alone(mac)).map(|(port, mac)| (*mac, Place { port, vlan: None })).collect()
}

/// Who has no address yet, as in DHCP and duplicate address detection.
fn is_nobody(address: Ipv4Addr) -> bool {
    address.is_unspecified()
}
