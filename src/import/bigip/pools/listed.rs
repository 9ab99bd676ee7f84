//! The members that a pool of BIG-IP lists.
//!
//! Owns where each of them is, by its own address, its node's, or its name. Writes nothing.

use crate::import::bigip::names::{Unusable, address, endpoint};
use crate::import::bigip::objects::{Object, Objects};
use crate::import::findings::Findings;
use crate::import::findings::Severity::Severe;
use crate::import::syntax::{Item, word};
use std::net::Ipv4Addr;

/// A member of a pool of BIG-IP.
pub struct Member<'o> {
    /// What is set of it in its pool.
    pub item: &'o Item,
    /// Its node, with its partition.
    pub node: String,
    /// Where it is.
    pub address: Ipv4Addr,
    /// Where it listens.
    pub port: u16,
    /// Its priority group: the higher number is preferred.
    pub priority: u32,
}

/// A pool of BIG-IP with its members.
pub type Listed<'o> = (&'o Object, Vec<Member<'o>>);

/// The address of a node, by whatever name.
fn node_address(objects: &Objects, name: &str, listed: Option<&str>) -> Result<Ipv4Addr, Unusable> {
    let node = objects.find("ltm node", name).and_then(|node| node.word("address"));
    address(listed.or(node).unwrap_or(name)).map(|(address, _)| address)
}

/// The members of a pool that can be carried over, the preferred ones first; others are reported.
pub fn members<'o>(objects: &Objects, pool: &'o Object, findings: &mut Findings) -> Vec<Member<'o>> {
    let mut members: Vec<Member<'_>> = Vec::new();
    for item in pool.block("members") {
        let Some(name) = item.words.first() else { continue };
        let partition = name.rfind('/').map_or("", |at| &name[..=at]);
        let found = endpoint(name).and_then(|(host, port)| {
            let node = format!("{partition}{host}");
            node_address(objects, &node, word(&item.block, "address")).map(|address| (node, address, port))
        });
        let (node, address, port) = match found {
            Ok(found) => found,
            Err(Unusable::V6) => {
                findings.add(Severe, pool.title(), format!("member {name} is of IPv6, which is not forwarded"), "");
                continue;
            }
            Err(Unusable::Other) => {
                let message = format!("no address is known of member {name} (a node by FQDN, perhaps)");
                findings.add(Severe, pool.title(), message, "add it to the members of the [[pool]] by address");
                continue;
            }
        };
        let priority = word(&item.block, "priority-group").and_then(|text| text.parse().ok()).unwrap_or(0);
        if members.iter().all(|known| known.address != address) {
            members.push(Member { item, node, address, port, priority });
        }
    }
    // The higher number is preferred.
    members.sort_by_key(|member| std::cmp::Reverse(member.priority));
    members
}
