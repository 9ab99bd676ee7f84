//! Internal services that see the virtual address instead of the member's.

use crate::admin::rows::FlowRow;
use crate::config::count;
use crate::doctor::facts::Facts;
use crate::doctor::found::{Found, Looked};
use crate::policy::intent::Intent;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Destinations that are listed at most.
const LISTED: usize = 16;
/// A connection that stands still for so long is not being answered, in milliseconds.
const STILL: u64 = 900;
/// Ports of SIP (RFC 3261 19.1.2), and what else members have to do with outside as the virtual address.
const SIP: [u16; 2] = [5060, 5061];

/// What members did at one destination.
#[derive(Default)]
struct Use {
    members: BTreeSet<String>,
    flows: usize,
    unanswered: usize,
    translated: Option<SocketAddrV4>,
}

pub(super) fn forgotten(facts: &Facts, found: &mut Found) -> Looked {
    let flows: Vec<FlowRow> = facts.tables.rows("flows")?;
    let intent = facts.intent()?;
    let mut uses: BTreeMap<(SocketAddrV4, &str), Use> = BTreeMap::new();
    for flow in flows.iter().filter(|flow| is_suspect(flow, intent)) {
        let entry = uses.entry((flow.original.dst, flow.protocol.as_str())).or_default();
        entry.members.extend(flow.member.clone());
        entry.flows += 1;
        entry.unanswered += usize::from(flow.state == "opening" && flow.idle_ms >= STILL);
        entry.translated = Some(flow.translated.src);
    }
    let beyond = uses.len().saturating_sub(LISTED);
    for ((to, protocol), entry) in uses.into_iter().take(LISTED) {
        let members = entry.members.iter().cloned().collect::<Vec<_>>().join(", ");
        let answered = match entry.unanswered {
            0 => "",
            _ => ", and does not answer it",
        };
        let address = entry.translated.map_or_else(String::new, |src| src.ip().to_string());
        let pool = entry.members.iter().next().and_then(|name| pool_of(intent, name)).unwrap_or("POOL");
        found.warning(
            format!(
                "{members} reaches {to} ({protocol}) translated: an internal service, it seems, sees {address} instead of the member's own \
                 address{answered}: the exclusion group of pool {pool} does not hold it"
            ),
            format!("fairlead flows: {}, {} of them unanswered; {} is private and no port of SIP", count(entry.flows, "flow"), entry.unanswered, to.ip()),
            format!("if it must see the members themselves (configuration server, DNS, LDAP, log, other SIP Servers): fairlead exclude add {pool} {}/32, and [[snat]] exclude", to.ip()),
        );
    }
    if beyond > 0 {
        found.info(format!("{beyond} more destinations like these are not listed"), "fairlead flows", "");
    }
    Ok(())
}

/// A member has opened it, translated, to a private address, and not for SIP.
fn is_suspect(flow: &FlowRow, intent: &Intent) -> bool {
    let (src, dst) = (flow.original.src, flow.original.dst);
    let is_service = |port: u16| {
        SIP.contains(&port) || intent.virtual_servers.iter().any(|it| it.listen.iter().any(|at| at.port == port))
    };
    let ours = |address: &Ipv4Addr| intent.translated_addresses().any(|own| own == *address);
    flow.path == "outbound"
        && flow.protocol != "icmp"
        && flow.translated.src.ip() != src.ip()
        && dst.ip().is_private()
        && !ours(dst.ip())
        && !is_service(dst.port())
        && !is_service(src.port())
}

fn pool_of<'i>(intent: &'i Intent, member: &str) -> Option<&'i str> {
    let pool = intent.members.iter().find(|it| it.name == member)?.pool;
    intent.pools.get(pool).map(|pool| pool.name.as_str())
}
