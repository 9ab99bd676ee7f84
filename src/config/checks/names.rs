//! Names: each is defined once, and each that is used is defined.

use super::repeated;
use crate::config::reader::{At, Field};
use crate::config::report::Report;
use crate::config::schema::Document;
use crate::config::suggest::{did_you_mean, listed};

/// Reports names defined twice and names that are not defined.
pub(super) fn check(document: &Document, report: &mut Report) {
    let Document { ports, interfaces, monitors, pools, virtual_servers, snats, .. } = document;
    let members = || pools.iter().flat_map(|pool| &pool.members);
    unique("port", ports.iter().map(|entry| &entry.name), report);
    unique("interface", interfaces.iter().map(|entry| &entry.name), report);
    unique("monitor", monitors.iter().map(|entry| &entry.name), report);
    unique("pool", pools.iter().map(|entry| &entry.name), report);
    unique("pool.members", members().map(|entry| &entry.name), report);
    unique("virtual_server", virtual_servers.iter().map(|entry| &entry.name), report);

    let known = Known::new("port", ports.iter().map(|entry| &entry.name));
    for interface in interfaces {
        known.check(&interface.head.title, "interface.port", interface.port.as_ref(), report);
    }
    let known = Known::new("monitor", monitors.iter().map(|entry| &entry.name));
    for pool in pools {
        pool.monitors.iter().for_each(|at| known.check(&pool.head.title, "pool.monitors", Some(at), report));
    }
    let known = Known::new("pool", pools.iter().map(|entry| &entry.name));
    for server in virtual_servers {
        known.check(&server.head.title, "virtual_server.pool", server.pool.as_ref(), report);
    }
    for snat in snats {
        known.check("[[snat]]", "snat.pool", snat.pool.as_ref(), report);
    }
}

fn unique<'d>(path: &str, names: impl Iterator<Item = &'d Field<String>>, report: &mut Report) {
    let noun = noun(path);
    let names = names.flatten().map(|at| (&at.value, at));
    for (first, second) in repeated(names) {
        let name = &second.value;
        let message = format!("the {noun} name \"{name}\" is used twice");
        let finding = report.error(&second.span, &format!("{path}.name"), message);
        let scope = if path == "pool.members" { ", over all pools" } else { "" };
        finding.allowed(format!("each {noun} has a name of its own{scope}")).remedy("give one of them another name");
        report.see(&first.span, "the first one");
    }
}

fn noun(path: &str) -> String {
    if path == "pool.members" { "member".into() } else { path.replace('_', " ") }
}

/// The names one kind of entry defines.
struct Known<'d> {
    path: &'static str,
    names: Vec<&'d str>,
}

impl<'d> Known<'d> {
    fn new(path: &'static str, names: impl Iterator<Item = &'d Field<String>>) -> Known<'d> {
        Known { path, names: names.flatten().map(|at| at.value.as_str()).collect() }
    }

    fn check(&self, title: &str, key: &str, name: Option<&At<String>>, report: &mut Report) {
        let Some(name) = name.filter(|name| !self.names.contains(&name.value.as_str())) else { return };
        if self.names.is_empty() && report.refused() {
            return; // The definitions may be what was refused.
        }
        let path = self.path;
        let otherwise = format!("define a [[{path}]] with name = \"{}\"", name.value);
        let message = format!("{title}: no {path} is called \"{}\"", name.value);
        let finding = report.error(&name.span, key, message);
        finding.allowed(format!("the name of a [[{path}]]: {}", listed(self.names.iter().copied())));
        finding.remedy(did_you_mean(&name.value, self.names.iter().copied(), &otherwise));
    }
}
