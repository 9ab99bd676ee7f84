//! PCI devices beneath ports: where they are, who drives them, what stands between them and the memory.

use super::memory::is_node;
use crate::admin::rows::PortRow;
use crate::doctor::cpus;
use crate::doctor::device::Device;
use crate::doctor::facts::Facts;
use crate::doctor::found::{Found, LeftOut, Looked};
use crate::doctor::host::Reading;

const NODES: &str = "sys/devices/system/node";
const NO_IOMMU: &str = "sys/module/vfio/parameters/enable_unsafe_noiommu_mode";

pub(super) fn numa(facts: &Facts, found: &mut Found) -> Looked {
    let workers = facts.worker_cores()?;
    let nodes = facts.host.folder(NODES).iter().filter(|name| is_node(name)).count();
    for port in &facts.intent()?.ports {
        let place = match Device::of(&port.device) {
            Device::Pci(address) => format!("sys/bus/pci/devices/{address}/numa_node"),
            Device::Kernel { interface, .. } if facts.elsewhere.is_none() => {
                format!("sys/class/net/{interface}/device/numa_node")
            }
            Device::Kernel { .. } | Device::Other => continue,
        };
        if matches!(facts.host.reading(&place), Reading::Absent) {
            // A device that is in no machine, such as veth.
            continue;
        }
        let node = match facts.host.value::<i32>(&place) {
            Ok(node) => node,
            Err(LeftOut(why)) => {
                found.left_out(format!("port {}: {why}", port.name));
                continue;
            }
        };
        if node < 0 {
            // The box has one node, or its firmware does not say.
            if nodes > 1 {
                found.left_out(format!(
                    "port {}: the firmware does not say on which of {nodes} NUMA nodes its NIC is (/{place}: {node}): the slot does, in \
                     the manual of the machine",
                    port.name
                ));
            }
            continue;
        }
        let list = match facts.host.text(&format!("{NODES}/node{node}/cpulist")) {
            Ok(list) => list,
            Err(LeftOut(why)) => {
                found.left_out(format!("port {}: {why}", port.name));
                continue;
            }
        };
        let here = cpus::list(list);
        let away: Vec<usize> = workers.iter().copied().filter(|core| !here.contains(core)).collect();
        if !away.is_empty() {
            found.warning(
                format!(
                    "port {}: its NIC is on NUMA node {node}, and worker core {} on another",
                    port.name,
                    cpus::shown(&away)
                ),
                format!("/{place}: {node}; /{NODES}/node{node}/cpulist: {list}"),
                format!("[cores] workers: choose among {list}"),
            );
        }
    }
    Ok(())
}

/// Queues of an interface that an XDP port on it does not read.
fn xdp_queues(facts: &Facts, found: &mut Found) -> Looked {
    let workers = facts.worker_cores().map_or(1, <[usize]>::len);
    if facts.intent()?.ports.iter().any(|port| Device::xdp_queues(&port.device).is_some()) {
        facts.is_here()?;
    }
    for port in &facts.intent()?.ports {
        let Some(given) = Device::xdp_queues(&port.device) else { continue };
        // Each is read by a worker of its own, and no more than these are.
        let most = port.queues.map_or(workers, usize::from).max(1);
        let read = given.start..given.end.min(given.start.saturating_add(most));
        let Device::Kernel { interface, .. } = Device::of(&port.device) else { continue };
        let place = format!("sys/class/net/{interface}/queues");
        let all = facts.host.folder(&place).iter().filter(|name| name.starts_with("rx-")).count();
        if all == 0 {
            found.left_out(format!(
                "port {}: there is no interface {interface} here: ask where the appliance runs",
                port.name
            ));
        } else if read.start > 0 || read.end < all {
            let whole = format!("start_queue=0,queue_count={all} in the device, and as many [cores] workers");
            found.error(
                format!(
                    "port {}: it reads {} of the {all} queues of interface {interface}: what the NIC puts into the others is lost to \
                     Fairlead, and goes to the kernel",
                    port.name,
                    all.min(read.end).saturating_sub(read.start)
                ),
                format!(
                    "/{place}: {all}; [[port]] device: queues {} to {}, read by {most} at most ([[port]] queues, [cores] workers)",
                    given.start,
                    given.end.saturating_sub(1)
                ),
                match read.start {
                    0 => format!("ethtool -L {interface} combined {}, or {whole}", read.len().max(1)),
                    _ => whole,
                },
            );
        }
    }
    Ok(())
}

pub(super) fn nics(facts: &Facts, found: &mut Found) -> Looked {
    let running: Vec<PortRow> = facts.tables.get("ports").unwrap_or_default();
    for port in &facts.intent()?.ports {
        let Device::Pci(address) = Device::of(&port.device) else { continue };
        let place = format!("sys/bus/pci/devices/{address}");
        let Some(driver) = facts.host.link(&format!("{place}/driver")) else {
            found.left_out(format!("port {}: no driver of the kernel's is at /{place}", port.name));
            continue;
        };
        let row = running.iter().find(|row| row.name == port.name);
        let firmware = row
            .and_then(|row| row.firmware.clone())
            .unwrap_or_else(|| "not known: it is asked of a running appliance".into());
        let by = row.map_or(String::new(), |row| format!(", DPDK driver {}", row.driver));
        found.info(
            format!("port {}: kernel driver {driver}{by}, firmware {firmware}", port.name),
            format!("/{place}/driver, fairlead ports"),
            "compare with the firmware that DPDK's release notes name for the driver",
        );
        if driver == "vfio-pci" && facts.host.link(&format!("{place}/iommu_group")).is_none() {
            let mode = facts.host.text(NO_IOMMU).unwrap_or("?");
            found.warning(
                format!("port {}: no IOMMU stands between the NIC and the memory", port.name),
                format!("there is no /{place}/iommu_group; /{NO_IOMMU}: {mode}"),
                "boot with intel_iommu=on iommu=pt (on AMD iommu=pt), and switch VT-d or AMD-Vi on in the firmware",
            );
        }
        if matches!(driver, "igb_uio" | "uio_pci_generic") {
            found.warning(
                format!("port {}: {driver} lets the NIC write anywhere in the memory", port.name),
                format!("/{place}/driver: {driver}"),
                format!("dpdk-devbind.py --bind=vfio-pci {address}"),
            );
        }
    }
    xdp_queues(facts, found)?;
    let is_nic = |text: &str| matches!(Device::of(text), Device::Pci(_)) || Device::xdp_queues(text).is_some();
    if facts.intent()?.ports.iter().any(|port| is_nic(&port.device)) {
        return Ok(());
    }
    Err(LeftOut::because("no port is a PCI device, or on XDP"))
}
