//! Keys that another key leaves without effect.
//!
//! Owns that nobody believes in a setting which nothing looks at. What is only switched off for now is a warning; what an operator
//! would take for a check that is made is an error.

use super::services::applies;
use crate::config::document::Document;
use crate::config::reader::Section;
use crate::config::report::Report;
use crate::config::schema::{Monitor, Pool, Probe};
use crate::policy::intent::{FailBack, Handshake, Mode, SipTransport};

/// What is asked, and what of an answer is looked at, after a handshake.
const AFTER_HANDSHAKE: [&str; 13] = [
    "up_codes",
    "down_codes",
    "standby_codes",
    "active_header",
    "standby_header",
    "to",
    "from",
    "user",
    "host",
    "user_agent",
    "method",
    "path",
    "receive",
];

/// Reports them.
pub(super) fn check(document: &Document, report: &mut Report) {
    document.monitors.iter().for_each(|monitor| after_handshake(monitor, report));
    for pool in &document.pools {
        without_fail_back(pool, report);
        without_flaps(pool, report);
    }
}

fn after_handshake(monitor: &Monitor, report: &mut Report) {
    let Some(handshake) = monitor.handshake.as_ref().filter(|at| at.written && at.value == Handshake::Enough) else {
        return;
    };
    // Where there is no handshake, it is that key which does not apply, and where a key is of another kind, that one.
    let Some(kind) = monitor.kind.as_deref() else { return };
    let is_tls = match kind {
        Probe::Sip => monitor.transport.as_deref() == Some(&SipTransport::Tls),
        kind => *kind == Probe::Https,
    };
    for key in AFTER_HANDSHAKE.into_iter().filter(|key| is_tls && applies(key, *kind)) {
        let Some(span) = monitor.head.written(key) else { continue };
        monitor
            .error(
                report,
                key,
                span,
                format!("the key {key} has no effect: with handshake = \"enough\" nothing is asked"),
            )
            .instead(format!("{key} with handshake = \"full\""), "remove the key, or write handshake = \"full\"")
            .see(&handshake.span, "the handshake");
    }
}

fn without_fail_back(pool: &Pool, report: &mut Report) {
    // Where several are active, it is an error.
    if pool.mode.as_deref() == Some(&Mode::ActiveStandby) && pool.fail_back.as_deref() == Some(&FailBack::Never) {
        let why = "with fail_back = \"never\" nobody takes over again";
        switched_off(pool, &["fail_back_after", "fail_back_window"], why, "write fail_back = \"immediate\"", report);
    }
}

fn without_flaps(pool: &Pool, report: &mut Report) {
    if pool.flap_count.as_deref() == Some(&0) {
        let why = "with flap_count = 0 nobody is held back";
        switched_off(pool, &["flap_window", "flap_quiet"], why, "write flap_count = 3 or so", report);
    }
}

fn switched_off(pool: &Pool, keys: &[&str], why: &str, remedy: &str, report: &mut Report) {
    for key in keys {
        let Some(span) = pool.head.written(key) else { continue };
        pool.warning(report, key, span, format!("{key} has no effect: {why}"))
            .remedy(format!("{remedy}, or remove the key"));
    }
}
