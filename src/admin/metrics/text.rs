//! The exposition format of Prometheus, version 0.0.4.
//!
//! Owns the names, labels and units of the metrics: seconds and bytes, counters end in `_total`. Pure.

use crate::admin::rows::{
    CounterRow, LatencyRow, Link, MemberRow, MemberState, PortRow, ProbeRow, Role, ServiceRow, ServiceState, SnatRow,
    Spread, Status, SwitchoverRow, WorkerRow,
};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Rows of the table of counters that can also fall: how much there is, not how often something was.
const GAUGES: [&str; 5] = ["flows", "held", "install_latest_us", "install_longest_us", "neighbours"];

/// What the metrics are made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// One screen.
    pub status: Option<Status>,
    /// All counters.
    pub counters: Vec<CounterRow>,
    /// The members.
    pub members: Vec<MemberRow>,
    /// Their monitors.
    pub probes: Vec<ProbeRow>,
    /// SNAT addresses.
    pub snat: Vec<SnatRow>,
    /// Time in the box, turns, stalls.
    pub latency: Vec<LatencyRow>,
}

/// The tables as text.
pub fn exposition(tables: &Tables) -> String {
    let mut page = Page::default();
    if let Some(status) = &tables.status {
        appliance(&mut page, status);
        status.workers.iter().for_each(|row| worker(&mut page, row));
        status.ports.iter().for_each(|row| port(&mut page, row));
        status.services.iter().for_each(|row| service(&mut page, row));
        if let Some(row) = &status.last_switchover {
            switchover(&mut page, row);
        }
    }
    tables.members.iter().for_each(|row| member(&mut page, row));
    tables.probes.iter().for_each(|row| probe(&mut page, row));
    tables.snat.iter().for_each(|row| snat(&mut page, row));
    tables.latency.iter().for_each(|row| latency(&mut page, row));
    tables.counters.iter().for_each(|row| counter(&mut page, row));
    page.text()
}

/// Samples by metric, so that each metric is explained once and its samples stand together, as the format asks.
#[derive(Default)]
struct Page {
    metrics: BTreeMap<String, Metric>,
}

struct Metric {
    kind: &'static str,
    help: String,
    samples: String,
}

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    fn gauge(&mut self, name: &str, help: &str, labels: Labels, value: f64) {
        self.sample(format!("fairlead_{name}"), "gauge", help, labels, &value.to_string());
    }

    fn total(&mut self, name: &str, help: &str, labels: Labels, value: u64) {
        self.sample(format!("fairlead_{name}_total"), "counter", help, labels, &value.to_string());
    }

    fn sample(&mut self, name: String, kind: &'static str, help: &str, labels: Labels, value: &str) {
        let line = format!("{name}{} {value}\n", written(labels));
        self.lines(name, kind, help, &line);
    }

    /// A histogram with fixed buckets, in seconds: they can be added over workers and over time, quantiles cannot.
    fn histogram(&mut self, name: &str, help: &str, labels: Labels, spread: &Spread) {
        let name = format!("fairlead_{name}_seconds");
        let mut lines = String::new();
        for bucket in &spread.buckets {
            let bound = seconds(bucket.up_to_ns).to_string();
            let labels = written(&[labels, &[("le", &bound)]].concat());
            let _ = writeln!(lines, "{name}_bucket{labels} {}", bucket.count);
        }
        let labels_of_all = written(&[labels, &[("le", "+Inf")]].concat());
        let _ = writeln!(lines, "{name}_bucket{labels_of_all} {}", spread.count);
        let labels = written(labels);
        let _ = writeln!(lines, "{name}_sum{labels} {}\n{name}_count{labels} {}", seconds(spread.sum_ns), spread.count);
        self.lines(name, "histogram", help, &lines);
    }

    fn lines(&mut self, name: String, kind: &'static str, help: &str, lines: &str) {
        let metric = self.metrics.entry(name);
        metric.or_insert_with(|| Metric { kind, help: escaped(help), samples: String::new() }).samples.push_str(lines);
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, Metric { kind, help, samples }) in &self.metrics {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}");
        }
        text
    }
}

/// Labels as they stand behind a name.
fn written(labels: Labels) -> String {
    let labels: Vec<String> =
        labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text).replace('"', "\\\""))).collect();
    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

/// A name that the format allows: letters, digits, underscores.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

fn appliance(page: &mut Page, status: &Status) {
    let labels = [("version", status.version.as_str()), ("name", status.name.as_str())];
    page.gauge("info", "The appliance's version and name.", &labels, 1.0);
    page.gauge("uptime_seconds", "Seconds since the start.", &[], status.uptime_s as f64);
    page.gauge("epoch", "The snapshot that every worker has installed.", &[], status.epoch as f64);
    page.gauge("alarms", "Alarms that stand.", &[], status.alarms.len() as f64);
}

fn worker(page: &mut Page, row: &WorkerRow) {
    let id = row.id.to_string();
    let labels = [("worker", id.as_str())];
    page.gauge("worker_busy_ratio", "Part of the last second spent on packets.", &labels, row.busy_percent / 100.0);
    page.gauge("worker_flows", "Flows in the worker's table.", &labels, row.flows as f64);
    page.total("worker_received_frames", "Frames received.", &labels, row.rx);
    page.total("worker_sent_frames", "Frames sent.", &labels, row.tx);
    page.total("worker_dropped_frames", "Frames that died.", &labels, row.dropped);
}

fn port(page: &mut Page, row: &PortRow) {
    let labels = [("port", row.name.as_str())];
    page.gauge("port_up", "1 while the link is up.", &labels, flag(row.link == Link::Up));
    page.total("port_received_frames", "Frames received.", &labels, row.rx_frames);
    page.total("port_received_bytes", "Bytes received.", &labels, row.rx_bytes);
    page.total("port_missed_frames", "Frames the NIC dropped: no worker took them in time.", &labels, row.rx_missed);
    page.total("port_receive_errors", "Frames received with errors.", &labels, row.rx_errors);
    page.total("port_sent_frames", "Frames sent.", &labels, row.tx_frames);
    page.total("port_sent_bytes", "Bytes sent.", &labels, row.tx_bytes);
    page.total("port_handed_on_frames", "Frames that arrived where they are not decided.", &labels, row.handed_on);
    page.total("port_send_errors", "Frames the NIC failed to send.", &labels, row.tx_errors);
}

fn service(page: &mut Page, row: &ServiceRow) {
    let labels = [("service", row.name.as_str()), ("pool", row.pool.as_str())];
    page.gauge("service_up", "1 while a member is active.", &labels, flag(row.state == ServiceState::Up));
}

fn member(page: &mut Page, row: &MemberRow) {
    let labels = [("pool", row.pool.as_str()), ("member", row.name.as_str())];
    page.gauge("member_up", "1 while its monitors are good.", &labels, flag(row.state == MemberState::Up));
    page.gauge("member_active", "1 while clients go to it.", &labels, flag(row.role == Role::Active));
    page.gauge("member_flows", "Its flows.", &labels, row.flows as f64);
}

fn probe(page: &mut Page, row: &ProbeRow) {
    let labels = [("pool", row.pool.as_str()), ("member", row.member.as_str()), ("monitor", row.monitor.as_str())];
    if let Some(rtt) = row.last_rtt_us {
        page.gauge("probe_round_trip_seconds", "The latest round-trip time.", &labels, rtt as f64 / 1e6);
    }
    page.total("probe_sent", "Probes sent.", &labels, row.sent);
    page.total("probe_good", "Good answers.", &labels, row.good);
    page.total("probe_failed", "Failures.", &labels, row.failed);
}

fn snat(page: &mut Page, row: &SnatRow) {
    let address = row.address.to_string();
    let labels = [("address", address.as_str()), ("protocol", row.protocol.as_str())];
    page.gauge("snat_ports_used", "Ports handed out.", &labels, row.used as f64);
    page.gauge("snat_ports_free", "Ports that could be handed out.", &labels, row.free as f64);
    page.gauge("snat_ports_peak", "The most ports handed out at once.", &labels, row.peak as f64);
    if let Some(seconds) = row.exhausted_in_s {
        let help = "When no port will be free, at the rate of the last minutes; absent: it will not come to that.";
        page.gauge("snat_ports_exhausted_in_seconds", help, &labels, seconds as f64);
    }
    page.total("snat_exhausted", "Times that no port was free.", &labels, row.exhausted);
}

fn switchover(page: &mut Page, row: &SwitchoverRow) {
    let labels = [("pool", row.pool.as_str())];
    let time = row.time.0 as f64 / 1e6;
    page.gauge("last_switchover_timestamp_seconds", "When it was decided, since 1970 UTC.", &labels, time);
    if let Some(installed) = row.installed {
        let span = installed.saturating_sub(row.last_good_answer.unwrap_or(row.detected));
        let help = "From the last good answer (or the decision) to the last worker.";
        page.gauge("last_switchover_seconds", help, &labels, span as f64 / 1e6);
    }
}

/// Of each worker; whoever reads the page adds them.
fn latency(page: &mut Page, row: &LatencyRow) {
    let Some(worker) = row.worker.map(|worker| worker.to_string()) else { return };
    let labels = [("worker", worker.as_str())];
    let help = "Of each frame sent: from the turn that received it, here or at the worker that handed it over, to the \
                end of the turn that sent it; without the time in the rings of the NICs.";
    page.histogram("worker_time_in_box", help, &labels, &row.in_box);
    page.histogram("worker_turn", "Turns that did something.", &labels, &row.turns);
    page.total("worker_stalls", "Turns longer than `stall_threshold` in the file.", &labels, row.stalls);
    page.gauge("worker_longest_turn_seconds", "The longest turn.", &labels, seconds(row.longest_ns));
}

fn counter(page: &mut Page, row: &CounterRow) {
    let worker = row.worker.map(|worker| worker.to_string());
    let labels: Vec<(&str, &str)> = worker.iter().map(|worker| ("worker", worker.as_str())).collect();
    match GAUGES.contains(&row.name.as_str()) {
        true => page.gauge(&plain(&row.name), &row.explanation, &labels, row.value as f64),
        false => page.total(&format!("counter_{}", plain(&row.name)), &row.explanation, &labels, row.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::rows::{Bucket, Forecast, Wall};

    fn counted(name: &str, worker: Option<u16>, value: u64) -> CounterRow {
        CounterRow { name: name.into(), value, explanation: "What \\ it\nis.".into(), worker }
    }

    #[test]
    fn each_metric_is_explained_once_and_its_samples_stand_together() {
        let counters = vec![
            counted("drop_no_flow", Some(0), 3),
            counted("probes-sent", None, 7),
            counted("drop_no_flow", Some(1), u64::MAX),
        ];
        let text = exposition(&Tables { counters, ..Tables::default() });
        let expected = "# HELP fairlead_counter_drop_no_flow_total What \\\\ it\\nis.\n\
                        # TYPE fairlead_counter_drop_no_flow_total counter\n\
                        fairlead_counter_drop_no_flow_total{worker=\"0\"} 3\n\
                        fairlead_counter_drop_no_flow_total{worker=\"1\"} 18446744073709551615\n\
                        # HELP fairlead_counter_probes_sent_total What \\\\ it\\nis.\n\
                        # TYPE fairlead_counter_probes_sent_total counter\n\
                        fairlead_counter_probes_sent_total 7\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_can_fall_is_a_gauge() {
        let text = exposition(&Tables { counters: vec![counted("held", None, 3)], ..Tables::default() });
        assert!(text.ends_with("# TYPE fairlead_held gauge\nfairlead_held 3\n"), "{text}");
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
        let text = exposition(&Tables { snat: vec![snat], ..Tables::default() });
        let line = "fairlead_snat_ports_used{address=\"10.0.0.1\",protocol=\"t\\\"c\\\\p\\n\"} 1\n";
        assert!(text.contains(line), "{text}");
        let line = "fairlead_snat_ports_exhausted_in_seconds{address=\"10.0.0.1\",protocol=\"t\\\"c\\\\p\\n\"} 7800\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn spans_are_histograms_whose_buckets_add_up() {
        let bucket = |up_to_ns, count| Bucket { up_to_ns, count };
        let turns = Spread {
            count: 7,
            sum_ns: 1_234_567,
            buckets: vec![bucket(1_000, 0), bucket(2_000_000, 6)],
            ..Spread::default()
        };
        let row = |worker| LatencyRow {
            worker,
            since: Wall(0),
            until: Wall(0),
            in_box: Spread::default(),
            turns: turns.clone(),
            stalls: 3,
            stall_ns: 1_000_000,
            longest_ns: 4_200_000,
            longest_at: None,
        };
        let text = exposition(&Tables { latency: vec![row(Some(0)), row(None)], ..Tables::default() });
        let expected = "# HELP fairlead_worker_longest_turn_seconds The longest turn.\n\
                        # TYPE fairlead_worker_longest_turn_seconds gauge\n\
                        fairlead_worker_longest_turn_seconds{worker=\"0\"} 0.0042\n\
                        # HELP fairlead_worker_stalls_total Turns longer than `stall_threshold` in the file.\n\
                        # TYPE fairlead_worker_stalls_total counter\n\
                        fairlead_worker_stalls_total{worker=\"0\"} 3\n\
                        # HELP fairlead_worker_time_in_box_seconds Of each frame sent: from the turn that received it, \
                        here or at the worker that handed it over, to the end of the turn that sent it; \
                        without the time in the rings of the NICs.\n\
                        # TYPE fairlead_worker_time_in_box_seconds histogram\n\
                        fairlead_worker_time_in_box_seconds_bucket{worker=\"0\",le=\"+Inf\"} 0\n\
                        fairlead_worker_time_in_box_seconds_sum{worker=\"0\"} 0\n\
                        fairlead_worker_time_in_box_seconds_count{worker=\"0\"} 0\n\
                        # HELP fairlead_worker_turn_seconds Turns that did something.\n\
                        # TYPE fairlead_worker_turn_seconds histogram\n\
                        fairlead_worker_turn_seconds_bucket{worker=\"0\",le=\"0.000001\"} 0\n\
                        fairlead_worker_turn_seconds_bucket{worker=\"0\",le=\"0.002\"} 6\n\
                        fairlead_worker_turn_seconds_bucket{worker=\"0\",le=\"+Inf\"} 7\n\
                        fairlead_worker_turn_seconds_sum{worker=\"0\"} 0.001234567\n\
                        fairlead_worker_turn_seconds_count{worker=\"0\"} 7\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_switchover_is_a_span_in_seconds() {
        let row = SwitchoverRow {
            time: Wall(1_500_000),
            pool: "pair-1".into(),
            from: None,
            to: None,
            reason: String::new(),
            last_good_answer: Some(1_000_000),
            detected: 1_500_000,
            published: Some(1_500_100),
            installed: Some(1_500_250),
        };
        let mut page = Page::default();
        switchover(&mut page, &row);
        assert!(page.text().contains("fairlead_last_switchover_seconds{pool=\"pair-1\"} 0.50025\n"), "{}", page.text());
    }
}
