//! Memory of the box: huge pages where they are needed, and no disk in its place.

use crate::doctor::cpus;
use crate::doctor::facts::Facts;
use crate::doctor::finding::FindingSeverity::{Error, Warning};
use crate::doctor::found::{Found, LeftOut, Looked};
use std::collections::BTreeSet;

const NODES: &str = "sys/devices/system/node";
const HUGE: &str = "sys/kernel/mm/hugepages";

pub(super) fn huge_pages(facts: &Facts, found: &mut Found) -> Looked {
    let configuration = facts.configuration()?;
    let dpdk = &configuration.settings.dpdk;
    if !dpdk.hugepages {
        let remedy = "fine for a trial; else reserve huge pages and remove the key";
        found.info("packet memory is not in huge pages", "[dpdk] hugepages = false", remedy);
        return Ok(());
    }
    let (all, free) = (pages(facts, HUGE, "nr")?, pages(facts, HUGE, "free")?);
    let needed = u64::from(configuration.memory_mib());
    // What the appliance has taken is not free any more.
    let (have, which) = if facts.may_run() { (all, "reserved") } else { (free, "free") };
    let nodes = worker_nodes(facts)?;
    let has_several = facts.host.folder(NODES).iter().filter(|name| is_node(name)).count() > 1;
    if have < needed {
        // One that runs has got what it needs, or the file that is looked at is another one.
        let severity = if facts.may_run() { Warning } else { Error };
        let places = match has_several {
            true => nodes.iter().map(|node| format!("{NODES}/{node}/hugepages")).collect(),
            false => vec![HUGE.to_owned()],
        };
        let share = (needed - have).div_ceil(places.len().max(1) as u64);
        let commands: Vec<String> = places.iter().filter_map(|place| raised(facts, place, share)).collect();
        let least = configuration.memory_needed_mib();
        let otherwise = match dpdk.memory_mib < least {
            true => format!("and raise [dpdk] memory_mib to {}, or lower mbufs", least.next_multiple_of(2)),
            false => format!("or lower [dpdk] memory_mib, to {} at least", least.next_multiple_of(2)),
        };
        let remedy = match commands.is_empty() {
            true => format!("reserve more huge pages at boot (dpdk-config/grub), {otherwise}"),
            false => format!(
                "{} (as many as there are and the missing ones: fewer would take pages that are in use), {otherwise}",
                commands.join("; ")
            ),
        };
        found.add(
            severity,
            format!("{needed} MiB of huge pages are needed, and {have} MiB are {which}"),
            format!(
                "/{HUGE}: {all} MiB reserved, {free} MiB free; [dpdk] memory_mib = {}, mbufs = {}",
                dpdk.memory_mib, dpdk.mbufs
            ),
            remedy,
        );
    }
    // Those that are missing are to be reserved on each node of workers.
    if !has_several || have < needed {
        return Ok(());
    }
    for node in &nodes {
        let place = format!("{NODES}/{node}/hugepages");
        if pages(facts, &place, "nr")? == 0 {
            let share = needed.div_ceil(nodes.len().max(1) as u64);
            found.warning(
                format!("{node} has workers and no huge pages: their packets are in the other node's memory"),
                format!("/{place}: none reserved"),
                raised(facts, &place, share).unwrap_or_else(|| "reserve huge pages on each node at boot".into()),
            );
        }
    }
    Ok(())
}

/// The command by which there are so many MiB more at a place, in its smallest pages; never fewer than there are.
fn raised(facts: &Facts, place: &str, more_mib: u64) -> Option<String> {
    let sizes = facts.host.folder(place).iter().filter_map(|name| {
        let size: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        Some((size, name))
    });
    let (size, name) = sizes.filter(|(size, _)| *size > 0).min()?;
    let there: u64 = facts.host.value(&format!("{place}/{name}/nr_hugepages")).ok()?;
    let count = there.saturating_add((more_mib << 10).div_ceil(size));
    Some(format!("echo {count} > /{place}/{name}/nr_hugepages"))
}

pub(super) fn is_node(name: &str) -> bool {
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
fn pages(facts: &Facts, place: &str, which: &str) -> Result<u64, LeftOut> {
    let mut sum = 0u64;
    for name in facts.host.folder(place) {
        let size = name.strip_prefix("hugepages-").and_then(|size| size.strip_suffix("kB")?.parse::<u64>().ok());
        let Some(size) = size else { continue };
        let count: u64 = facts.host.value(&format!("{place}/{name}/{which}_hugepages"))?;
        sum = sum.saturating_add(size.saturating_mul(count));
    }
    Ok(sum >> 10)
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
