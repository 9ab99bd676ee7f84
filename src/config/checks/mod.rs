//! Contradictions: what is wrong with values that are each right on their own.
//!
//! Owns every check that looks at more than one value, or at the machine. Each reports and carries on, so that one reading
//! tells everything. Names are checked here: the other files take for granted that it speaks of unknown ones.

mod connection_limits;
mod direct_access;
mod machine;
mod network;
mod pair;
mod pools;
mod services;
mod tls;
mod without_effect;

use super::document::{Document, repeated};
use super::form::{did_you_mean, listed};
use super::reader::{At, Field, Section};
use super::report::Report;
use std::collections::HashSet;

/// Reports every contradiction in `document`, on a machine of `cores` CPU cores.
pub(super) fn check(document: &Document, cores: usize, report: &mut Report) {
    names(document, report);
    machine::check(document, cores, report);
    network::check(document, report);
    services::check(document, report);
    pools::check(document, report);
    connection_limits::check(document, report);
    direct_access::check(document, report);
    pair::check(document, report);
    tls::check(document, report);
    without_effect::check(document, report);
}

/// Each name is defined once, and each that is used is defined.
fn names(document: &Document, report: &mut Report) {
    let Document { ports, interfaces, monitors, pools, virtual_servers, snats, .. } = document;
    let ports = defined("port", ports.iter().map(|entry| &entry.name), report);
    defined("interface", interfaces.iter().map(|entry| &entry.name), report);
    let monitors = defined("monitor", monitors.iter().map(|entry| &entry.name), report);
    let known = defined("pool", pools.iter().map(|entry| &entry.name), report);
    defined("pool.members", document.members().map(|entry| &entry.name), report);
    defined("virtual_server", virtual_servers.iter().map(|entry| &entry.name), report);

    interfaces.iter().for_each(|entry| refers(entry, "port", &entry.port, "port", &ports, report));
    for pool in pools {
        pool.monitors.iter().for_each(|name| refers(pool, "monitors", [name], "monitor", &monitors, report));
    }
    virtual_servers.iter().for_each(|entry| refers(entry, "pool", &entry.pool, "pool", &known, report));
    snats.iter().for_each(|entry| refers(entry, "pool", &entry.pool, "pool", &known, report));
}

/// The names of one kind of entry. Reports those that are used twice.
fn defined<'d>(path: &str, names: impl Iterator<Item = &'d Field<String>>, report: &mut Report) -> Names<'d> {
    let names: Vec<&At<String>> = names.flatten().collect();
    let (noun, scope) = match path {
        "pool.members" => ("member".into(), ", over all pools"),
        _ => (path.replace('_', " "), ""),
    };
    for (first, second) in repeated(names.iter().copied(), |at| Some(&at.value)) {
        let message = format!("the {noun} name \"{second}\" is used twice");
        let note = report.twice([&first.span, &second.span], &format!("{path}.name"), message);
        note.instead(format!("each {noun} has a name of its own{scope}"), "give one of them another name");
    }
    let listed: Vec<&str> = names.into_iter().map(|at| at.as_str()).collect();
    Names { all: listed.iter().copied().collect(), listed }
}

/// The names of one kind of entry.
struct Names<'d> {
    /// In the order of the file.
    listed: Vec<&'d str>,
    all: HashSet<&'d str>,
}

/// Reports that `entry` names a `path` under `key` that is none of `known`.
fn refers<'d>(
    entry: &impl Section,
    key: &str,
    name: impl IntoIterator<Item = &'d At<String>>,
    path: &str,
    known: &Names<'_>,
    report: &mut Report,
) {
    for name in name.into_iter().filter(|name| !known.all.contains(name.as_str())) {
        let known = &known.listed;
        if known.is_empty() && report.refused() {
            return; // The definitions may be what was refused.
        }
        let otherwise = format!("define a [[{path}]] with name = \"{name}\"");
        entry.error(report, key, &name.span, format!("no {path} is called \"{name}\"")).instead(
            format!("the name of a [[{path}]]: {}", listed(known)),
            did_you_mean(name, known.iter().copied(), &otherwise),
        );
    }
}
