//! Keys that another key leaves without effect.
//!
//! Owns that nobody believes in a setting which nothing looks at. What is only switched off for now is a warning; what an operator
//! would take for a check that is made is an error.

use super::services::applies;
use crate::config::document::Document;
use crate::config::reader::Section;
use crate::config::report::Report;
use crate::config::schema::{Monitor, Pool, Probe, VirtualServer};
use crate::policy::intent::{Advertise, FailBack, Handshake, Mode, OnDownUdp, SipTransport};
use std::time::Duration;

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
    document.virtual_servers.iter().for_each(|server| without_withdrawal(server, report));
    without_devices(document, report);
    for pool in &document.pools {
        without_fail_back(pool, report);
        without_flaps(pool, report);
        match pool.mode.as_deref() {
            Some(Mode::ActiveStandby) => without_sharing(pool, report),
            Some(_) => without_groups(pool, report),
            None => {}
        }
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

/// The kernel's routes are those over devices of interfaces.
fn without_devices(document: &Document, report: &mut Report) {
    let follows = document.routing.from_kernel.as_ref().filter(|follows| follows.value);
    let Some(follows) = follows.filter(|_| document.interfaces.iter().all(|one| one.host.is_none())) else { return };
    let message = "from_kernel has no effect: no [[interface]] has a host device that routes lead over";
    report
        .warning(&follows.span, "routes.from_kernel", message)
        .remedy("write host = \"fl-clients\", or another name, under [[interface]]");
}

/// Whose address does not depend on members does not leave after them.
fn without_withdrawal(server: &VirtualServer, report: &mut Report) {
    let advertise = server.advertise.as_deref().filter(|advertise| **advertise != Advertise::WhenActive);
    let delay = server.withdraw_delay.as_ref().filter(|delay| delay.value != Duration::ZERO);
    let (Some(advertise), Some(delay)) = (advertise, delay) else { return };
    let message =
        format!("withdraw_delay has no effect: with advertise = \"{advertise}\" the address never waits for members");
    server
        .warning(report, "withdraw_delay", &delay.span, message)
        .remedy("write advertise = \"when-active\", or remove the key");
}

fn without_flaps(pool: &Pool, report: &mut Report) {
    if pool.flap_count.as_deref() == Some(&0) {
        let why = "with flap_count = 0 nobody is held back";
        switched_off(pool, &["flap_window", "flap_quiet"], why, "write flap_count = 3 or so", report);
    }
}

/// Of a pair one member has all the work.
fn without_sharing(pool: &Pool, report: &mut Report) {
    let why = format!("in a pool of mode \"{}\" one member has all the work", Mode::ActiveStandby);
    let remedy = "choose a mode in which several members are active";
    let keys = [
        ("min_active", pool.min_active.as_deref().is_some_and(|least| *least != 1)),
        ("slow_start", pool.slow_start.as_deref().is_some_and(|span| *span != Duration::ZERO)),
    ];
    keys.iter().filter(|(_, says)| *says).for_each(|(key, _)| switched_off(pool, &[key], &why, remedy, report));
    for member in &pool.members {
        let Some(priority) = member.priority.as_ref().filter(|priority| priority.value != 0) else { continue };
        member
            .warning(report, "priority", &priority.span, format!("priority has no effect: {why}"))
            .remedy("list the preferred member first, or choose a mode in which several members are active");
    }
    for on_down in &pool.on_down {
        let udp = on_down.udp.as_ref().filter(|udp| udp.written && udp.value != OnDownUdp::Reselect);
        let Some(udp) = udp else { continue };
        on_down
            .warning(report, "udp", &udp.span, format!("udp has no effect: {why}"))
            .remedy(format!("{remedy}, or remove the key"));
    }
}

/// All members always take part.
fn without_groups(pool: &Pool, report: &mut Report) {
    let priorities: Option<Vec<u16>> = pool.members.iter().map(|member| member.priority.as_deref().copied()).collect();
    let (Some(priorities), Some(least)) = (priorities, pool.min_active.as_deref()) else { return };
    let Some(lowest) = priorities.iter().min() else { return };
    let higher = priorities.iter().filter(|priority| *priority > lowest).count();
    if higher == 0 && *least != 1 {
        switched_off(pool, &["min_active"], "all members have the same priority", "give them a priority", report);
    } else if higher > 0
        && higher < *least
        && let Some(span) = pool.head.written("min_active")
    {
        let message = format!(
            "priority has no effect: all members always take part, as min_active = {least} is more than the {higher} above the lowest"
        );
        pool.warning(report, "min_active", span, message).remedy(format!("write at most {higher}"));
    }
}

fn switched_off(pool: &Pool, keys: &[&str], why: &str, remedy: &str, report: &mut Report) {
    for key in keys {
        let Some(span) = pool.head.written(key) else { continue };
        pool.warning(report, key, span, format!("{key} has no effect: {why}"))
            .remedy(format!("{remedy}, or remove the key"));
    }
}
