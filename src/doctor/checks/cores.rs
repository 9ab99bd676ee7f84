//! Worker cores: nobody else on them, and at full speed.

use crate::config::{CpuCores, Idle, count};
use crate::doctor::cpus;
use crate::doctor::facts::Facts;
use crate::doctor::finding::FindingSeverity;
use crate::doctor::finding::FindingSeverity::{Info, Warning};
use crate::doctor::found::{Found, LeftOut, Looked};
use std::collections::{BTreeMap, BTreeSet};

/// Interrupts that are listed at most.
const LISTED: usize = 8;

/// What is to be done where cores are too few.
const MORE_CORES: &str =
    "give the box more cores, or Fairlead fewer [cores] workers, or let it share them with idle = \"sleep\"";

/// CPUs that run.
fn online(facts: &Facts) -> Option<BTreeSet<usize>> {
    let list = facts.host.text("sys/devices/system/cpu/online").map(cpus::list).ok();
    list.filter(|cpus| !cpus.is_empty())
}

/// One that no worker has: that of management, else the first.
fn spare_core(facts: &Facts, cores: &CpuCores) -> Option<usize> {
    let is_free = |cpu: &usize| !cores.workers.contains(cpu);
    let online = online(facts)?;
    let free = Some(cores.management).filter(is_free).filter(|cpu| online.contains(cpu));
    free.or_else(|| online.iter().copied().find(is_free))
}

/// A worker that sleeps shares its core on purpose: then nothing of this is a fault.
fn severity(cores: &CpuCores) -> FindingSeverity {
    if cores.idle == Idle::Sleep { Info } else { Warning }
}

pub(super) fn isolated(facts: &Facts, found: &mut Found) -> Looked {
    let cores = &facts.configuration()?.settings.cores;
    let command_line = facts.host.text("proc/cmdline")?;
    let booted = |key: &str| {
        let word = command_line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        word.map(cpus::list).unwrap_or_default()
    };
    let listed = |place: &str| facts.host.text(place).map(cpus::list).unwrap_or_default();
    let workers: BTreeSet<usize> = cores.workers.iter().copied().collect();
    let rows = [
        ("isolcpus", "sys/devices/system/cpu/isolated", "other programs may run on worker core"),
        ("nohz_full", "sys/devices/system/cpu/nohz_full", "the kernel's timer interrupts worker core"),
    ];
    for (key, place, what) in rows {
        let covered: BTreeSet<usize> = booted(key).union(&listed(place)).copied().collect();
        let missing: Vec<usize> = workers.difference(&covered).copied().collect();
        if !missing.is_empty() {
            let wanted: BTreeSet<usize> = covered.union(&workers).copied().collect();
            let remedy = match online(facts).is_some_and(|online| online.is_subset(&wanted)) {
                true => format!("no core would be left for all else: {MORE_CORES}"),
                false => format!("boot with {key}={} (dpdk-config/grub)", cpus::shown(&wanted).replace(' ', "")),
            };
            let has = if covered.is_empty() { "none".into() } else { cpus::shown(&covered) };
            found.add(
                severity(cores),
                format!("{what} {}", cpus::shown(&missing)),
                format!("/proc/cmdline and /{place}: {key} covers {has}"),
                remedy,
            );
        }
    }
    Ok(())
}

pub(super) fn interrupts(facts: &Facts, found: &mut Found) -> Looked {
    let cores = &facts.configuration()?.settings.cores;
    let workers: BTreeSet<usize> = cores.workers.iter().copied().collect();
    let mut served: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    let mut unread = 0;
    for number in facts.host.folder("proc/irq") {
        let place = format!("proc/irq/{number}");
        let read = |leaf: &str| facts.host.text(&format!("{place}/{leaf}"));
        let Ok(list) = read("effective_affinity_list").or_else(|_| read("smp_affinity_list")) else {
            unread += 1;
            continue;
        };
        let cpus = cpus::list(list);
        // Where it may go anywhere, the kernel chooses, and does not say which.
        if cpus.iter().all(|cpu| workers.contains(cpu)) {
            cpus.iter().for_each(|cpu| served.entry(*cpu).or_default().push(number));
        }
    }
    for (core, numbers) in served {
        let first: Vec<&str> = numbers.iter().take(LISTED).copied().collect();
        let more = if numbers.len() > LISTED { format!(" and {} more", numbers.len() - LISTED) } else { String::new() };
        found.add(
            severity(cores),
            format!("worker core {core} serves {}", count(numbers.len(), "interrupt")),
            format!("/proc/irq/*/effective_affinity_list: {}{more}; /proc/interrupts says whose they are", first.join(", ")),
            match spare_core(facts, cores) {
                Some(spare) => format!("echo {spare} > /proc/irq/{}/smp_affinity_list for each, and keep irqbalance off it (IRQBALANCE_BANNED_CPULIST)", first[0]),
                None => format!("there is no core without a worker that could serve them: {MORE_CORES}"),
            },
        );
    }
    if unread > 0 {
        found.left_out(format!(
            "of {} it may not be read who serves them: ask as root (sudo)",
            count(unread, "interrupt")
        ));
    }
    Ok(())
}

pub(super) fn governor(facts: &Facts, found: &mut Found) -> Looked {
    let cores = &facts.configuration()?.settings.cores;
    let mut unknown = None;
    for core in &cores.workers {
        let place = format!("sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor");
        match facts.host.text(&place) {
            Ok("performance") => {}
            Ok(governor) => found.add(
                severity(cores),
                format!("worker core {core} changes its speed: latency varies with the load"),
                format!("/{place}: {governor}"),
                format!("cpupower -c {core} frequency-set -g performance"),
            ),
            Err(LeftOut(why)) => unknown = Some(why),
        }
    }
    unknown.map_or(Ok(()), |why| {
        Err(LeftOut::because(format!("{why}: in a virtual machine its host decides, on others the firmware")))
    })
}

pub(super) fn siblings(facts: &Facts, found: &mut Found) -> Looked {
    let cores = &facts.configuration()?.settings.cores;
    let mut seen = BTreeSet::new();
    for core in &cores.workers {
        let place = format!("sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
        let all = cpus::list(facts.host.text(&place)?);
        let others: Vec<usize> = all.iter().copied().filter(|other| other != core).collect();
        if others.is_empty() || !seen.insert(all) {
            continue;
        }
        let who = match others.iter().find(|other| cores.workers.contains(other)) {
            Some(other) => format!("with worker core {other}: the two have little more than one's speed"),
            None if others.contains(&cores.management) => "with the management core, which slows it down".into(),
            None => format!("with CPU {}: what runs there slows it down", cpus::shown(&others)),
        };
        // A CPU that somebody works on is not to be taken from him; the first one cannot be taken from most boxes.
        let idle: Vec<usize> = others
            .iter()
            .copied()
            .filter(|other| !cores.workers.contains(other) && *other != cores.management && *other != 0)
            .collect();
        let remedy = match (idle.as_slice(), others.iter().any(|other| cores.workers.contains(other))) {
            (_, true) => {
                "name one CPU of each core only under [cores] workers, and the management core elsewhere".to_owned()
            }
            ([], false) => "name other CPUs under [cores], of which no two share a core".to_owned(),
            (idle, false) => {
                let commands: Vec<String> =
                    idle.iter().map(|cpu| format!("echo 0 > /sys/devices/system/cpu/cpu{cpu}/online")).collect();
                format!("name other CPUs under [cores], or leave {} unused: {}", cpus::shown(idle), commands.join("; "))
            }
        };
        found.add(
            severity(cores),
            format!("worker core {core} shares its execution units {who}"),
            format!("/{place}: {}", facts.host.text(&place)?),
            remedy,
        );
    }
    Ok(())
}
