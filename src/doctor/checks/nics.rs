//! PCI devices beneath ports: where they are, who drives them, what stands between them and the memory.

use crate::admin::rows::PortRow;
use crate::doctor::cpus;
use crate::doctor::device::Device;
use crate::doctor::facts::Facts;
use crate::doctor::found::{Found, LeftOut, Looked};

const NODES: &str = "sys/devices/system/node";
const NO_IOMMU: &str = "sys/module/vfio/parameters/enable_unsafe_noiommu_mode";

pub(super) fn numa(facts: &Facts, found: &mut Found) -> Looked {
    let workers = facts.worker_cores()?;
    for port in &facts.intent()?.ports {
        let place = match Device::of(&port.device) {
            Device::Pci(address) => format!("sys/bus/pci/devices/{address}/numa_node"),
            Device::Kernel { interface, .. } => format!("sys/class/net/{interface}/device/numa_node"),
            Device::Other => continue,
        };
        // -1: the box has one node, or does not say.
        let Ok(node) = facts.host.value::<i32>(&place) else { continue };
        if node < 0 {
            continue;
        }
        let list = facts.host.text(&format!("{NODES}/node{node}/cpulist"))?;
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
    if facts.intent()?.ports.iter().any(|port| matches!(Device::of(&port.device), Device::Pci(_))) {
        return Ok(());
    }
    Err(LeftOut::because("no port is a PCI device"))
}
