//! Who may reach the members at their own addresses.
//!
//! Owns that nobody leaves them open to everybody, or shuts out answers, without having been told.

use crate::config::document::{Document, same};
use crate::config::reader::Section;
use crate::config::report::Report;
use crate::config::value::network_text;

/// Reports what should be looked at.
pub(super) fn check(document: &Document, report: &mut Report) {
    let entry = &document.direct_access;
    if entry.head.written("allow").is_none() {
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
