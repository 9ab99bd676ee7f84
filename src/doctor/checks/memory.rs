//! Memory of the box: huge pages where they are needed, and no disk in its place.

use crate::doctor::cpus;
use crate::doctor::facts::Facts;
use crate::doctor::finding::FindingSeverity::{Error, Warning};
use crate::doctor::found::{Found, LeftOut, Looked};
use std::collections::BTreeSet;

const NODES: &str = "sys/devices/system/node";

pub(super) fn huge_pages(facts: &Facts, found: &mut Found) -> Looked {
    let dpdk = &facts.configuration()?.settings.dpdk;
    if !dpdk.hugepages {
        let remedy = "fine for a trial; else reserve huge pages and remove the key";
        found.info("packet memory is not in huge pages", "[dpdk] hugepages = false", remedy);
        return Ok(());
    }
    let (all, free) = (pages(facts, "sys/kernel/mm/hugepages", "nr"), pages(facts, "sys/kernel/mm/hugepages", "free"));
    let needed = u64::from(dpdk.memory_mib);
    // What the appliance has taken is not free any more.
    let (have, which) = if facts.may_run() { (all, "reserved") } else { (free, "free") };
    if have < needed {
        // One that runs has got what it needs, or the file that is looked at is another one.
        let severity = if facts.may_run() { Warning } else { Error };
        found.add(
            severity,
            format!("{needed} MiB of huge pages are needed, and {have} MiB are {which}"),
            format!("/sys/kernel/mm/hugepages: {all} MiB reserved, {free} MiB free; [dpdk] memory_mib = {needed}"),
            format!("sysctl -w vm.nr_hugepages={} (2 MiB each), or lower [dpdk] memory_mib", needed.div_ceil(2)),
        );
    }
    let nodes = worker_nodes(facts)?;
    if facts.host.folder(NODES).iter().filter(|name| is_node(name)).count() < 2 {
        return Ok(());
    }
    for node in nodes.iter().filter(|node| pages(facts, &format!("{NODES}/{node}/hugepages"), "nr") == 0) {
        found.warning(
            format!("{node} has workers and no huge pages: their packets are in the other node's memory"),
            format!("/{NODES}/{node}/hugepages: none reserved"),
            format!("echo PAGES > /{NODES}/{node}/hugepages/hugepages-2048kB/nr_hugepages"),
        );
    }
    Ok(())
}

fn is_node(name: &str) -> bool {
    name.strip_prefix("node").is_some_and(|number| number.parse::<u32>().is_ok())
}

/// NUMA nodes that worker cores are on.
fn worker_nodes(facts: &Facts) -> Result<BTreeSet<String>, LeftOut> {
    let cores = facts.worker_cores()?;
    let nodes = facts.host.folder(NODES).iter().filter(|name| is_node(name));
    let has_one = |node: &&String| {
        let list = facts.host.text(&format!("{NODES}/{node}/cpulist")).map(cpus::list).unwrap_or_default();
        cores.iter().any(|core| list.contains(core))
    };
    Ok(nodes.filter(has_one).cloned().collect())
}

/// MiB of all sizes together.
fn pages(facts: &Facts, place: &str, which: &str) -> u64 {
    let sizes = facts.host.folder(place).iter().filter_map(|name| {
        let size: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let count: u64 = facts.host.value(&format!("{place}/{name}/{which}_hugepages")).ok()?;
        Some(size.saturating_mul(count))
    });
    sizes.fold(0u64, u64::saturating_add) >> 10
}

pub(super) fn transparent(facts: &Facts, found: &mut Found) -> Looked {
    let place = "sys/kernel/mm/transparent_hugepage/enabled";
    let says = facts.host.text(place)?;
    let evidence = format!("/{place}: {says}");
    let remedy = format!("echo madvise > /{place}");
    if says.contains("[never]") {
        found.warning("transparent huge pages are off: lookups among many flows are slower", evidence, remedy);
    } else if says.contains("[always]") {
        found.info("the kernel makes huge pages of any program's memory, and takes time for it", evidence, remedy);
    }
    Ok(())
}

pub(super) fn swap(facts: &Facts, found: &mut Found) -> Looked {
    let lines = facts.host.text("proc/swaps")?.lines().skip(1);
    let field = |line: &str, at: usize| line.split_whitespace().nth(at).map(str::to_owned).unwrap_or_default();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let (place, used) = (field(line, 0), field(line, 3));
        let evidence = format!("/proc/swaps: {place}, {used} KiB used");
        let remedy = format!("swapoff {place}, and take it out of /etc/fstab");
        match used.as_str() {
            "0" => found.info(
                "memory may be swapped to a disk; a worker that waits for it forwards nothing",
                evidence,
                remedy,
            ),
            _ => found.warning(
                "memory is swapped to a disk; a worker that waits for it forwards nothing",
                evidence,
                remedy,
            ),
        }
    }
    Ok(())
}
