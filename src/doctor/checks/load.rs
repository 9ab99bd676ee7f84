//! Whether there is room and time for the traffic.

use crate::admin::rows::PortRow;
use crate::doctor::facts::Facts;
use crate::doctor::found::{Found, LeftOut, Looked};

/// Frames before which a port is not judged.
const ENOUGH: u64 = 10_000;

pub(super) fn rss(facts: &Facts, found: &mut Found) -> Looked {
    let ports: Vec<PortRow> = facts.tables.get("ports")?;
    if facts.worker_cores().is_ok_and(|cores| cores.len() < 2) {
        return Err(LeftOut::because("there is one worker, and nothing to spread"));
    }
    for port in &ports {
        let evidence =
            format!("fairlead ports: {}; {} of {} frames handed off", port.rss, port.handed_off, port.arrived);
        let words = port.judgement.as_deref().unwrap_or_default();
        if words.contains("was asked to spread") {
            let remedy =
                "see dpdk-config/README.md for the driver; what arrives at another worker is handed off in software";
            found.warning(format!("port {} {words}", port.name), evidence, remedy);
        } else if port.arrived >= ENOUGH && port.handed_off.saturating_mul(2) > port.arrived {
            let what = format!("port {}: more than half of its frames are handed off to another worker", port.name);
            found.info(
                what,
                evidence,
                "a NIC whose driver takes our RSS key and table spreads them itself; or use fewer workers",
            );
        }
    }
    Ok(())
}

/// A counter of what was lost, what that means, and what to do.
const LOST: &[(&str, &str, &str)] = &[
    ("drop_transmit_full", "transmit queues were full", "the link is slower than the traffic, or down: fairlead ports"),
    (
        "drop_hand_off_full",
        "a worker could not keep up with what others handed off to it",
        "more [cores] workers, or a NIC that spreads (check rss)",
    ),
    ("drop_mailbox_full", "management could not keep up with the workers", "give [cores] management a core of its own"),
    ("drop_no_buffer", "there was no packet buffer", "raise [dpdk] mbufs"),
    ("drop_flow_table_full", "a flow table was full", "raise [limits] flows_per_worker"),
    (
        "drop_ports_exhausted",
        "no port of a SNAT address was free",
        "fairlead snat says which; exclude destinations, or use several virtual addresses",
    ),
    (
        "drop_reassembly_full",
        "too many fragments waited",
        "raise [limits] fragments_per_worker; fragments of a flood: find who sends them",
    ),
    (
        "drop_reassembly_timeout",
        "the rest of fragmented datagrams did not arrive",
        "fragments are lost on the way, or filtered: look at firewalls between",
    ),
    (
        "stalls",
        "loops of workers took longer than the stall threshold",
        "keep other programs off worker cores (check isolated-cores)",
    ),
    ("log_lines_lost", "lines of the log were lost", "the reader of the log is slow, or gone"),
    (
        "management_frames_dropped",
        "probes or ARP of management could not be sent",
        "workers are overloaded or stalled: fairlead latency",
    ),
    (
        "probes_inconclusive",
        "probes decided nothing as the appliance itself was away",
        "give [cores] management and workers cores of their own",
    ),
];

pub(super) fn losses(facts: &Facts, found: &mut Found) -> Looked {
    let counters = facts.tables.counters()?;
    for (name, what, remedy) in LOST.iter().filter(|(name, ..)| counters.of(name) > 0) {
        match counters.rise(name) {
            0 => found.info(format!("since the start {what}"), counters.shown(name), *remedy),
            _ => found.warning(format!("now {what}"), counters.shown(name), *remedy),
        }
    }
    for port in facts.tables.get::<Vec<PortRow>>("ports")? {
        let evidence =
            format!("fairlead ports: {} of {} frames missed, {} bad", port.rx_missed, port.rx_frames, port.rx_errors);
        // One in ten thousand.
        if port.rx_missed.saturating_mul(10_000) > port.rx_frames.max(1) {
            let what = format!("port {}: its NIC dropped frames that no worker took in time", port.name);
            found.warning(
                what,
                evidence.clone(),
                "more [cores] workers, or find what keeps them from their cores: fairlead latency",
            );
        }
        if port.rx_errors.saturating_mul(10_000) > port.rx_frames.max(1) {
            let what = format!("port {}: frames arrive damaged", port.name);
            found.warning(what, evidence, "look at cable, optics and the switch port's counters");
        }
        if port.resets + port.removals > 0 {
            let evidence = format!("fairlead ports: {} resets, {} removals", port.resets, port.removals);
            found.warning(
                format!("port {}: its device was reset or taken away", port.name),
                evidence,
                "restart Fairlead",
            );
        }
    }
    Ok(())
}
