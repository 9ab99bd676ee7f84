//! What the page of metrics can hold: from the sources that write it, and for counters from the page itself.

use fairlead::admin::answer::Data;
use fairlead::admin::metrics::text::exposition;
use fairlead::admin::rows::CounterRow;
use std::collections::{BTreeMap, BTreeSet};

/// One family.
pub struct Metric {
    /// As it is served.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Of its samples.
    pub labels: BTreeSet<String>,
    /// What it means.
    pub help: String,
}

const SOURCES: &[&str] =
    &[include_str!("../../src/admin/metrics/text.rs"), include_str!("../../src/admin/metrics/sip.rs")];
/// A closure of those of SIP, which adds labels of its own.
const SIP_TOTAL: &str = " total(";
/// What writes a sample, the type, and what the name ends with.
const WRITERS: &[(&str, &str, &str)] = &[
    ("page.gauge(", "gauge", ""),
    ("page.total(", "counter", "_total"),
    ("page.histogram(", "histogram", "_seconds"),
    (SIP_TOTAL, "counter", "_total"),
];
/// What `{whose}` of a name stands for.
const WHOSE: &[&str] = &["member", "virtual_server"];

/// A counter's name and meaning.
pub type Counted = (String, String);

/// Every metric, by name; `workers` and `management` are the counters of `fairlead counters` that each keeps.
pub fn all(workers: &[Counted], management: &[Counted]) -> Vec<Metric> {
    let of_counters = of_counters(workers, management);
    let of_sources = SOURCES.iter().flat_map(|source| of_source(source));
    let mut found: BTreeMap<String, Metric> = BTreeMap::new();
    for metric in of_sources.chain(of_counters) {
        match found.get_mut(&metric.name) {
            Some(known) => known.labels.extend(metric.labels),
            None => _ = found.insert(metric.name.clone(), metric),
        }
    }
    found.into_values().collect()
}

/// Counters as the page has them.
fn of_counters(workers: &[Counted], management: &[Counted]) -> Vec<Metric> {
    let row = |(name, meaning): &Counted, worker| CounterRow {
        name: name.clone(),
        value: 1,
        explanation: meaning.clone(),
        worker,
    };
    let rows = workers.iter().map(|counter| row(counter, Some(0)));
    let rows = rows.chain(management.iter().map(|counter| row(counter, None))).collect();
    let text = exposition(&[Data::Counters(rows)]);
    let mut found: Vec<Metric> = Vec::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            let metric = Metric { name: name.into(), kind: "gauge", labels: BTreeSet::new(), help: help.into() };
            found.push(metric);
        } else if line.starts_with("# TYPE ") {
            let last = found.last_mut().expect("it is explained");
            last.kind = if line.ends_with("counter") { "counter" } else { "gauge" };
        } else if let (Some(last), Some((_, labels))) = (found.last_mut(), line.split_once('{')) {
            let names = labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned());
            last.labels.extend(names);
        }
    }
    found
}

fn of_source(source: &str) -> Vec<Metric> {
    let product = source.split("#[cfg(test)]").next().unwrap_or_default();
    let functions = product.split("\nfn ").filter(|function| !function.starts_with("counter("));
    functions.flat_map(of_function).collect()
}

fn of_function(function: &str) -> Vec<Metric> {
    let mut found = Vec::new();
    for &(writer, kind, ending) in WRITERS {
        for (at, _) in function.match_indices(writer) {
            let arguments = function[at + writer.len()..].trim_start();
            let Some((name, rest)) = name_of(arguments) else { continue };
            let help = help_of(rest, &function[..at]);
            let third = third_of(rest);
            for name in names(name) {
                let labels = labels_of(third, function, writer, &name);
                found.push(Metric { name: format!("fairlead_{name}{ending}"), kind, labels, help: help.clone() });
            }
        }
    }
    found
}

/// The first argument if it is a literal, and what comes behind it.
fn name_of(arguments: &str) -> Option<(&str, &str)> {
    let literal = arguments.strip_prefix("&format!(").unwrap_or(arguments).strip_prefix('"')?;
    let (name, rest) = literal.split_once('"')?;
    Some((name, rest.trim_start_matches(')').strip_prefix(',')?.trim_start()))
}

fn names(name: &str) -> Vec<String> {
    match name.strip_prefix("{whose}") {
        Some(rest) => WHOSE.iter().map(|whose| format!("{whose}{rest}")).collect(),
        None => vec![name.to_owned()],
    }
}

/// The second argument, or what the variable `help` was last made.
fn help_of(rest: &str, before: &str) -> String {
    let literal = match rest.strip_prefix('"') {
        Some(literal) => literal,
        None => {
            before.rsplit_once("let help =").and_then(|(_, text)| text.split_once('"')).map_or("", |(_, text)| text)
        }
    };
    let text = literal.split_once('"').map_or("", |(text, _)| text);
    text.split("\\\n").map(str::trim_start).collect()
}

fn third_of(rest: &str) -> &str {
    let behind = match rest.strip_prefix('"') {
        Some(literal) => literal.split_once('"').map_or("", |(_, behind)| behind),
        None => rest,
    };
    behind.split_once(',').map_or("", |(_, third)| third.trim_start())
}

/// The names of the labels: those of the third argument, or of the variable that it names.
fn labels_of(third: &str, function: &str, writer: &str, name: &str) -> BTreeSet<String> {
    let own = third.split(']').next().unwrap_or_default();
    let word: String = third.trim_start_matches('&').chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut labels = match word.as_str() {
        "" => tuples(own),
        "by" => tuples(variable(function, "labels")),
        word => tuples(variable(function, word)),
    };
    if word == "by" {
        labels.insert("direction".to_owned());
    }
    // What is made for members and virtual servers alike.
    if function.contains("{whose}") {
        let whose = WHOSE.iter().filter(|whose| name.starts_with(**whose)).map(|whose| (*whose).to_owned());
        labels = whose.chain(labels.into_iter().filter(|label| !WHOSE.contains(&label.as_str()))).collect();
        labels.insert("pool".to_owned());
    }
    if writer == SIP_TOTAL {
        labels.extend(tuples(variable(function, "of")));
    }
    labels
}

/// What a variable of the function is made of.
fn variable<'a>(function: &'a str, name: &str) -> &'a str {
    let (_, made) = function.split_once(&format!("let {name} = ")).unwrap_or_default();
    made.split_once(';').map_or(made, |(made, _)| made)
}

/// The first words of `("label", ...)`, which is no call.
fn tuples(text: &str) -> BTreeSet<String> {
    let begins = text.match_indices("(\"").filter(|(at, _)| !text[..*at].ends_with(|c: char| c.is_alphanumeric()));
    begins.filter_map(|(at, _)| text[at + 2..].split_once("\", ")).map(|(label, _)| label.to_owned()).collect()
}
