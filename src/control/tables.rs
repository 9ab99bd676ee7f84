//! The tables an operator reads, drawn from what the controller knows at this moment.
//!
//! Owns the way from the controller's own words to rows. Changes nothing.

use super::capture_feed::flow_name;
use super::controller::Controller;
use super::facts::{PortCounters, WorkerCounters, counter};
use super::host_devices;
use super::pools::Share;
use super::port_use::Place;
use super::spreading;
use crate::admin::rows::{
    Cause, Choice, ConnectionsRow, CounterRow, ExcludeRow, FlowCount, FlowRow, InterfaceRow, Link, MemberProbe,
    MemberRow, NeighbourRow, NeighbourState, Origin, PastProbeRow, PortRow, ProbeRow, Role, RouteKind, RouteRow,
    SnatRow, Status, VirtualServerRow, VirtualServerState, Wall, WorkerRow,
};
use crate::config::listen_text;
use crate::engine::{MemberUse, Uses};
use crate::flow::{self, Range};
use crate::monitor::{Check, Past};
use crate::policy::adjacency::{Neighbour, NextHop};
use crate::policy::connection_limits::{ConnectionLimit, ConnectionLimits};
use crate::policy::health::State;
use crate::policy::intent::{
    InterfaceId, MemberId, Monitor, MonitorKind, PoolId, PortId, Snat, VirtualServer, VirtualServerId,
};
use crate::time::Instant;
use crate::wire::Protocol;
use crate::worker::mailbox::{self, WorkerId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

impl Controller {
    pub(super) fn status(&self, now: Instant) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            name: self.file.settings.name.clone(),
            uptime_s: self.machine.uptime(now).as_secs(),
            epoch: self.publisher.installed().0,
            workers: self.machine.workers().map(|worker| self.worker_row(worker)).collect(),
            ports: self.port_rows(),
            virtual_servers: self.virtual_server_rows(),
            last_switchover: self.switchovers.rows(now, self.machine.wall(now)).next_back(),
            alarms: self.alarm_rows(),
            configuration: self.in_force.row(),
            settings: self.settings() as u64,
            awaited: self.awaited(now),
            pair: self.pair_report(now).ok(),
        }
    }

    /// Of one pool, or of all.
    pub(super) fn member_rows(&self, of: Option<PoolId>, now: Instant) -> Vec<MemberRow> {
        let workers = self.member_uses();
        self.intent
            .members
            .entries()
            .filter(|(_, member)| of.is_none_or(|pool| member.pool == pool))
            .map(|(id, _)| self.member_row(id, uses_of(&workers, id), now))
            .collect()
    }

    pub(super) fn member_row(&self, id: MemberId, uses: Uses, now: Instant) -> MemberRow {
        let (meant, standing) = (&self.intent.members[id], self.pools.member(id));
        let (active, is_shared) = (self.pools.takes_new(id), self.intent.pools[meant.pool].is_shared());
        let role = match standing.state {
            _ if active => Role::Active,
            State::Drained | State::Offline => Role::None,
            State::Down if is_shared => Role::None,
            // A standby SIP Server does not serve its port: to the monitors it is down until it is promoted.
            State::Unknown | State::Up | State::Down => Role::Standby,
        };
        let probe = |check: &Check| MemberProbe {
            monitor: check.spec.name.clone(),
            state: check.state.into(),
            last_rtt_us: check.last_rtt.map(micros),
            reason: check.reason(),
        };
        MemberRow {
            name: meant.name.clone(),
            pool: self.pool_name(meant.pool),
            address: meant.address,
            state: self.probing.monitors().verdict(id).state.into(),
            admin: standing.admin,
            admin_file: standing.admin_file,
            role,
            reason: self.member_reason(id),
            since: self.wall(standing.since),
            probes: self.probing.monitors().checks(id).map(probe).collect(),
            flows: uses.flows,
            tcp_connections: uses.connections,
            direct: uses.direct,
            udp_idle_ms: self.service_idle(id, &uses, now).map(millis),
            spoke_ms: uses.spoke.map(|at| millis(now.since(at))),
            drained: self.has_nothing_left(id, &uses, now),
            drain_until: standing.drain.until,
            drain_left_s: self.drain_left_s(id, now),
            connections: self.connection_limits().and_then(|limits| limits.member(id)).map(connections),
        }
    }

    /// Why it is in its state, and has less than its share of what is new.
    fn member_reason(&self, id: MemberId) -> String {
        let (meant, standing) = (&self.intent.members[id], self.pools.member(id));
        let share = match standing.share {
            Share::Plain => return standing.reason.clone(),
            Share::Spare => {
                let least = self.intent.pools[meant.pool].min_active;
                format!(
                    "spare: its priority {} is not needed while higher ones have min_active = {least}",
                    meant.priority
                )
            }
            Share::Part(part, end) => {
                format!("in slow start: {part} % of its share, all of it from {}", self.wall(end))
            }
        };
        format!("{}; {share}", standing.reason)
    }

    /// As the workers have them.
    fn connection_limits(&self) -> Option<&ConnectionLimits> {
        self.publisher.latest().map(|snapshot| &*snapshot.connection_limits)
    }

    pub(super) fn member_uses(&self) -> Vec<Arc<MemberUse>> {
        self.machine.workers().filter_map(|worker| self.machine.counters.members(worker)).collect()
    }

    /// Of one member, or of all.
    pub(super) fn probe_rows(&self, of: Option<MemberId>) -> Vec<ProbeRow> {
        let all = self.intent.members.ids();
        all.filter(|id| of.is_none_or(|one| *id == one)).flat_map(|id| self.probe_rows_of(id)).collect()
    }

    fn probe_rows_of(&self, id: MemberId) -> Vec<ProbeRow> {
        let member = &self.intent.members[id];
        let row = |check: &Check| ProbeRow {
            member: member.name.clone(),
            pool: self.pool_name(member.pool),
            kind: kind(&check.spec),
            monitor: check.spec.name.clone(),
            state: check.state.into(),
            reason: check.reason(),
            since: self.wall(check.since),
            last_rtt_us: check.last_rtt.map(micros),
            sent: check.sent,
            ok: check.ok,
            failed: check.failed,
        };
        self.probing.monitors().checks(id).map(row).collect()
    }

    /// All monitors of one member, by when their probes ended.
    pub(super) fn past_probe_rows(&self, id: MemberId) -> Vec<PastProbeRow> {
        let of_check = |check: &'_ Check| -> Vec<(Instant, PastProbeRow)> {
            let row = |past: &Past| PastProbeRow {
                monitor: check.spec.name.clone(),
                kind: kind(&check.spec),
                time: self.wall(past.at),
                result: past.result,
                rtt_us: past.rtt.map(micros),
                reason: past.words.to_string(),
            };
            check.history.iter().map(|past| (past.at, row(past))).collect()
        };
        let mut rows: Vec<(Instant, PastProbeRow)> = self.probing.monitors().checks(id).flat_map(of_check).collect();
        rows.sort_by_key(|(at, _)| *at);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    pub(super) fn virtual_server_rows(&self) -> Vec<VirtualServerRow> {
        self.intent.virtual_servers.entries().map(|(id, server)| self.virtual_server_row(id, server)).collect()
    }

    pub(super) fn virtual_server_row(&self, id: VirtualServerId, server: &VirtualServer) -> VirtualServerRow {
        let pool = self.pools.pool(server.pool);
        let active = self.active_members(server);
        let name = |member: MemberId| self.intent.members[member].name.clone();
        VirtualServerRow {
            name: server.name.clone(),
            address: server.address,
            listen: server.listen.iter().map(|listen| listen_text(*listen)).collect(),
            pool: self.pool_name(server.pool),
            state: self.server_state(server),
            active: pool.active.map(name),
            active_members: active.map(name).collect(),
            members: self.intent.pools[server.pool].members.len() as u64,
            choice: if pool.is_forced() { Choice::Forced } else { Choice::Auto },
            reason: pool.reason.clone(),
            since: self.wall(pool.since),
            advertise: server.advertise,
            advertised_since: self.advertised_since(server),
            connections: self.connection_limits().and_then(|limits| limits.server(id)).map(connections),
        }
    }

    /// Whether its clients are served.
    pub(super) fn server_state(&self, server: &VirtualServer) -> VirtualServerState {
        match (server.enabled, self.active_members(server).any(|member| !self.is_down(member))) {
            (false, _) => VirtualServerState::Disabled,
            (true, true) => VirtualServerState::Up,
            // A member that is forced, or kept as the last, may be active and down: it serves nobody.
            (true, false) => VirtualServerState::Down,
        }
    }

    fn active_members(&self, server: &VirtualServer) -> impl Iterator<Item = MemberId> {
        let members = self.intent.pools[server.pool].members.iter().copied();
        members.filter(|member| self.pools.takes_new(*member))
    }

    /// What the monitors say, whatever the operator has set.
    pub(super) fn is_down(&self, member: MemberId) -> bool {
        self.probing.monitors().verdict(member).state == State::Down
    }

    pub(super) fn snat_rows(&self, now: Instant) -> Vec<SnatRow> {
        let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Icmp];
        self.intent.snats.iter().flat_map(|snat| protocols.map(|protocol| self.snat_row(snat, protocol, now))).collect()
    }

    fn snat_row(&self, snat: &Snat, protocol: Protocol, now: Instant) -> SnatRow {
        let place = Place { address: snat.address, protocol, range: Range::main(protocol) };
        let filling = self.checks.ports.filling(place);
        let (peak, (forecast, full_in)) = self.checks.ports.of(place, filling, now);
        SnatRow {
            pool: self.pool_name(snat.pool),
            address: snat.address,
            protocol: protocol.to_string(),
            used: filling.used as u64,
            peak: peak as u64,
            free: filling.capacity.saturating_sub(filling.used) as u64,
            forecast,
            exhausted_in_s: full_in.map(|span| span.as_secs()),
            exhausted: self.checks.ports.exhausted(snat.address, protocol),
            excluded: snat.exclude.len() as u64,
        }
    }

    /// The exclusion group of a pool, and what was removed from it by hand.
    pub(super) fn exclude_rows(&self, pool: &str, id: PoolId) -> Vec<ExcludeRow> {
        let row = |prefix: &ipnet::Ipv4Net| ExcludeRow {
            pool: pool.into(),
            prefix: *prefix,
            origin: if self.exclusions.is_added(id, prefix) { Origin::Operator } else { Origin::File },
        };
        let group = self.intent.snats.iter().filter(|snat| snat.pool == id).flat_map(|snat| &snat.exclude);
        let removed = self.exclusions.removed(id).map(|prefix| ExcludeRow {
            pool: pool.into(),
            prefix: *prefix,
            origin: Origin::Removed,
        });
        group.map(row).chain(removed).collect()
    }

    pub(super) fn neighbour_rows(&self, now: Instant) -> Vec<NeighbourRow> {
        let row = |(hop, known, since): (NextHop, Option<Neighbour>, Instant)| NeighbourRow {
            interface: self.interface_name(hop.interface),
            address: hop.address,
            mac: if let Some(Neighbour::Reachable(mac)) = known { Some(mac.to_string()) } else { None },
            state: self.neighbour_state(hop, known),
            role: self.role(hop),
            since: self.wall(since),
        };
        self.link.neighbours.rows(now).into_iter().map(row).collect()
    }

    fn neighbour_state(&self, hop: NextHop, known: Option<Neighbour>) -> NeighbourState {
        if self.link.neighbours.is_static(hop) { NeighbourState::Static } else { neighbour_state(known) }
    }

    fn role(&self, hop: NextHop) -> String {
        match self.link.member(hop) {
            Some(id) => format!("member {}", self.intent.members[id].name),
            None if self.link.is_router(hop) => "router".into(),
            None => String::new(),
        }
    }

    pub(super) fn route_rows(&self) -> Vec<RouteRow> {
        let connected = self.intent.interfaces.iter().flat_map(|interface| {
            interface.addresses.iter().map(|net| RouteRow {
                to: net.trunc(),
                via: None,
                interface: interface.name.clone(),
                kind: RouteKind::Connected,
                next_hop: None,
                mac: None,
                learned: None,
            })
        });
        let fixed = self.intent.routes.iter().map(|route| RouteRow {
            to: route.to,
            via: Some(route.via),
            interface: self.interface_name(route.interface),
            kind: RouteKind::Static,
            next_hop: Some(self.state_of(route.hop())),
            mac: self.mac_of(route.hop()),
            learned: None,
        });
        connected.chain(fixed).chain(self.learned_rows()).collect()
    }

    pub(super) fn state_of(&self, hop: NextHop) -> NeighbourState {
        self.neighbour_state(hop, self.link.neighbours.neighbour(hop))
    }

    pub(super) fn mac_of(&self, hop: NextHop) -> Option<String> {
        match self.link.neighbours.neighbour(hop) {
            Some(Neighbour::Reachable(mac)) => Some(mac.to_string()),
            _ => None,
        }
    }

    pub(super) fn port_rows(&self) -> Vec<PortRow> {
        (0..self.intent.ports.len()).map(|at| self.port_row(PortId(at as u8))).collect()
    }

    pub(super) fn interface_rows(&self) -> Vec<InterfaceRow> {
        host_devices::rows(&self.intent, &self.machine.counters.hosts())
    }

    fn port_row(&self, id: PortId) -> PortRow {
        let (meant, facts) = (&self.intent.ports[id.index()], &self.machine.ports[id.index()]);
        let PortCounters { speed_mbps, stats, arrived, link_changes, resets, removals } =
            self.machine.counters.port(id);
        PortRow {
            name: meant.name.clone(),
            device: meant.device.clone(),
            driver: facts.driver.clone(),
            firmware: facts.firmware.clone(),
            mac: self.machine.macs[id.index()].to_string(),
            link: if self.link.is_up(id) { Link::Up } else { Link::Down },
            link_changes,
            resets,
            removals,
            speed_mbps,
            mtu: meant.mtu,
            rx_queues: facts.rx_queues,
            tx_queues: facts.tx_queues,
            rx_frames: stats.rx_frames,
            rx_bytes: stats.rx_bytes,
            rx_missed: stats.rx_missed,
            rx_errors: stats.rx_errors,
            tx_frames: stats.tx_frames,
            tx_bytes: stats.tx_bytes,
            tx_errors: stats.tx_errors,
            rss: facts.spreading.to_string(),
            arrived: arrived.frames,
            handed_off: arrived.elsewhere,
            judgement: spreading::judge(facts, arrived, self.machine.workers).map(|judgement| judgement.words),
        }
    }

    /// Sums over the workers and what management counts itself; with `all`, also zeros and each worker's own.
    pub(super) fn counter_rows(&self, all: bool) -> Vec<CounterRow> {
        let mut sums: Vec<CounterRow> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut own = Vec::new();
        for worker in self.machine.workers() {
            for row in self.machine.counters.worker(worker).rows() {
                let place = *places.entry(row.name.clone()).or_insert_with(|| {
                    sums.push(CounterRow { value: 0, worker: None, ..row.clone() });
                    sums.len() - 1
                });
                sums[place].value += row.value;
                own.push(CounterRow { worker: Some(worker.0), ..row });
            }
        }
        let several = self.machine.workers > 1;
        let each = own.into_iter().filter(|_| all && several);
        let rows = sums.into_iter().chain(self.management_counters()).chain(each);
        rows.filter(|row| all || row.value > 0).collect()
    }

    fn management_counters(&self) -> Vec<CounterRow> {
        let latency = self.publisher.latency();
        let (counters, switchovers) = (&self.machine.counters, |cause| self.switchovers.count(cause));
        let rows = [
            ("epochs", latency.epochs, "Snapshots installed by every worker."),
            (
                "snapshot_install_us",
                micros(latency.latest),
                "Microseconds from publishing the latest snapshot to its installation by the last worker.",
            ),
            ("snapshot_install_max_us", micros(latency.longest), "The longest such installation."),
            ("switchover_monitor", switchovers(Cause::Monitor), "Changes of a pool's active member by its monitors."),
            ("switchover_operator", switchovers(Cause::Operator), "Changes of a pool's active member by an operator."),
            ("switchover_drill", switchovers(Cause::Drill), "Changes of a pool's active member by a drill."),
            ("switchover_reload", switchovers(Cause::Reload), "Changes of a pool's active member by another file."),
            ("switchover_start", switchovers(Cause::Start), "First active members of pools."),
            ("stalls", self.latencies.stalls(), "Loop iterations longer than the stall threshold."),
            (
                "hints",
                self.probing.hints(),
                "Signs in passing traffic that a member's state may have changed; each triggers a probe at once.",
            ),
            (
                "log_lines_lost",
                self.machine.counters.log_lines_lost(),
                "Lines of the log that could not be written: the reader was slow or gone.",
            ),
            (
                "management_frames_dropped",
                self.machine.counters.frames_unsent(),
                "Frames the management core made (ARP, probes) and no worker could take: too many waited.",
            ),
            ("host_frames_unclaimed", counters.host_frames_unclaimed(), "Frames for a host device just taken away."),
            (
                "probes_inconclusive",
                self.probing.monitors().inconclusive(),
                "Probes that decided nothing: management or a worker was kept from its core, or too many programs waited.",
            ),
            (
                "events",
                self.outputs.events.last(),
                "Events since the first start that is known of: the number of the last one.",
            ),
            ("notify_run", self.notifier.run, "Events that the program of [notify] was run for."),
            (
                "notify_failed",
                self.notifier.failed,
                "Those of them for which it failed, was killed, or could not be run.",
            ),
            ("notify_dropped", self.notifier.dropped, "Events that it was not run for, as too many waited."),
            ("neighbours", self.link.neighbours.len() as u64, "Entries in the ARP table."),
            ("neighbours_max", super::neighbours::MOST as u64, "Entries that it holds at most."),
            (
                "neighbours_refused",
                self.link.neighbours.refused(),
                "ARP resolutions not started because too many were under way.",
            ),
        ];
        rows.map(|(name, value, explanation)| counter("", name, value, explanation)).into()
    }

    pub(super) fn flow_rows(&self, rows: &[mailbox::FlowRow]) -> Vec<FlowRow> {
        let members: HashMap<_, _> = self.intent.members.iter().map(|member| (member.address, member)).collect();
        let row = |row: &mailbox::FlowRow| {
            flow_row(row, row.member.and_then(|address| members.get(&address)).map(|member| member.name.clone()))
        };
        rows.iter().map(row).collect()
    }

    pub(super) fn worker_row(&self, worker: WorkerId) -> WorkerRow {
        let WorkerCounters { busy_percent, counters, .. } = self.machine.counters.worker(worker);
        let core = self.file.settings.cores.workers.get(usize::from(worker.0)).copied().unwrap_or_default();
        WorkerRow {
            id: worker.0,
            core: u16::try_from(core).unwrap_or(u16::MAX),
            busy_percent,
            rx: counters.received,
            tx: counters.transmitted,
            dropped: counters.dropped.sum(),
            ignored: counters.ignored.sum(),
            flows: counters.flows,
            flows_max: self.intent.limits.flows_per_worker as u64,
            fragments: counters.fragments,
            fragments_max: self.intent.limits.fragments_per_worker as u64,
        }
    }

    pub(super) fn pool_name(&self, id: PoolId) -> String {
        self.intent.pools[id].name.clone()
    }

    fn interface_name(&self, id: InterfaceId) -> String {
        self.intent.interfaces.get(id).map(|interface| interface.name.clone()).unwrap_or_default()
    }

    pub(super) fn wall(&self, at: Instant) -> Wall {
        self.machine.wall(at)
    }
}

fn connections(limit: &ConnectionLimit) -> ConnectionsRow {
    let or_none = |limit: u32| (limit > 0).then_some(limit.into());
    ConnectionsRow { now: limit.connections(), limit: or_none(limit.most), rate_limit: or_none(limit.per_second) }
}

/// Of all workers together.
pub(super) fn uses_of(workers: &[Arc<MemberUse>], member: MemberId) -> Uses {
    workers.iter().map(|worker| worker.of(member)).fold(Uses::default(), |sum, more| Uses {
        flows: sum.flows + more.flows,
        connections: sum.connections + more.connections,
        direct: sum.direct + more.direct,
        datagram: sum.datagram.max(more.datagram),
        spoke: sum.spoke.max(more.spoke),
    })
}

fn flow_row(row: &mailbox::FlowRow, member: Option<String>) -> FlowRow {
    FlowRow {
        worker: row.worker.0,
        flow: flow_name(row.worker.0, row.name),
        path: row.path.into(),
        protocol: row.protocol.to_string(),
        original: row.opened_by.into(),
        translated: row.became.into(),
        member,
        state: row.state.into(),
        idle_ms: millis(row.idle),
        expires_in_ms: millis(row.expires_in),
        sent: row.counted.map(|[sent, _]| flow_count(sent)),
        answered: row.counted.map(|[_, answered]| flow_count(answered)),
    }
}

fn flow_count(counted: flow::FlowCount) -> FlowCount {
    FlowCount { packets: counted.packets, bytes: counted.bytes }
}

fn neighbour_state(known: Option<Neighbour>) -> NeighbourState {
    match known {
        Some(Neighbour::Reachable(_)) => NeighbourState::Reachable,
        Some(Neighbour::Failed) => NeighbourState::Failed,
        None => NeighbourState::Resolving,
    }
}

fn kind(monitor: &Monitor) -> String {
    let kind = match &monitor.kind {
        MonitorKind::Icmp => "icmp".into(),
        MonitorKind::Tcp { port } => format!("tcp {port}"),
        MonitorKind::TcpHalfOpen { port } => format!("tcp-half-open {port}"),
        MonitorKind::Udp { port, .. } => format!("udp {port}"),
        MonitorKind::Sip(probe) => format!("sip/{} {}", probe.transport, probe.port),
        MonitorKind::External(probe) => format!("external {}", leaf(&probe.command)),
        MonitorKind::Http(probe) => format!("{} {}", if probe.tls.is_some() { "https" } else { "http" }, probe.port),
    };
    monitor.address.map_or_else(|| kind.clone(), |address| format!("{kind} of {address}"))
}

/// The last part of a path.
fn leaf(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
