//! Who may reach the members at their own addresses.
//!
//! Owns that nobody leaves them open to everybody, or shuts out answers, without having been told.

use crate::config::document::{Document, same};
use crate::config::form::did_you_mean;
use crate::config::reader::{Field, Section};
use crate::config::report::Report;
use crate::config::value::network_text;
use std::collections::HashSet;

/// Reports what should be looked at.
pub(super) fn check(document: &Document, report: &mut Report) {
    let entry = &document.direct_access;
    targets(document, report);
    if entry.head.written("allow").is_none() && entry.rules.is_empty() {
        return unsaid(document, report);
    }
    if entry.allow.iter().any(|net| net.prefix_len() == 0) {
        return;
    }
    for pool in document.pools.iter().filter(|pool| document.snats.iter().all(|snat| !same(&snat.pool, &pool.name))) {
        let Some(name) = &pool.name else { continue };
        let message = "it has no [[snat]]: what answers its members comes to their own addresses, and [direct_access] lets \
                       in only whom it names";
        let allowed = shortly(&entry.allow.iter().map(|net| network_text(net.value)).collect::<Vec<_>>());
        let remedy = "see that [direct_access] allow names whom its members call, or give the pool a [[snat]]";
        pool.warning(report, "name", &name.span, message)
            .remedy(remedy)
            .see(&entry.head.span, format!("it names {allowed}"));
    }
}

/// Each name that a rule has is that of a member or a pool, and not of both.
fn targets(document: &Document, report: &mut Report) {
    let names = |names: &mut dyn Iterator<Item = &Field<String>>| -> HashSet<String> {
        names.flatten().map(|at| at.value.clone()).collect()
    };
    let members = names(&mut document.members().map(|member| &member.name));
    let pools = names(&mut document.pools.iter().map(|pool| &pool.name));
    for rule in &document.direct_access.rules {
        for name in &rule.to {
            match (members.contains(&name.value), pools.contains(&name.value)) {
                (true, true) => {
                    let message = format!("both a pool and a member are called \"{name}\"");
                    rule.error(report, "to", &name.span, message)
                        .instead("a name that only one of them has", "give the pool or the member another name");
                }
                (false, false) => {
                    let known = members.iter().chain(&pools).map(String::as_str);
                    let mut known: Vec<&str> = known.collect();
                    known.sort_unstable();
                    rule.error(report, "to", &name.span, format!("no member and no pool is called \"{name}\""))
                        .instead(
                            "the name of a member or of a [[pool]]",
                            did_you_mean(name, known, "correct the name, or remove it"),
                        );
                }
                _ => {}
            }
        }
    }
}

/// Of many the first.
fn shortly(all: &[String]) -> String {
    match all {
        [] => "nobody".into(),
        [first, others @ ..] if others.len() > 2 => format!("{first} and {} others", others.len()),
        all => all.join(", "),
    }
}

fn unsaid(document: &Document, report: &mut Report) {
    let entry = &document.direct_access;
    if document.pools.is_empty() {
        return;
    }
    let message =
        "anybody may reach the members at their own addresses, past the virtual ones: no [direct_access] says who";
    let note = match entry.head.span.is_empty() {
        true => report.warning_of_file("direct_access.allow", message),
        false => report.warning(&entry.head.span, "direct_access.allow", message),
    };
    note.instead(
        "networks and hosts, beside the exclusion group, which always may",
        "write [direct_access] with allow = [\"0.0.0.0/0\"] to leave it so, or with the networks that call members directly",
    );
}
