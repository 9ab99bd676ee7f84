//! The exposition format of Prometheus, version 0.0.4.
//!
//! Owns the names, labels and units of the metrics, by Prometheus's conventions: base units, `_total` for counters, one
//! family with a label where the rows differ by a reason only. `promtool check metrics` reads it in a test. Pure. How they are
//! written stands in `page`.

use super::page::{Labels, Page, seconds};
use super::sip;
use crate::admin::answer::Data;
use crate::admin::events::AlarmRow;
use crate::admin::overview::ALARMS_MAX;
use crate::admin::pair::{PairLinkRow, PairReport, PairRole};
use crate::admin::rows::{
    AdminState, Advertise, ConnectionsRow, CounterRow, InForceRow, InterfaceRow, LatencyRow, LearnedRow, Link,
    MemberRow, MemberState, NeighbourState, PortRow, ProbeRow, Role, RouteRow, SnatRow, Status, SwitchoverRow,
    TrafficOf, TrafficRow, VirtualServerRow, VirtualServerState, WorkerRow,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Answers of the controller as text.
pub fn exposition(answers: &[Data]) -> String {
    let mut page = Page::default();
    let workers = answers.iter().find_map(|answer| match answer {
        Data::Status(status) => Some(status.workers.as_slice()),
        _ => None,
    });
    for answer in answers {
        match answer {
            Data::Status(status) => appliance(&mut page, status),
            Data::Members(rows) => rows.iter().for_each(|row| member(&mut page, row)),
            Data::Probes(rows) => rows.iter().for_each(|row| probe(&mut page, row)),
            Data::Snat(rows) => rows.iter().for_each(|row| snat(&mut page, row)),
            Data::Routes(rows) => routes(&mut page, rows),
            Data::Interfaces(rows) => rows.iter().for_each(|row| host(&mut page, row)),
            Data::Latency(rows) => rows.iter().for_each(|row| latency(&mut page, row)),
            Data::Traffic(rows) => rows.iter().for_each(|row| traffic(&mut page, row)),
            Data::Sip(report) => sip::report(&mut page, report),
            Data::Counters(rows) => counters(&mut page, rows, workers.unwrap_or_default()),
            _ => {}
        }
    }
    page.text()
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn appliance(page: &mut Page, status: &Status) {
    page.gauge("build_info", "Fairlead's version.", &[("version", &status.version)], 1.0);
    page.gauge("appliance_info", "The appliance's name.", &[("name", &status.name)], 1.0);
    page.gauge("uptime_seconds", "Time since the start.", &[], status.uptime_s as f64);
    page.gauge("snapshot_epoch", "The snapshot that every worker has installed.", &[], status.epoch as f64);
    configuration(page, &status.configuration);
    alarms(page, &status.alarms);
    status.workers.iter().for_each(|row| worker(page, row));
    status.ports.iter().for_each(|row| port(page, row));
    status.virtual_servers.iter().for_each(|row| virtual_server(page, row));
    status.last_switchover.iter().for_each(|row| switchover(page, row));
    status.pair.iter().for_each(|report| pair(page, report));
}

fn configuration(page: &mut Page, row: &InForceRow) {
    let help = "The configuration in force, by the first digits of the SHA-256 of its text.";
    page.gauge("configuration_info", help, &[("digest", &row.digest)], 1.0);
    let help = "1 if the last configuration that was to be taken over was: at the start, by a reload, a rollback or from the other appliance.";
    page.gauge("reload_last_successful", help, &[], flag(row.last_reload_successful));
    let help = "When that was, taken over or refused, in seconds since 1970.";
    page.gauge("reload_last_timestamp_seconds", help, &[], row.last_reload.0 as f64 / 1e6);
}

/// How many there are, and each of the gravest, as many as the status page lists. Two of one code about the same thing are one sample.
fn alarms(page: &mut Page, rows: &[AlarmRow]) {
    page.gauge("alarms", "Alarms now raised.", &[], rows.len() as f64);
    let mut gravest: Vec<&AlarmRow> = rows.iter().collect();
    gravest.sort_by_key(|row| (Reverse(row.severity), row.since, row.id));
    let mut written = BTreeSet::new();
    for row in gravest.into_iter().take(ALARMS_MAX) {
        let (severity, object) = (row.severity.to_string(), subject(row));
        if written.insert((&row.code, object.clone())) {
            let help = "An alarm now raised, what it is about, and how grave it is: the gravest 100 at most.";
            page.gauge("alarm", help, &[("alarm", &row.code), ("severity", &severity), ("object", &object)], 1.0);
        }
    }
}

/// What an alarm is about, such as "pool pair-1, member sip-a"; empty: the appliance as a whole.
fn subject(row: &AlarmRow) -> String {
    let AlarmRow { pool, member, interface, object, .. } = row;
    let parts = [("pool ", pool), ("member ", member), ("interface ", interface), ("", object)];
    let named = parts.iter().filter_map(|(kind, name)| Some(format!("{kind}{}", name.as_ref()?)));
    named.collect::<Vec<_>>().join(", ")
}

fn pair(page: &mut Page, report: &PairReport) {
    page.gauge(
        "pair_active",
        "1 while this appliance is the active one of its pair.",
        &[],
        flag(report.role == PairRole::Active),
    );
    page.gauge(
        "pair_settling",
        "1 while nothing is refused yet, after a take-over.",
        &[],
        flag(report.settling_ms > 0),
    );
    page.gauge(
        "pair_split",
        "1 while both appliances of the pair are active.",
        &[],
        flag(report.split_since.is_some()),
    );
    page.gauge("pair_peer_connected", "1 while the other appliance is heard.", &[], flag(report.peer.is_some()));
    page.total("pair_takeovers", "How often this appliance has become active.", &[], report.takeovers);
    if let Some(is_in_sync) = report.in_sync {
        page.gauge("pair_in_sync", "1 while this appliance has what the other one knows.", &[], flag(is_in_sync));
    }
    if let (Some(flows), Some(ms)) = (report.lag_flows, report.lag_ms) {
        page.gauge("pair_lag_flows", "Changes on their way between the two appliances.", &[], flows as f64);
        page.gauge("pair_lag_seconds", "How old the oldest of them is.", &[], ms as f64 / 1_000.0);
    }
    report.link.iter().for_each(|link| pair_link(page, link));
    if let Some(us) = report.last_takeover.as_ref().and_then(|last| last.installed_us) {
        let help = "From the word that made this appliance active last to the snapshot that every worker had.";
        page.gauge("pair_takeover_seconds", help, &[], us as f64 / 1e6);
    }
}

fn pair_link(page: &mut Page, link: &PairLinkRow) {
    let connected = flag(link.connected.is_some());
    page.gauge("pair_link_connected", "1 while there is a connection to the other appliance.", &[], connected);
    let help = "Records of flows and speakers told to the other appliance, and by it.";
    let ways = [("sent", link.records_sent, link.bytes_sent), ("received", link.records_received, link.bytes_received)];
    for (direction, records, _) in ways {
        page.total("pair_sync_records", help, &[("direction", direction)], records);
    }
    for (direction, _, bytes) in ways {
        page.total("pair_sync_bytes", "Bytes told likewise.", &[("direction", direction)], bytes);
    }
    page.total("pair_sync_copies", "Full copies that became whole.", &[], link.copies_whole);
    page.total("pair_sync_breaks", "How often more changed than could be told.", &[], link.breaks);
    page.total("pair_sync_flows_taken", "Flows of the other appliance that were taken in.", &[], link.flows_taken);
    page.total("pair_sync_flows_left_out", "Flows it told of that are not here.", &[], link.flows_left_out);
    if let Some(count) = link.differences_count {
        let help = "Keys in which the configurations of the two appliances differ that should be the same; where that is known.";
        page.gauge("pair_configuration_differences", help, &[], count as f64);
    }
}

fn worker(page: &mut Page, row: &WorkerRow) {
    let id = row.id.to_string();
    let help = "Share of the last second the worker spent on packets.";
    let labels = [("worker", id.as_str())];
    page.gauge("worker_busy_ratio", help, &labels, row.busy_percent / 100.0);
    page.gauge("flows_max", "Flows that the worker may have.", &labels, row.flows_max as f64);
    page.gauge("fragments", "Fragments waiting for the rest of their datagrams.", &labels, row.fragments as f64);
    page.gauge("fragments_max", "How many may wait.", &labels, row.fragments_max as f64);
}

fn port(page: &mut Page, row: &PortRow) {
    let labels = [("port", row.name.as_str())];
    page.gauge("port_up", "1 while the link is up.", &labels, flag(row.link == Link::Up));
    page.total("port_received_frames", "Frames received.", &labels, row.rx_frames);
    page.total("port_received_bytes", "Bytes received.", &labels, row.rx_bytes);
    page.total("port_link_changes", "Changes of the link that were reported.", &labels, row.link_changes);
    page.total("port_device_resets", "Resets of the device; a restart sets it up again.", &labels, row.resets);
    page.total("port_device_removals", "Removals of the device.", &labels, row.removals);
    page.total("port_missed_frames", "Frames the NIC dropped: no worker took them in time.", &labels, row.rx_missed);
    page.total("port_receive_errors", "Frames received with errors.", &labels, row.rx_errors);
    page.total("port_transmitted_frames", "Frames sent.", &labels, row.tx_frames);
    page.total("port_transmitted_bytes", "Bytes sent.", &labels, row.tx_bytes);
    page.total("port_transmit_errors", "Frames the NIC failed to send.", &labels, row.tx_errors);
    let help = "Frames received by a worker that does not own them, and handed off.";
    page.total("port_handed_off_frames", help, &labels, row.handed_off);
}

fn virtual_server(page: &mut Page, row: &VirtualServerRow) {
    let labels = [("virtual_server", row.name.as_str()), ("pool", row.pool.as_str())];
    page.gauge(
        "virtual_server_up",
        "1 while a member that is not down is active.",
        &labels,
        flag(row.state == VirtualServerState::Up),
    );
    let enabled = flag(row.state != VirtualServerState::Disabled);
    page.gauge("virtual_server_enabled", "1 unless disabled in the file.", &labels, enabled);
    if row.advertise != Advertise::Never {
        let help = "1 while its address stands where routing daemons see it; where it is to at times.";
        page.gauge("virtual_server_advertised", help, &labels, flag(row.advertised_since.is_some()));
    }
    connections(page, "virtual_server", &labels, row.connections);
}

/// Of a member or virtual server that has a limit; how many connections there are stands with its traffic.
fn connections(page: &mut Page, whose: &str, labels: Labels, row: Option<ConnectionsRow>) {
    let Some(ConnectionsRow { limit, rate_limit, .. }) = row else { return };
    if let Some(limit) = limit {
        let help = "connection_limit: connections at a time, at most.";
        page.gauge(&format!("{whose}_connection_limit"), help, labels, limit as f64);
    }
    if let Some(limit) = rate_limit {
        let help = "connection_rate_limit: new connections a second, at most.";
        page.gauge(&format!("{whose}_connection_rate_limit"), help, labels, limit as f64);
    }
}

fn member(page: &mut Page, row: &MemberRow) {
    let labels = [("pool", row.pool.as_str()), ("member", row.name.as_str())];
    page.gauge("member_up", "1 while its monitors succeed.", &labels, flag(row.state == MemberState::Up));
    page.gauge("member_enabled", "1 unless draining or offline.", &labels, flag(row.admin == AdminState::Enabled));
    page.gauge(
        "member_active",
        "1 while it is the pool's active member, or one of those that share the work.",
        &labels,
        flag(row.role == Role::Active),
    );
    page.gauge("member_flows", "Its flows.", &labels, row.flows as f64);
    page.gauge("member_direct_flows", "Flows to its own address.", &labels, row.direct as f64);
    if let Some(idle) = row.udp_idle_ms {
        let help = "Since the last datagram of a service port from it or to it; 0 while it is active.";
        page.gauge("member_udp_idle_seconds", help, &labels, idle as f64 / 1e3);
    }
    connections(page, "member", &labels, row.connections);
}

/// Of a member, or a virtual server.
fn traffic(page: &mut Page, row: &TrafficRow) {
    let name = row.name.as_str();
    let (whose, named) = match row.of {
        TrafficOf::VirtualServer => ("virtual_server", ("virtual_server", name)),
        TrafficOf::Member => ("member", ("member", name)),
    };
    let labels = match row.of {
        TrafficOf::VirtualServer => [named, ("pool", &row.pool)],
        TrafficOf::Member => [("pool", row.pool.as_str()), named],
    };
    if row.counting {
        let [first, second] = labels;
        let by = |direction| [first, second, ("direction", direction)];
        let help = "Packets forwarded; in: towards members, out: from them.";
        page.total(&format!("{whose}_packets"), help, &by("in"), row.packets_in);
        page.total(&format!("{whose}_packets"), help, &by("out"), row.packets_out);
        let help = "Bytes forwarded, from the IP header on; in: towards members, out: from them.";
        page.total(&format!("{whose}_bytes"), help, &by("in"), row.bytes_in);
        page.total(&format!("{whose}_bytes"), help, &by("out"), row.bytes_out);
    }
    let help = "Connections to services; UDP of a service with one active member has none.";
    page.gauge(&format!("{whose}_connections"), help, &labels, row.connections as f64);
    let help = "The most connections at once, as far as was seen once a second.";
    page.gauge(&format!("{whose}_connections_max"), help, &labels, row.connections_max as f64);
    page.total(&format!("{whose}_new_connections"), "Connections that have begun.", &labels, row.connections_total);
}

fn probe(page: &mut Page, row: &ProbeRow) {
    let labels = [("pool", row.pool.as_str()), ("member", row.member.as_str()), ("monitor", row.monitor.as_str())];
    if let Some(rtt) = row.last_rtt_us {
        page.gauge("probe_round_trip_seconds", "The latest round-trip time.", &labels, rtt as f64 / 1e6);
    }
    page.total("probe_sent", "Probes sent.", &labels, row.sent);
    page.total("probe_success", "Probes that succeeded.", &labels, row.ok);
    page.total("probe_failure", "Probes that failed.", &labels, row.failed);
}

fn routes(page: &mut Page, rows: &[RouteRow]) {
    rows.iter().filter(|row| row.learned.is_none()).for_each(|row| route(page, row));
    // A routing daemon may learn thousands: they are counted by who has made them.
    let learned: Vec<(&RouteRow, &LearnedRow)> =
        rows.iter().filter_map(|row| Some((row, row.learned.as_ref()?))).collect();
    let of: BTreeSet<_> =
        learned.iter().map(|(row, one)| (&one.protocol, row.to, one.metric, one.stale.is_some())).collect();
    let mut counts = BTreeMap::<(&str, bool), u64>::new();
    of.iter().for_each(|(protocol, _, _, stale)| *counts.entry((protocol.as_str(), *stale)).or_default() += 1);
    for ((protocol, stale), count) in counts {
        let labels = [("protocol", protocol), ("stale", if stale { "true" } else { "false" })];
        page.gauge("kernel_routes", "Routes of the kernel's that are known.", &labels, count as f64);
    }
    let hops: BTreeMap<_, _> =
        learned.iter().filter_map(|(row, _)| Some(((&row.interface, row.via?), row.next_hop?))).collect();
    for ((interface, via), state) in hops {
        let via = via.to_string();
        let up = matches!(state, NeighbourState::Reachable | NeighbourState::Static);
        let help = "1 while a next hop of the kernel's routes answers ARP, or the file says where it is.";
        page.gauge("kernel_next_hop_up", help, &[("interface", interface.as_str()), ("via", via.as_str())], flag(up));
    }
}

fn route(page: &mut Page, row: &RouteRow) {
    if let (Some(via), Some(next_hop)) = (row.via, row.next_hop) {
        let (to, via) = (row.to.to_string(), via.to_string());
        let labels = [("route", to.as_str()), ("via", via.as_str())];
        let up = matches!(next_hop, NeighbourState::Reachable | NeighbourState::Static);
        page.gauge(
            "next_hop_up",
            "1 while the next hop of the route answers ARP, or the file says where it is.",
            &labels,
            flag(up),
        );
    }
}

fn host(page: &mut Page, row: &InterfaceRow) {
    let Some(host) = &row.host else { return };
    let labels = [("interface", row.name.as_str()), ("device", host.name.as_str())];
    let help = "1 while the kernel's device of the interface is as it is to be.";
    page.gauge("host_up", help, &labels, flag(host.trouble.is_none()));
    page.gauge("host_carrier", "1 while the kernel sees a carrier there.", &labels, flag(host.carrier));
    page.total("host_to_kernel_frames", "Frames that the kernel has taken.", &labels, host.to_kernel_frames);
    page.total("host_to_kernel_bytes", "Bytes that the kernel has taken.", &labels, host.to_kernel_bytes);
    page.total("host_from_kernel_frames", "Frames that the kernel has sent.", &labels, host.from_kernel_frames);
    page.total("host_from_kernel_bytes", "Bytes that the kernel has sent.", &labels, host.from_kernel_bytes);
    let help = "Frames that the kernel did not take: the device was gone or down.";
    page.total("host_refused_frames", help, &labels, host.refused_frames);
    let help = "Frames of the kernel's that no worker could take in time.";
    page.total("host_lost_frames", help, &labels, host.lost_frames);
}

fn snat(page: &mut Page, row: &SnatRow) {
    let address = row.address.to_string();
    let labels = [("address", address.as_str()), ("protocol", row.protocol.as_str())];
    page.gauge("snat_ports_used", "Ports in use.", &labels, row.used as f64);
    page.gauge("snat_ports_free", "Ports free.", &labels, row.free as f64);
    page.gauge("snat_ports_peak", "The most ports in use at once.", &labels, row.peak as f64);
    if let Some(seconds) = row.exhausted_in_s {
        let help = "Time until no port is free at the rate of the last minutes; absent if it will not come to that.";
        page.gauge("snat_ports_exhausted_in_seconds", help, &labels, seconds as f64);
    }
    page.total("snat_port_allocation_failures", "Allocations that found no free port.", &labels, row.exhausted);
}

fn switchover(page: &mut Page, row: &SwitchoverRow) {
    let labels = [("pool", row.pool.as_str())];
    let time = row.time.0 as f64 / 1e6;
    page.gauge("last_switchover_timestamp_seconds", "When it was decided, in Unix time.", &labels, time);
    if let Some(installed) = row.installed {
        let span = installed.saturating_sub(row.last_good_answer.unwrap_or(row.detected));
        let help = "From the last good answer, or else the decision, to its installation by the last worker.";
        page.gauge("last_switchover_duration_seconds", help, &labels, span as f64 / 1e6);
    }
}

/// Of each worker; whoever reads the page adds them.
fn latency(page: &mut Page, row: &LatencyRow) {
    let Some(worker) = row.worker.map(|worker| worker.to_string()) else { return };
    let labels = [("worker", worker.as_str())];
    let help = "Of each frame sent: from the start of the loop iteration that received it to the end of the one that \
                sent it; without the time in the NICs' rings.";
    page.histogram("forwarding_latency", help, &labels, &row.forwarding);
    page.histogram("loop_duration", "Loop iterations that did something.", &labels, &row.loops);
    page.total("stalls", "Loop iterations longer than the stall threshold.", &labels, row.stalls);
    page.gauge("loop_duration_max_seconds", "The longest loop iteration.", &labels, seconds(row.longest_ns));
}

/// Each worker's own where there are several, else the sums, as the one worker's.
fn counters(page: &mut Page, rows: &[CounterRow], workers: &[WorkerRow]) {
    let own: BTreeSet<&str> = rows.iter().filter(|row| row.worker.is_some()).map(|row| row.name.as_str()).collect();
    let only = if let [only] = workers { Some(only.id) } else { None };
    let rows = rows.iter().filter(|row| row.worker.is_some() || !own.contains(row.name.as_str()));
    rows.for_each(|row| counter(page, row, only));
}

/// A counter of the management core, which belongs to no worker.
fn is_of_management(name: &str) -> bool {
    name.starts_with("snapshot_install")
        || name.starts_with("switchover_")
        || name.starts_with("notify_")
        || matches!(
            name,
            "epochs"
                | "events"
                | "neighbours"
                | "neighbours_max"
                | "neighbours_refused"
                | "host_frames_unclaimed"
                | "hints"
                | "log_lines_lost"
                | "management_frames_dropped"
                | "probes_inconclusive"
        )
}

fn counter(page: &mut Page, row: &CounterRow, only: Option<u16>) {
    let worker = row.worker.or(only.filter(|_| !is_of_management(&row.name))).map(|id| id.to_string());
    let worker = worker.as_deref().map(|worker| ("worker", worker));
    let by = |label, value| worker.into_iter().chain([(label, value)]).collect::<Vec<_>>();
    let labels: Vec<_> = worker.into_iter().collect();
    let (help, value) = (row.explanation.as_str(), row.value);
    match row.name.split_once('_').unwrap_or_default() {
        ("drop", reason) => page.total("dropped_frames", "Frames dropped, by reason.", &by("reason", reason), value),
        ("ignored", reason) => {
            let help = "Background traffic of the links, which is no loss, by reason.";
            page.total("ignored_frames", help, &by("reason", reason), value);
        }
        ("punt", reason) => {
            page.total(
                "punted_frames",
                "Frames passed to the management core, by reason.",
                &by("reason", reason),
                value,
            );
        }
        ("switchover", cause) => {
            page.total("switchovers", "Changes of a pool's active member, by cause.", &by("cause", cause), value);
        }
        ("event", event) => {
            page.total("events", "Noteworthy events in forwarded traffic.", &by("event", event), value);
        }
        _ => match row.name.as_str() {
            "queued" => page.gauge("queued_frames", help, &labels, value as f64),
            "flows" | "neighbours" | "neighbours_max" => page.gauge(&row.name, help, &labels, value as f64),
            "received" | "originated" | "transmitted" | "handed_in" | "handed_off" => {
                page.total(&format!("{}_frames", row.name), help, &labels, value);
            }
            "epochs" => page.total("snapshots_installed", help, &labels, value),
            // Those of forwarded traffic have a label, and are another family.
            "events" => page.total("appliance_events", help, &labels, value),
            "snapshot_install_us" => {
                let help = "From publishing the latest snapshot to its installation by the last worker.";
                page.gauge("snapshot_install_seconds", help, &labels, value as f64 / 1e6);
            }
            "snapshot_install_max_us" => page.gauge("snapshot_install_max_seconds", help, &labels, value as f64 / 1e6),
            // The workers' own stand beside their latencies.
            "stalls" => {}
            name => page.total(name, help, &labels, value),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::rows::{Bucket, Cause, Choice, Forecast, HostRow, RouteKind, Spread, TrafficRates, Wall};
    use crate::events::Severity;

    fn counted(name: &str, worker: Option<u16>, value: u64) -> CounterRow {
        CounterRow { name: name.into(), value, explanation: "What \\ it\nis.".into(), worker }
    }

    #[test]
    fn each_metric_is_explained_once_and_its_samples_stand_together() {
        let counters = vec![
            counted("drop_no_flow", None, u64::MAX),
            counted("drop_no_flow", Some(0), 3),
            counted("hints", None, 7),
            counted("drop_no_route", Some(1), 4),
            counted("ignored_arp", Some(1), 6),
            counted("event_loose_pickup", Some(1), 5),
            counted("events", None, 8),
            counted("notify_run", None, 9),
            counted("switchover_operator", None, 2),
        ];
        let text = exposition(&[Data::Counters(counters)]);
        let expected = "# HELP fairlead_appliance_events_total What \\\\ it\\nis.\n\
                        # TYPE fairlead_appliance_events_total counter\n\
                        fairlead_appliance_events_total 8\n\
                        # HELP fairlead_dropped_frames_total Frames dropped, by reason.\n\
                        # TYPE fairlead_dropped_frames_total counter\n\
                        fairlead_dropped_frames_total{worker=\"0\",reason=\"no_flow\"} 3\n\
                        fairlead_dropped_frames_total{worker=\"1\",reason=\"no_route\"} 4\n\
                        # HELP fairlead_events_total Noteworthy events in forwarded traffic.\n\
                        # TYPE fairlead_events_total counter\n\
                        fairlead_events_total{worker=\"1\",event=\"loose_pickup\"} 5\n\
                        # HELP fairlead_hints_total What \\\\ it\\nis.\n\
                        # TYPE fairlead_hints_total counter\n\
                        fairlead_hints_total 7\n\
                        # HELP fairlead_ignored_frames_total Background traffic of the links, which is no loss, by reason.\n\
                        # TYPE fairlead_ignored_frames_total counter\n\
                        fairlead_ignored_frames_total{worker=\"1\",reason=\"arp\"} 6\n\
                        # HELP fairlead_notify_run_total What \\\\ it\\nis.\n\
                        # TYPE fairlead_notify_run_total counter\n\
                        fairlead_notify_run_total 9\n\
                        # HELP fairlead_switchovers_total Changes of a pool's active member, by cause.\n\
                        # TYPE fairlead_switchovers_total counter\n\
                        fairlead_switchovers_total{cause=\"operator\"} 2\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn configurations_nobody_has_compared_are_not_said_to_be_the_same() {
        let written = |differences_count| {
            let link = PairLinkRow {
                peer: ([10, 0, 0, 2], 7_601).into(),
                connected: None,
                name: None,
                state: crate::admin::pair::SyncWord::Away,
                last_error: None,
                records_sent: 0,
                records_received: 0,
                bytes_sent: 0,
                bytes_received: 0,
                copies_begun: 0,
                copies_whole: 0,
                breaks: 0,
                flows_taken: 0,
                flows_left_out: 0,
                differences: Vec::new(),
                differences_count,
            };
            let mut page = Page::default();
            pair_link(&mut page, &link);
            let text = page.text();
            let lines = text.lines().filter(|line| line.starts_with("fairlead_pair_configuration_differences"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(written(None), [""; 0]);
        assert_eq!(written(Some(0)), ["fairlead_pair_configuration_differences 0"]);
        assert_eq!(written(Some(70)), ["fairlead_pair_configuration_differences 70"]);
    }

    #[test]
    fn what_can_fall_is_a_gauge_in_base_units() {
        let worker = WorkerRow {
            core: 1,
            busy_percent: 50.0,
            flows: 7,
            flows_max: 1_000,
            fragments_max: 64,
            ..WorkerRow::default()
        };
        let status = Status { workers: vec![worker], ..Status::default() };
        let counters = vec![counted("queued", None, 3), counted("snapshot_install_us", None, 1_500)];
        let text = exposition(&[Data::Status(Box::new(status)), Data::Counters(counters)]);
        for line in [
            "# TYPE fairlead_queued_frames gauge\nfairlead_queued_frames{worker=\"0\"} 3\n",
            "# TYPE fairlead_snapshot_install_seconds gauge\nfairlead_snapshot_install_seconds 0.0015\n",
            "fairlead_worker_busy_ratio{worker=\"0\"} 0.5\n",
            "# TYPE fairlead_flows_max gauge\nfairlead_flows_max{worker=\"0\"} 1000\n",
            "fairlead_fragments_max{worker=\"0\"} 64\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    /// Two about one thing are one, so that Prometheus takes the page; and of very many only as many as the status page lists.
    #[test]
    fn each_alarm_has_a_gauge_the_gravest_first_and_bounded() {
        let row = |id, code: &str, severity, member: Option<&str>| AlarmRow {
            id,
            code: code.into(),
            severity,
            since: Wall(id),
            pool: member.map(|_| "pair-1".into()),
            member: member.map(Into::into),
            interface: None,
            object: None,
            message: String::new(),
            remedy: String::new(),
            acknowledged: None,
        };
        let samples = |alarms: &[AlarmRow]| {
            let mut page = Page::default();
            super::alarms(&mut page, alarms);
            let text = page.text();
            text.lines().filter(|line| line.starts_with("fairlead_alarm")).map(str::to_owned).collect::<Vec<_>>()
        };
        let warning = row(1, "pool.roles", Severity::Warning, Some("sip-a"));
        let critical = row(2, "clock.stepped", Severity::Critical, None);
        let same = AlarmRow { id: 3, ..warning.clone() };
        let expected = [
            "fairlead_alarm{alarm=\"clock.stepped\",severity=\"critical\",object=\"\"} 1",
            "fairlead_alarm{alarm=\"pool.roles\",severity=\"warning\",object=\"pool pair-1, member sip-a\"} 1",
            "fairlead_alarms 3",
        ];
        assert_eq!(samples(&[warning.clone(), critical.clone(), same]), expected);
        assert_eq!(samples(&[]), ["fairlead_alarms 0"]);
        let many = (0..1_000).map(|at| row(10 + at, "pool.roles", Severity::Warning, Some(&format!("sip-{at}"))));
        let many: Vec<AlarmRow> = many.chain([critical]).collect();
        let seen = samples(&many);
        assert_eq!((seen.len(), seen[0].contains("clock.stepped")), (101, true));
    }

    #[test]
    fn the_configuration_in_force_and_how_the_last_reload_ended_have_gauges() {
        let mut page = Page::default();
        let row = InForceRow { digest: "0123abcd".into(), last_reload: Wall(1_500_000), last_reload_successful: false };
        configuration(&mut page, &row);
        let text = page.text();
        for line in [
            "fairlead_configuration_info{digest=\"0123abcd\"} 1\n",
            "fairlead_reload_last_successful 0\n",
            "fairlead_reload_last_timestamp_seconds 1.5\n",
        ] {
            assert!(text.contains(&format!("gauge\n{line}")), "{line}\n{text}");
        }
    }

    #[test]
    fn the_next_hop_of_each_route_has_a_gauge() {
        let route = |via: u8, next_hop| RouteRow {
            to: "0.0.0.0/0".parse().unwrap(),
            via: Some([192, 0, 2, via].into()),
            interface: "outer".into(),
            kind: RouteKind::Static,
            next_hop: Some(next_hop),
            mac: None,
            learned: None,
        };
        let text =
            exposition(&[Data::Routes(vec![route(1, NeighbourState::Reachable), route(9, NeighbourState::Failed)])]);
        for (via, up) in [(1, 1), (9, 0)] {
            let line = format!("\nfairlead_next_hop_up{{route=\"0.0.0.0/0\",via=\"192.0.2.{via}\"}} {up}\n");
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn a_device_of_the_kernels_has_its_frames_and_whether_it_is_well() {
        let host = |trouble: Option<&str>| HostRow {
            name: "fl-a".into(),
            carrier: true,
            trouble: trouble.map(Into::into),
            to_kernel_frames: 7,
            to_kernel_bytes: 700,
            from_kernel_frames: 5,
            from_kernel_bytes: 500,
            refused_frames: 3,
            lost_frames: 1,
        };
        let row = |name: &str, host| InterfaceRow {
            name: name.into(),
            port: "outer".into(),
            vlan: None,
            mtu: 1500,
            addresses: Vec::new(),
            host,
        };
        let text = exposition(&[Data::Interfaces(vec![row("a", Some(host(Some("gone")))), row("b", None)])]);
        for (name, value) in [
            ("host_up", 0),
            ("host_carrier", 1),
            ("host_to_kernel_frames_total", 7),
            ("host_to_kernel_bytes_total", 700),
            ("host_from_kernel_frames_total", 5),
            ("host_from_kernel_bytes_total", 500),
            ("host_refused_frames_total", 3),
            ("host_lost_frames_total", 1),
        ] {
            let line = format!("\nfairlead_{name}{{interface=\"a\",device=\"fl-a\"}} {value}\n");
            assert!(text.contains(&line), "{line}{text}");
        }
        assert!(!text.contains("interface=\"b\""));
    }

    /// The one that most alerts are made of.
    #[test]
    fn a_virtual_server_that_serves_nobody_has_a_gauge_of_zero() {
        for (state, up, enabled) in
            [(VirtualServerState::Up, 1, 1), (VirtualServerState::Down, 0, 1), (VirtualServerState::Disabled, 0, 0)]
        {
            let row = VirtualServerRow {
                name: "sip-1".into(),
                address: [10, 20, 0, 100].into(),
                listen: vec!["udp/5060".into()],
                pool: "pair-1".into(),
                state,
                active: Some("sip-a".into()),
                active_members: vec!["sip-a".into()],
                members: 2,
                choice: Choice::Forced,
                reason: String::new(),
                since: Wall(0),
                advertise: Advertise::WhenActive,
                advertised_since: (up == 1).then_some(Wall(5)),
                connections: Some(ConnectionsRow { now: 7, limit: Some(100), rate_limit: None }),
            };
            let mut page = Page::default();
            virtual_server(&mut page, &row);
            let labels = "{virtual_server=\"sip-1\",pool=\"pair-1\"}";
            for (name, value) in [("up", up), ("enabled", enabled), ("advertised", up), ("connection_limit", 100)] {
                let line = format!("\nfairlead_virtual_server_{name}{labels} {value}\n");
                assert!(page.text().contains(&line), "{}", page.text());
            }
            assert!(!page.text().contains("rate_limit"), "{}", page.text());
        }
    }

    #[test]
    fn traffic_has_its_direction_as_a_label_and_none_while_it_is_not_counted() {
        let row = |of, counting| TrafficRow {
            of,
            name: "sip".into(),
            pool: "pair-1".into(),
            counting,
            packets_in: 1,
            packets_out: 2,
            bytes_in: 30,
            bytes_out: u64::MAX,
            per_second: TrafficRates::default(),
            connections: 5,
            connections_max: 6,
            connections_total: 7,
        };
        let text =
            exposition(&[Data::Traffic(vec![row(TrafficOf::VirtualServer, true), row(TrafficOf::Member, true)])]);
        for (whose, labels) in
            [("virtual_server", "virtual_server=\"sip\",pool=\"pair-1\""), ("member", "pool=\"pair-1\",member=\"sip\"")]
        {
            for line in [
                format!("fairlead_{whose}_packets_total{{{labels},direction=\"in\"}} 1\n"),
                format!("fairlead_{whose}_packets_total{{{labels},direction=\"out\"}} 2\n"),
                format!("fairlead_{whose}_bytes_total{{{labels},direction=\"in\"}} 30\n"),
                format!("fairlead_{whose}_bytes_total{{{labels},direction=\"out\"}} 18446744073709551615\n"),
                format!("fairlead_{whose}_connections{{{labels}}} 5\n"),
                format!("fairlead_{whose}_connections_max{{{labels}}} 6\n"),
                format!("fairlead_{whose}_new_connections_total{{{labels}}} 7\n"),
            ] {
                assert!(text.contains(&format!("\n{line}")), "{line}\n{text}");
            }
        }
        let text = exposition(&[Data::Traffic(vec![row(TrafficOf::Member, false)])]);
        assert!(!text.contains("_packets") && !text.contains("_bytes") && text.contains("_new_connections_total"));
    }

    #[test]
    fn a_name_cannot_break_out_of_its_label() {
        let snat = SnatRow {
            pool: "p".into(),
            address: [10, 0, 0, 1].into(),
            protocol: "t\"c\\p\n".into(),
            used: 1,
            peak: 1,
            free: 2,
            forecast: Forecast::Growing,
            exhausted_in_s: Some(7_800),
            exhausted: 3,
            excluded: 4,
        };
        let text = exposition(&[Data::Snat(vec![snat])]);
        let line = "fairlead_snat_ports_used{address=\"10.0.0.1\",protocol=\"t\\\"c\\\\p\\n\"} 1\n";
        assert!(text.contains(line), "{text}");
        let line = "fairlead_snat_ports_exhausted_in_seconds{address=\"10.0.0.1\",protocol=\"t\\\"c\\\\p\\n\"} 7800\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn spans_are_histograms_whose_buckets_add_up() {
        let bucket = |up_to_ns, count| Bucket { up_to_ns, count };
        let loops = Spread {
            count: 7,
            sum_ns: 1_234_567,
            buckets: vec![bucket(1_000, 0), bucket(2_000_000, 6)],
            ..Spread::default()
        };
        let row = |worker| LatencyRow {
            worker,
            since: Wall(0),
            until: Wall(0),
            forwarding: Spread::default(),
            loops: loops.clone(),
            stalls: 3,
            stall_ns: 1_000_000,
            longest_ns: 4_200_000,
            longest_at: None,
        };
        let text = exposition(&[Data::Latency(vec![row(Some(0)), row(None)])]);
        let expected = "# HELP fairlead_forwarding_latency_seconds Of each frame sent: from the start of the loop \
                        iteration that received it to the end of the one that sent it; without the time in the NICs' \
                        rings.\n\
                        # TYPE fairlead_forwarding_latency_seconds histogram\n\
                        fairlead_forwarding_latency_seconds_bucket{worker=\"0\",le=\"+Inf\"} 0\n\
                        fairlead_forwarding_latency_seconds_sum{worker=\"0\"} 0\n\
                        fairlead_forwarding_latency_seconds_count{worker=\"0\"} 0\n\
                        # HELP fairlead_loop_duration_max_seconds The longest loop iteration.\n\
                        # TYPE fairlead_loop_duration_max_seconds gauge\n\
                        fairlead_loop_duration_max_seconds{worker=\"0\"} 0.0042\n\
                        # HELP fairlead_loop_duration_seconds Loop iterations that did something.\n\
                        # TYPE fairlead_loop_duration_seconds histogram\n\
                        fairlead_loop_duration_seconds_bucket{worker=\"0\",le=\"0.000001\"} 0\n\
                        fairlead_loop_duration_seconds_bucket{worker=\"0\",le=\"0.002\"} 6\n\
                        fairlead_loop_duration_seconds_bucket{worker=\"0\",le=\"+Inf\"} 7\n\
                        fairlead_loop_duration_seconds_sum{worker=\"0\"} 0.001234567\n\
                        fairlead_loop_duration_seconds_count{worker=\"0\"} 7\n\
                        # HELP fairlead_stalls_total Loop iterations longer than the stall threshold.\n\
                        # TYPE fairlead_stalls_total counter\n\
                        fairlead_stalls_total{worker=\"0\"} 3\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_switchover_is_a_span_in_seconds() {
        let row = SwitchoverRow {
            age_ms: 0,
            time: Wall(1_500_000),
            pool: "pair-1".into(),
            from: None,
            to: None,
            cause: Cause::Monitor,
            reason: String::new(),
            last_good_answer: Some(1_000_000),
            first_failed_probe: Some(1_100_000),
            lost: Some(1_400_000),
            up: Some(1_500_000),
            detected: 1_500_000,
            published: Some(1_500_100),
            redelivered: 0,
            redelivery_too_old: 0,
            redelivery_no_room: 0,
            installed: Some(1_500_250),
        };
        let mut page = Page::default();
        switchover(&mut page, &row);
        let line = "fairlead_last_switchover_duration_seconds{pool=\"pair-1\"} 0.50025\n";
        assert!(page.text().contains(line), "{}", page.text());
    }
}
