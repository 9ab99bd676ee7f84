//! The kernel beside Fairlead, on the same links.

use crate::doctor::device::Device;
use crate::doctor::facts::Facts;
use crate::doctor::found::{Found, LeftOut, Looked};
use crate::policy::intent::{Advertise, Intent, PortIntent};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

const TRIE: &str = "proc/net/fib_trie";

pub(super) fn forwarding(facts: &Facts, found: &mut Found) -> Looked {
    facts.is_here()?;
    for (port, interface) in beside(facts)? {
        let place = format!("proc/sys/net/ipv4/conf/{interface}/forwarding");
        let key = format!("net.ipv4.conf.{interface}.forwarding");
        match facts.host.text(&place) {
            Ok("0") => {}
            Ok(value) => {
                let all = facts.host.text("proc/sys/net/ipv4/ip_forward").unwrap_or("?");
                let filter = facts.host.text(&format!("proc/sys/net/ipv4/conf/{interface}/rp_filter")).unwrap_or("?");
                found.error(
                    format!(
                        "port {}: the kernel forwards what interface {interface} receives, beside Fairlead: packets arrive twice, \
                         once untranslated",
                        port.name
                    ),
                    format!("/{place}: {value}; net.ipv4.ip_forward = {all}, {interface}.rp_filter = {filter}"),
                    format!("sysctl -w {key}=0, and write it into /etc/sysctl.d (dpdk-config/sysctl.d)"),
                );
            }
            Err(LeftOut(why)) => found.left_out(why),
        }
        if let Ok(value @ "1") = facts.host.text(&format!("proc/sys/net/ipv4/conf/{interface}/proxy_arp")) {
            found.error(
                format!("port {}: the kernel answers ARP on interface {interface} for addresses of others", port.name),
                format!("/proc/sys/net/ipv4/conf/{interface}/proxy_arp: {value}"),
                format!("sysctl -w net.ipv4.conf.{interface}.proxy_arp=0"),
            );
        }
    }
    Ok(())
}

/// Ports whose frames the kernel receives as well. XDP takes them away from it.
fn beside(facts: &Facts) -> Result<Vec<(&PortIntent, &str)>, LeftOut> {
    let ports = facts.kernel_ports()?.into_iter();
    Ok(ports.filter(|(port, _)| Device::of(&port.device).reads_after_the_kernel()).collect())
}

pub(super) fn addresses(facts: &Facts, found: &mut Found) -> Looked {
    facts.is_here()?;
    let intent = facts.intent()?;
    let kernel = local(facts.host.text(TRIE)?);
    let on_links = !beside(facts)?.is_empty();
    for address in ours(intent).into_iter().filter(|address| kernel.contains(address)) {
        let evidence = format!("/{TRIE}: {address}/32 host LOCAL");
        let remedy =
            format!("ip address del {address}/LENGTH dev INTERFACE; `ip -4 address show to {address}` names both");
        match on_links {
            true => found.error(
                format!("the kernel has {address}, which is Fairlead's: it answers as well, and resets connections"),
                evidence,
                remedy,
            ),
            false => found.warning(
                format!("the kernel has {address}, which is Fairlead's: programs of this box that call it reach the box itself"),
                evidence,
                remedy,
            ),
        }
    }
    Ok(())
}

/// Self-IPs, virtual and SNAT addresses, but for those that the kernel is given: on devices of interfaces, to be advertised, or by keepalived
/// as they float.
fn ours(intent: &Intent) -> BTreeSet<Ipv4Addr> {
    let alone = intent.interfaces.iter().filter(|interface| interface.host.is_none());
    let own = alone.flat_map(|interface| interface.addresses.iter().map(|net| net.addr()));
    let advertised = intent.virtual_servers.iter().filter(|server| server.advertise != Advertise::Never);
    let given: BTreeSet<Ipv4Addr> = advertised.map(|server| server.address).collect();
    let moved = intent.pair.as_ref().is_some_and(|pair| pair.keepalived.is_some());
    let translated = intent.translated_addresses().filter(|address| !moved && !given.contains(address));
    own.chain(translated).collect()
}

/// Addresses of the kernel's own: the line of an address stands before that of its kind.
fn local(trie: &str) -> BTreeSet<Ipv4Addr> {
    let mut found = BTreeSet::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line.starts_with("/32 host LOCAL") {
            found.extend(last);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses_are_read_from_the_trie() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 10.20.0.0/24 2 0 2\n        |-- 10.20.0.0\n           /24 link UNICAST\n        |-- 10.20.0.100\n           /32 host LOCAL\n        |-- 10.20.0.255\n           /32 link BROADCAST\n";
        assert_eq!(local(trie), BTreeSet::from([Ipv4Addr::new(10, 20, 0, 100)]));
    }
}
