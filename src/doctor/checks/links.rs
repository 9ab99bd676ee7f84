//! Interfaces of the kernel beneath ports, and tags of frames.

use crate::admin::rows::{NeighbourRow, NeighbourState};
use crate::doctor::device::Device;
use crate::doctor::facts::Facts;
use crate::doctor::found::{Found, Looked};
use crate::policy::intent::Intent;

/// Frames to our MAC with a tag that no interface has, and frames to all.
const UNICAST: &str = "drop_unknown_interface";
const GROUP: &str = "ignored_other_vlan";

pub(super) fn offloads(facts: &Facts, found: &mut Found) -> Looked {
    facts.is_here()?;
    for (port, interface) in facts.kernel_ports()? {
        if !Device::of(&port.device).reads_after_the_kernel() {
            continue;
        }
        match facts.offloads.get(interface) {
            Some(Ok(joined)) if joined.is_empty() => {}
            Some(Ok(joined)) => {
                let words = joined.join(" and ");
                let off: Vec<String> = joined.iter().map(|it| format!("{it} off")).collect();
                found.error(
                    format!(
                        "port {}: the kernel joins TCP segments before Fairlead reads them ({words}); what it joins is longer than \
                         the MTU and is lost, so that TCP and TLS crawl by repetitions",
                        port.name
                    ),
                    format!("interface {interface}: {words} is on (ethtool -k {interface})"),
                    format!("ethtool -K {interface} {}", off.join(" ")),
                );
            }
            Some(Err(why)) => found.left_out(format!("interface {interface}: {why}")),
            None => found.left_out(format!("interface {interface} was not asked")),
        }
    }
    Ok(())
}

pub(super) fn mtu(facts: &Facts, found: &mut Found) -> Looked {
    facts.is_here()?;
    for (port, interface) in facts.kernel_ports()? {
        let place = format!("sys/class/net/{interface}/mtu");
        let Ok(mtu) = facts.host.value::<u32>(&place) else {
            found.left_out(format!(
                "there is no interface {interface} here: ask where the appliance runs, in its network namespace"
            ));
            continue;
        };
        let evidence = format!("/{place}: {mtu}; [[port]] {} mtu = {}", port.name, port.mtu);
        if mtu < u32::from(port.mtu) {
            found.error(
                format!(
                    "port {}: interface {interface} carries {mtu} bytes and the port {}: larger packets are lost, and nobody is told",
                    port.name, port.mtu
                ),
                evidence,
                format!("ip link set {interface} mtu {}, or write mtu = {mtu} for the port and restart", port.mtu),
            );
        } else if mtu > u32::from(port.mtu) {
            found.info(
                format!("port {}: interface {interface} carries more than the port: larger packets of its neighbours are refused", port.name),
                evidence,
                format!("ip link set {interface} mtu {}, or write mtu = {mtu} for the port and restart", port.mtu),
            );
        }
    }
    Ok(())
}

pub(super) fn vlans(facts: &Facts, found: &mut Found) -> Looked {
    let counters = facts.tables.counters()?;
    let (unicast, group) = (counters.of(UNICAST) > 0, counters.of(GROUP) > 0);
    if !unicast && !group {
        return Ok(());
    }
    let intent = facts.intent()?;
    let known: Vec<String> = intent
        .interfaces
        .iter()
        .map(|it| format!("{} {}", it.name, it.vlan.map_or("untagged".into(), |vlan| format!("VLAN {}", vlan.get()))))
        .collect();
    let known = format!("interfaces: {}", known.join(", "));
    if unicast {
        let what = "frames for Fairlead come with a VLAN tag, or without one, that no interface of the port has";
        let remedy = "correct the tag at the switch port, or [[interface]] vlan";
        found.warning(what, format!("{}; {known}", counters.shown(UNICAST)), remedy);
    }
    if !group {
        return Ok(());
    }
    let neighbours: Vec<NeighbourRow> = facts.tables.get("neighbours")?;
    let is_lost = |row: &&NeighbourRow| row.state == NeighbourState::Failed && !row.role.is_empty();
    for row in neighbours.iter().filter(is_lost) {
        let what = format!(
            "{} at {} does not answer ARP on interface {}, and broadcasts come with a VLAN tag that no interface has: it is in another \
             VLAN, it seems: by its switch port, or by a tag of its own",
            row.role, row.address, row.interface
        );
        let evidence = format!("fairlead neighbours: {} failed; {}; {known}", row.address, counters.shown(GROUP));
        let remedy = format!(
            "see the tag: fairlead capture --reason other_vlan -w OUT; then correct the VLAN of its switch port, of its host, or \
             [[interface]] {} vlan",
            row.interface
        );
        // Where several VLANs are meant to arrive, some that are not ours are usual.
        match is_trunk(intent, &row.interface) {
            true => found.info(what, evidence, remedy),
            false => found.warning(what, evidence, remedy),
        }
    }
    Ok(())
}

/// Some interface of the same port has a tag.
fn is_trunk(intent: &Intent, name: &str) -> bool {
    let port = intent.interfaces.iter().find(|it| it.name == name).map(|it| it.port);
    intent.interfaces.iter().any(|it| Some(it.port) == port && it.vlan.is_some())
}
