//! The box: cores, memory, the admin socket, and timers that are allowed and unwise.

use crate::config::document::{Document, repeated};
use crate::config::form::{Kind, SectionRow, duration_text};
use crate::config::reader::{At, Field, Section};
use crate::config::report::{Report, count};
use crate::config::schema::{Cores, Dpdk, Limits};
use crate::config::settings::Idle;
use crate::io::{buffer_bytes, memory_needed_mib};
use std::time::Duration;

/// What is usual in a LAN, in bytes.
const USUAL_MTU: u16 = 1_500;
/// `sun_path` of `sockaddr_un`, less the closing zero (unix(7)).
const SOCKET_PATH: usize = 107;

/// Reports what `[appliance]`, `[cores]`, `[dpdk]` and `[timeouts]` ask of the machine that it cannot give.
pub(super) fn check(document: &Document, cores: usize, report: &mut Report) {
    sockets(document, report);
    notify(document, report);
    kept(document, report);
    shared_cores(&document.cores, cores, report);
    missing_cores(&document.cores, cores, report);
    memory(&document.dpdk, report);
    huge_pages(document, report);
    held_fragments(document, report);
    short_timer(document, "tcp_opening", &document.timeouts.tcp_opening, report);
    short_timer(document, "tcp_closing", &document.timeouts.tcp_closing, report);
}

fn sockets(document: &Document, report: &mut Report) {
    let appliance = &document.appliance;
    for (key, path) in [("admin_socket", &appliance.admin_socket), ("admin_socket_ro", &appliance.admin_socket_ro)] {
        if let Some(path) = path {
            socket(document, (key, path), report);
        }
    }
    if let (Some(path), Some(other)) = (&appliance.admin_socket_ro, &appliance.admin_socket)
        && path.value == other.value
    {
        appliance
            .error(
                report,
                "admin_socket_ro",
                &path.span,
                format!("admin_socket_ro = \"{path}\" is the admin socket itself"),
            )
            .instead("a file of its own", "write \"/run/fairlead/ro.sock\"");
    }
}

/// The program of `[notify]` is found without a search path, and can be told of what it is to be told of.
fn notify(document: &Document, report: &mut Report) {
    for event in &document.notify.events {
        let Some(why) = event.untold() else { continue };
        let message = format!("events has \"{event}\", of which no program is ever told: {why}");
        document
            .notify
            .error(report, "events", &event.span, message)
            .instead("the other events of the reference", format!("remove \"{event}\"; the log has it"));
    }
    let Some(program) = document.notify.command.first() else { return };
    if program.starts_with('/') && !program.chars().any(char::is_control) {
        return;
    }
    let message = format!("[notify]: command begins with \"{program}\", which is no whole path");
    document
        .notify
        .error(report, "command", &program.span, message)
        .instead("the absolute path of a program, then its arguments", "write such as [\"/usr/local/bin/notify\"]");
}

fn socket(document: &Document, (key, path): (&'static str, &At<String>), report: &mut Report) {
    let why = match path.as_str() {
        text if !text.starts_with('/') => "it does not begin with /",
        text if text.len() > SOCKET_PATH => "it is too long for a unix socket",
        text if text.chars().any(char::is_control) => "it contains a control character",
        _ => return,
    };
    document
        .appliance
        .error(report, key, &path.span, format!("{key} = \"{path}\": {why}"))
        .instead(format!("an absolute path of up to {SOCKET_PATH} bytes"), "write \"/run/fairlead/admin.sock\"");
}

/// What is kept stands at a whole path.
fn kept(document: &Document, report: &mut Report) {
    let appliance = &document.appliance;
    let folder = ("state", &appliance.state, "folder", "/var/lib/fairlead");
    let file = ("handover", &appliance.handover, "file", "/run/fairlead/state");
    for (key, path, what, such) in [folder, file] {
        let Some(path) = path else { continue };
        let why = match path.as_str() {
            text if !text.starts_with('/') => "it does not begin with /",
            text if text.chars().any(char::is_control) => "it contains a control character",
            text if what == "file" && text.ends_with('/') => "it ends with /",
            _ => continue,
        };
        let note = appliance.error(report, key, &path.span, format!("{key} = \"{path}\": {why}"));
        note.instead(format!("the absolute path of a {what}"), format!("write \"{such}\""));
    }
}

fn shared_cores(cores: &Cores, present: usize, report: &mut Report) {
    for (first, second) in repeated(&cores.workers, |at| Some(at.value)) {
        let message = format!("[cores]: two workers are pinned to core {second}");
        let note = report.twice([&first.span, &second.span], "cores.workers", message);
        note.instead("each worker has a core of its own", "remove one, or name another core");
    }
    let Some(management) = &cores.management else { return };
    let Some(worker) = cores.workers.iter().find(|at| at.value == management.value) else { return };
    let message = format!("core {worker} is both a worker core and the management core");
    let sleeps = cores.idle.as_deref() == Some(&Idle::Sleep);
    match (present, sleeps) {
        (1, _) => cores.warning(report, "workers", &worker.span, message + "; this machine has only one").remedy(
            "use idle = \"sleep\", so that probes get CPU time; beyond a trial, give the machine a second core",
        ),
        (_, true) => cores
            .warning(report, "workers", &worker.span, message)
            .remedy("fine for a trial with idle = \"sleep\"; in production, name another core for one of them"),
        (_, false) => cores.error(report, "workers", &worker.span, message).instead(
            "a core of its own: a worker polls continuously and starves whatever shares its core",
            "name another core for one of them; for a trial, write idle = \"sleep\"",
        ),
    };
}

fn missing_cores(cores: &Cores, present: usize, report: &mut Report) {
    let named = cores.workers.iter().map(|at| (at, "workers"));
    let named = named.chain(cores.management.iter().map(|at| (at, "management")));
    for (core, key) in named.filter(|(core, _)| core.value >= present) {
        let present = count(present, "core");
        cores
            .warning(
                report,
                key,
                &core.span,
                format!("{key}: there is no core {core} on this machine, which has {present}"),
            )
            .remedy("fine if the file is for another machine; this one would refuse to run it");
    }
}

fn memory(dpdk: &Dpdk, report: &mut Report) {
    let (Some(mbufs), Some(memory)) = (&dpdk.mbufs, &dpdk.memory_mib) else { return };
    let each = u64::from(buffer_bytes(USUAL_MTU));
    if (u64::from(mbufs.value) * each).div_ceil(1 << 20) <= u64::from(memory.value) {
        return;
    }
    let needed = memory_needed_mib(mbufs.value, USUAL_MTU);
    let (key, span) = if mbufs.written { ("mbufs", &mbufs.span) } else { ("memory_mib", &memory.span) };
    let most = (u64::from(memory.value) << 20) / each;
    dpdk.error(report, key, span, format!("{mbufs} packet buffers do not fit into {memory} MiB of memory")).instead(
        format!("at most {most} packet buffers in {memory} MiB"),
        format!("write memory_mib = {} or more, or fewer mbufs", needed.next_multiple_of(64)),
    );
}

/// Where packet buffers need more than is written, DPDK takes it; of huge pages so much must be reserved.
fn huge_pages(document: &Document, report: &mut Report) {
    let dpdk = &document.dpdk;
    let (Some(mbufs), Some(memory)) = (&dpdk.mbufs, &dpdk.memory_mib) else { return };
    let is_asked = dpdk.hugepages.as_ref().is_some_and(|asked| asked.value);
    let mtu = document.ports.iter().flat_map(|port| &port.mtu).map(|mtu| mtu.value).max().unwrap_or(USUAL_MTU);
    let needed = memory_needed_mib(mbufs.value, mtu);
    if !is_asked || needed <= memory.value || report.marked(&memory.span) || report.marked(&mbufs.span) {
        return;
    }
    let (key, span) = if memory.written { ("memory_mib", &memory.span) } else { ("mbufs", &mbufs.span) };
    let message = format!(
        "memory_mib = {memory} is less than the {needed} MiB of huge pages that DPDK needs for {mbufs} packet buffers, and takes"
    );
    let enough = needed.next_multiple_of(2);
    let remedy = format!("raise memory_mib (and the reserved huge pages) to {enough}, or write fewer mbufs");
    dpdk.warning(report, key, span, message).remedy(remedy);
}

/// Fragments that wait for the rest of their datagram may not take the buffers that the NICs receive into.
fn held_fragments(document: &Document, report: &mut Report) {
    let Document { dpdk, limits, cores, .. } = document;
    let (Some(mbufs), Some(each)) = (&dpdk.mbufs, &limits.fragments_per_worker) else { return };
    let workers = cores.workers.len().max(1);
    let (held, quarter) = (each.value * workers, (mbufs.value as usize).div_ceil(4));
    if held <= quarter {
        return;
    }
    let (span, key) = match (each.written, mbufs.written, cores.workers.last()) {
        (false, true, _) => (&mbufs.span, "dpdk.mbufs"),
        (false, false, Some(last)) => (&last.span, "cores.workers"),
        _ => (&each.span, "limits.fragments_per_worker"),
    };
    let holders = count(workers, "worker");
    let message = format!(
        "[limits]: fragments_per_worker = {each}: {holders} may hold {held} fragments, more than a quarter of the \
         {mbufs} packet buffers"
    );
    let (fewer, more) = (quarter / workers, (held * 4).next_power_of_two() - 1);
    let ways = [
        within(Limits::ROW, "fragments_per_worker", fewer).then(|| format!("fragments_per_worker = {fewer} or less")),
        within(Dpdk::ROW, "mbufs", more).then(|| format!("[dpdk] mbufs = {more} or more")),
    ];
    let ways: Vec<String> = ways.into_iter().flatten().collect();
    report.error(span, key, message).instead(
        format!("{} in mbufs = {mbufs}", count(quarter, "fragment")),
        if ways.is_empty() { "have fewer workers".into() } else { format!("write {}", ways.join(", or ")) },
    );
}

/// The bounds of a key hold `number`.
fn within(row: &SectionRow, name: &str, number: usize) -> bool {
    match row.key(name).map(|key| &key.kind) {
        Some(Kind::Integer { least, most, .. }) => i64::try_from(number).is_ok_and(|at| (*least..=*most).contains(&at)),
        _ => false,
    }
}

fn short_timer(document: &Document, key: &str, field: &Field<Duration>, report: &mut Report) {
    const USUAL: Duration = Duration::from_secs(240);
    let Some(at) = field.as_ref().filter(|at| at.value < USUAL) else { return };
    let message = format!("{key} = \"{}\" is below the 4 minutes of RFC 5382 REQ-5", duration_text(at.value));
    let note = document.timeouts.warning(report, key, &at.span, message);
    note.remedy("RFC 7857 2.1 allows it; write \"4m\" unless flows are scarce");
}
