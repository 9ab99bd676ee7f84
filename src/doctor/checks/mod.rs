//! The table of checks.
//!
//! Owns which there are, in the order of the help, what each looks at, and the worst it may find. A new one is a function in a file
//! beside this one and a row here.

mod alarms;
mod callers;
mod clock;
mod cores;
mod exclusions;
mod file;
mod icmp;
mod keepalived;
mod kernel;
mod links;
mod load;
mod members;
mod memory;
mod nics;
mod one_sided;
#[cfg(test)]
mod tests;

use super::facts::Facts;
use super::finding::FindingSeverity::{Error, Info, Warning};
use super::finding::{Diagnosis, FindingSeverity};
use super::found::{Found, Looked};

/// A check.
pub struct Check {
    /// As it is asked for.
    pub name: &'static str,
    /// What it looks at: of a box that is well, what is well.
    pub about: &'static str,
    /// The worst that it finds.
    pub worst: FindingSeverity,
    look: fn(&Facts, &mut Found) -> Looked,
}

macro_rules! checks {
    ($($name:literal, $worst:ident, $look:path, $about:literal;)*) => {
        /// All of them: first the box, then the appliance, then what surrounds it.
        pub static CHECKS: &[Check] = &[$(Check { name: $name, about: $about, worst: $worst, look: $look },)*];
        /// Their names.
        pub static NAMES: &[&str] = &[$($name),*];
    };
}

checks! {
    "file", Error, file::file, "what `fairlead check` says of the configuration, and whether it is the one in force";
    "appliance", Error, file::appliance, "an appliance answers that may be asked";
    "machine", Error, file::machine, "what the configuration asks of this machine, as `fairlead check --here`";
    "huge-pages", Error, memory::huge_pages, "huge pages, on the NUMA nodes of the workers";
    "transparent-huge-pages", Warning, memory::transparent, "transparent huge pages, which the flow tables ask for";
    "swap", Warning, memory::swap, "no memory is swapped to a disk";
    "isolated-cores", Warning, cores::isolated, "worker cores are kept free of other programs and of the kernel's timers";
    "interrupts", Warning, cores::interrupts, "no interrupt is served by a worker core";
    "governor", Warning, cores::governor, "worker cores run at full speed";
    "siblings", Warning, cores::siblings, "no worker core shares its execution units (SMT)";
    "numa", Warning, nics::numa, "NICs are on the NUMA nodes of the workers";
    "nics", Error, nics::nics, "drivers of NICs, the IOMMU, and the queues that XDP reads";
    "offloads", Error, links::offloads, "the kernel joins no segments (GRO, LRO) in front of a port";
    "mtu", Error, links::mtu, "interfaces beneath ports carry what the ports do";
    "vlans", Warning, links::vlans, "no frames come with a tag that no interface has";
    "kernel-forwarding", Error, kernel::forwarding, "the kernel forwards nothing beside Fairlead";
    "kernel-addresses", Error, kernel::addresses, "the kernel has no address of Fairlead's";
    "keepalived", Error, keepalived::keepalived, "keepalived's own file fits to that of the appliance";
    "clock", Warning, clock::source, "the clock source is read without the kernel";
    "time-sync", Warning, clock::synchronized, "a program keeps the calendar";
    "rss", Warning, load::rss, "NICs spread over the workers as asked";
    "losses", Warning, load::losses, "nothing is lost for want of room or time";
    "alarms", Error, alarms::others, "no alarm stands that no other check names";
    "duplicate-address", Error, alarms::duplicates, "nobody else has an address of Fairlead's";
    "proxy-arp", Warning, alarms::proxies, "nobody answers ARP for addresses of others";
    "member-gateway", Error, one_sided::gateway, "what members answer comes back through Fairlead";
    "asymmetric-route", Error, one_sided::asymmetric, "both directions of connections pass Fairlead";
    "mtu-hole", Warning, icmp::mtu_hole, "senders of packets that are too large heed what they are sent about it";
    "icmp", Warning, icmp::filtered, "hosts let ICMP through";
    "late-answers", Error, members::late, "members answer probes well within the timeout";
    "keep-alives", Warning, members::keep_alives, "timeouts are longer than the time between keep-alives (needs [sip] sample)";
    "exclusions", Warning, exclusions::forgotten, "members reach internal services with their own addresses";
    "callers", Info, callers::everybody, "virtual servers say who may send to their service ports";
    "operator", Info, alarms::operator, "nothing differs from the file because an operator has set it";
}

/// Makes those of these names, or all.
pub fn run(facts: &Facts, only: &[String]) -> Diagnosis {
    let mut diagnosis = Diagnosis {
        version: env!("CARGO_PKG_VERSION").into(),
        file: facts.file.as_ref().map(|file| match file.in_force {
            true => format!("{} (in force)", file.name),
            false => file.name.clone(),
        }),
        running: facts.is_running(),
        ..Diagnosis::default()
    };
    for check in CHECKS.iter().filter(|check| only.is_empty() || only.iter().any(|name| name == check.name)) {
        let mut found = Found::by(check.name);
        let looked = (check.look)(facts, &mut found);
        found.part(looked);
        let (rows, left_out) = found.rows(check.about);
        diagnosis.findings.extend(rows);
        diagnosis.left_out.extend(left_out);
    }
    diagnosis.findings.sort_by_key(|row| std::cmp::Reverse(row.severity));
    diagnosis.worst = diagnosis.findings.iter().map(|row| row.severity).max().unwrap_or_default();
    diagnosis
}
