//! The box: cores, memory, the admin socket, and timers that are allowed and unwise.

use super::repeated;
use crate::config::form::{Kind, SectionRow};
use crate::config::reader::{Field, Section};
use crate::config::report::{Report, count};
use crate::config::schema::{Document, Dpdk, Limits};
use crate::config::settings::Idle;
use crate::config::value::duration_text;
use std::time::Duration;

/// Bytes of memory one packet buffer takes: 2048 of data, 128 of headroom, its header and the pool's own.
const MBUF_BYTES: u64 = 2_400;
/// `sun_path` of `sockaddr_un`, less the closing zero (unix(7)).
const SOCKET_PATH: usize = 107;

/// Reports what `[appliance]`, `[cores]`, `[dpdk]` and `[timeouts]` ask of the machine that it cannot give.
pub(super) fn check(document: &Document, cores: usize, report: &mut Report) {
    socket(document, report);
    shared_cores(document, cores, report);
    missing_cores(document, cores, report);
    memory(document, report);
    held_fragments(document, report);
    short_timer("tcp_opening", &document.timeouts.tcp_opening, report);
    short_timer("tcp_closing", &document.timeouts.tcp_closing, report);
}

fn socket(document: &Document, report: &mut Report) {
    let Some(path) = &document.appliance.admin_socket else { return };
    let why = match &path.value {
        text if !text.starts_with('/') => "it does not begin with /",
        text if text.len() > SOCKET_PATH => "it is too long for a unix socket",
        text if text.chars().any(char::is_control) => "it contains a control character",
        _ => return,
    };
    let finding = report.error(
        &path.span,
        "appliance.admin_socket",
        format!("[appliance]: admin_socket = \"{}\": {why}", path.value),
    );
    finding.allowed(format!("an absolute path of up to {SOCKET_PATH} bytes"));
    finding.remedy("write \"/run/fairlead/admin.sock\"");
}

fn shared_cores(document: &Document, cores: usize, report: &mut Report) {
    let workers = &document.cores.workers;
    for (first, second) in repeated(workers.iter().map(|at| (at.value, at))) {
        let message = format!("[cores]: two workers are pinned to core {}", second.value);
        let finding = report.error(&second.span, "cores.workers", message);
        finding.allowed("each worker has a core of its own").remedy("remove one, or name another core");
        report.see(&first.span, "the first one");
    }
    let Some(management) = &document.cores.management else { return };
    let Some(worker) = workers.iter().find(|at| at.value == management.value) else { return };
    let message = format!("[cores]: core {} is both a worker core and the management core", worker.value);
    let sleeps = document.cores.idle.as_ref().is_some_and(|idle| idle.value == Idle::Sleep);
    match (cores, sleeps) {
        (1, _) => report.warning(&worker.span, "cores.workers", message + "; this machine has only one").remedy(
            "use idle = \"sleep\", so that probes get CPU time; beyond a trial, give the machine a second core",
        ),
        (_, true) => report
            .warning(&worker.span, "cores.workers", message)
            .remedy("fine for a trial with idle = \"sleep\"; in production, name another core for one of them"),
        (_, false) => report
            .error(&worker.span, "cores.workers", message)
            .allowed("a core of its own: a worker polls continuously and starves whatever shares its core")
            .remedy("name another core for one of them; for a trial, write idle = \"sleep\""),
    };
}

fn missing_cores(document: &Document, cores: usize, report: &mut Report) {
    let named = document.cores.workers.iter().map(|at| (at, "workers"));
    let named = named.chain(document.cores.management.iter().map(|at| (at, "management")));
    for (core, key) in named.filter(|(core, _)| core.value >= cores) {
        let message = format!(
            "[cores]: {key}: there is no core {} on this machine, which has {}",
            core.value,
            count(cores, "core")
        );
        let finding = report.warning(&core.span, &format!("cores.{key}"), message);
        finding.remedy("fine if the file is for another machine; this one would refuse to run it");
    }
}

fn memory(document: &Document, report: &mut Report) {
    let (Some(mbufs), Some(memory)) = (&document.dpdk.mbufs, &document.dpdk.memory_mib) else { return };
    let needed = (u64::from(mbufs.value) * MBUF_BYTES).div_ceil(1 << 20);
    if needed <= u64::from(memory.value) {
        return;
    }
    let (at, key) = if mbufs.written { (mbufs, "dpdk.mbufs") } else { (memory, "dpdk.memory_mib") };
    let message = format!("[dpdk]: {} packet buffers do not fit into {} MiB of memory", mbufs.value, memory.value);
    let finding = report.error(&at.span, key, message);
    finding.allowed(format!(
        "at most {} packet buffers in {} MiB",
        (u64::from(memory.value) << 20) / MBUF_BYTES,
        memory.value
    ));
    finding.remedy(format!("write memory_mib = {} or more, or fewer mbufs", needed.next_multiple_of(64)));
}

/// Fragments that wait for the rest of their datagram may not take the buffers that the NICs receive into.
fn held_fragments(document: &Document, report: &mut Report) {
    let (Some(mbufs), Some(each)) = (&document.dpdk.mbufs, &document.limits.fragments_per_worker) else { return };
    let workers = document.cores.workers.len().max(1);
    let (held, quarter) = (each.value * workers, (mbufs.value as usize).div_ceil(4));
    if held <= quarter {
        return;
    }
    let (span, key) = match (each.written, mbufs.written, document.cores.workers.last()) {
        (false, true, _) => (&mbufs.span, "dpdk.mbufs"),
        (false, false, Some(last)) => (&last.span, "cores.workers"),
        _ => (&each.span, "limits.fragments_per_worker"),
    };
    let message = format!(
        "[limits]: fragments_per_worker = {}: {} may hold {held} fragments, more than a quarter of the {} \
         packet buffers",
        each.value,
        count(workers, "worker"),
        mbufs.value
    );
    let finding = report.error(span, key, message);
    finding.allowed(format!("{} in mbufs = {}", count(quarter, "fragment"), mbufs.value));
    let (fewer, more) = (quarter / workers, (held * 4).next_power_of_two() - 1);
    let ways = [
        within(Limits::ROW, "fragments_per_worker", fewer).then(|| format!("fragments_per_worker = {fewer} or less")),
        within(Dpdk::ROW, "mbufs", more).then(|| format!("[dpdk] mbufs = {more} or more")),
    ];
    let ways: Vec<String> = ways.into_iter().flatten().collect();
    finding.remedy(if ways.is_empty() { "have fewer workers".into() } else { format!("write {}", ways.join(", or ")) });
}

/// The bounds of a key hold `number`.
fn within(row: &SectionRow, name: &str, number: usize) -> bool {
    match row.key(name).map(|key| &key.kind) {
        Some(Kind::Integer { least, most, .. }) => i64::try_from(number).is_ok_and(|at| (*least..=*most).contains(&at)),
        _ => false,
    }
}

fn short_timer(key: &str, field: &Field<Duration>, report: &mut Report) {
    const USUAL: Duration = Duration::from_secs(240);
    let Some(at) = field.as_ref().filter(|at| at.value < USUAL) else { return };
    let message =
        format!("[timeouts]: {key} = \"{}\" is below the 4 minutes of RFC 5382 REQ-5", duration_text(at.value));
    let finding = report.warning(&at.span, &format!("timeouts.{key}"), message);
    finding.remedy("RFC 7857 2.1 allows it; write \"4m\" unless flows are scarce");
}
