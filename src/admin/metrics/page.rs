//! A page in the exposition format of Prometheus, version 0.0.4.
//!
//! Owns how a metric is written: its explanation, labels, escapes. Knows none by name.

use crate::admin::rows::Spread;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Samples by metric, so that each metric is explained once and its samples stand together, as the format asks.
#[derive(Default)]
pub(super) struct Page {
    metrics: BTreeMap<String, Metric>,
}

struct Metric {
    kind: &'static str,
    help: String,
    samples: String,
}

/// Names and texts.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    /// One sample of what can fall.
    pub(super) fn gauge(&mut self, name: &str, help: &str, labels: Labels, value: f64) {
        self.sample(format!("fairlead_{name}"), "gauge", help, labels, &value.to_string());
    }

    /// One sample of what only grows.
    pub(super) fn total(&mut self, name: &str, help: &str, labels: Labels, value: u64) {
        self.sample(format!("fairlead_{name}_total"), "counter", help, labels, &value.to_string());
    }

    fn sample(&mut self, name: String, kind: &'static str, help: &str, labels: Labels, value: &str) {
        let line = format!("{name}{} {value}\n", written(labels));
        self.lines(name, kind, help, &line);
    }

    /// A histogram with fixed buckets, in seconds: they can be added over workers and over time, quantiles cannot.
    pub(super) fn histogram(&mut self, name: &str, help: &str, labels: Labels, spread: &Spread) {
        let name = format!("fairlead_{name}_seconds");
        let mut lines = String::new();
        for bucket in &spread.buckets {
            let bound = seconds(bucket.up_to_ns).to_string();
            let labels = written(&[labels, &[("le", &bound)]].concat());
            let _ = writeln!(lines, "{name}_bucket{labels} {}", bucket.count);
        }
        let (all, own, count) = (written(&[labels, &[("le", "+Inf")]].concat()), written(labels), spread.count);
        let sum = seconds(spread.sum_ns);
        let _ = writeln!(lines, "{name}_bucket{all} {count}\n{name}_sum{own} {sum}\n{name}_count{own} {count}");
        self.lines(name, "histogram", help, &lines);
    }

    fn lines(&mut self, name: String, kind: &'static str, help: &str, lines: &str) {
        let metric = self.metrics.entry(name);
        metric.or_insert_with(|| Metric { kind, help: escaped(help), samples: String::new() }).samples.push_str(lines);
    }

    /// All of it.
    pub(super) fn text(&self) -> String {
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

/// Of nanoseconds.
pub(super) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}
