//! How the members of a pool share the work, and keys that mean nothing where they share it so.

use crate::config::document::Document;
use crate::config::reader::Section;
use crate::config::report::Report;
use crate::config::schema::Pool;
use crate::policy::intent::{AdminState, FailBack, Mode, Persistence, Unreachable};
use std::time::Duration;

/// Members that there can be in all: they are numbered by 16 bits, one number of which means nobody.
const MEMBERS: usize = u16::MAX as usize;

/// Reports what contradicts the pools' modes.
pub(super) fn check(document: &Document, report: &mut Report) {
    for pool in &document.pools {
        nobody_enabled(pool, report);
        match pool.mode.as_deref() {
            None => {}
            Some(Mode::ActiveStandby) => {
                weights(pool, report);
                persistence(pool, report);
            }
            Some(mode) => shared(document, pool, *mode, report),
        }
    }
    if let Some(first) = document.members().nth(MEMBERS) {
        let message = format!("{}: with it there are more than {MEMBERS} members in all", first.head.title);
        let span = first.name.as_ref().map_or(&first.head.span, |name| &name.span);
        report
            .error(span, "pool.members", message)
            .instead(format!("at most {MEMBERS} in all pools"), "have fewer pools, or fewer members in them");
    }
}

/// Who is drained serves at most while nobody else is up, who is offline never.
fn nobody_enabled(pool: &Pool, report: &mut Report) {
    let states = || pool.members.iter().filter_map(|member| member.admin_state.as_ref());
    if pool.members.is_empty() || states().count() < pool.members.len() {
        return;
    }
    let Some(first) = states().next().filter(|_| states().all(|state| state.value != AdminState::Enabled)) else {
        return;
    };
    let message = "no member is enabled: all are drained or offline";
    pool.warning(report, "members", &first.span, message)
        .remedy("enable one of them here, or at run time by `fairlead member enable`");
}

/// Of a pair one member has all the work.
fn weights(pool: &Pool, report: &mut Report) {
    for member in &pool.members {
        let Some(weight) = member.weight.as_ref().filter(|weight| weight.value != 1) else { continue };
        let message = format!("weight = {} has no meaning in a pool of mode \"{}\"", weight.value, Mode::ActiveStandby);
        member
            .error(report, "weight", &weight.span, message)
            .instead("weight with a mode in which several members are active", "remove it, or change the pool's mode");
    }
}

/// The one active member has all that is sent.
fn persistence(pool: &Pool, report: &mut Report) {
    let Some(key) = pool.persistence.as_ref().filter(|key| key.value != Persistence::Endpoint) else { return };
    let message = format!("persistence = \"{key}\" has no meaning in a pool of mode \"{}\"", Mode::ActiveStandby);
    pool.error(report, "persistence", &key.span, message)
        .instead("persistence with a mode in which several members are active", "remove it, or change the pool's mode");
}

/// What chooses the one active member, or follows from its loss.
fn shared(document: &Document, pool: &Pool, mode: Mode, report: &mut Report) {
    let means = [
        ("fail_back", pool.fail_back.as_deref().is_some_and(|it| *it != FailBack::Never)),
        ("fail_back_after", pool.fail_back_after.as_deref().is_some_and(|it| *it != Duration::ZERO)),
        ("fail_back_window", pool.fail_back_window.is_some()),
    ];
    for (key, _) in means.iter().filter(|(_, means)| *means) {
        let Some(span) = pool.head.written(key) else { continue };
        let message = format!(
            "the key {key} does not apply to a pool of mode \"{mode}\": a member that is up takes part at once"
        );
        let note = pool.error(report, key, span, message);
        let note = note
            .instead(format!("{key} with mode = \"{}\"", Mode::ActiveStandby), "remove the key, or change the mode");
        if let Some(mode) = &pool.mode {
            note.see(&mode.span, "the mode");
        }
    }
    for server in document.servers_of(&pool.name) {
        let redeliver = server.redeliver.as_ref().filter(|it| it.written && it.value != Duration::ZERO);
        let (Some(redeliver), Some(mode)) = (redeliver, &pool.mode) else { continue };
        let message = format!("redeliver does not apply to a pool of mode \"{}\"", mode.value);
        server
            .error(report, "redeliver", &redeliver.span, message)
            .instead("\"0\", or a pool in which one member takes over from another", "remove the key")
            .see(&mode.span, "the pool's mode");
    }
    for server in document.servers_of(&pool.name) {
        let holds = server.unreachable.as_ref().filter(|it| it.written && it.value == Unreachable::Hold);
        let Some(holds) = holds else { continue };
        let message = format!(
            "unreachable = \"hold\" holds nothing in front of a pool of mode \"{mode}\": a peer's member does not change while it lives, \
             so what it refuses is forwarded at once"
        );
        server
            .warning(report, "unreachable", &holds.span, message)
            .remedy("write unreachable = \"forward\", or remove the key");
    }
    if let (Mode::SourceHash, Some(key)) = (mode, &pool.persistence)
        && key.value == Persistence::Source
    {
        let message = "persistence = \"source\" has no effect: the mode goes by the source address itself";
        pool.warning(report, "persistence", &key.span, message).remedy("remove the key, or choose another mode");
    }
    roles(document, pool, mode, report);
}

/// Nobody asks who of such a pool is the active one.
fn roles(document: &Document, pool: &Pool, mode: Mode, report: &mut Report) {
    for name in &pool.monitors {
        let Some(monitor) = document.monitor(name) else { continue };
        let key = ["standby_codes", "active_header", "standby_header"].into_iter().find(|key| {
            monitor.head.written(key).is_some() && (*key != "standby_codes" || !monitor.standby_codes.is_empty())
        });
        let Some(key) = key else { continue };
        let message =
            format!("monitor \"{name}\" tells by {key} who is active, which a pool of mode \"{mode}\" does not ask");
        pool.warning(report, "monitors", &name.span, &message).remedy(
            "give the pool a monitor without it: a member that answers takes part, whatever it says of its role",
        );
    }
}
