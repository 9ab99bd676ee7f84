//! Limits of connections that nothing could ever meet.

use crate::config::document::Document;
use crate::config::reader::{Field, Section};
use crate::config::report::Report;
use crate::config::schema::{Member, Pool, VirtualServer};
use crate::policy::intent::{Mode, Persistence};
use crate::wire::Protocol;

/// Reports where nothing that is limited is a connection, and limits that others come before.
pub(super) fn check(document: &Document, report: &mut Report) {
    for pool in &document.pools {
        if document.servers_of(&pool.name).next().is_some()
            && !document.servers_of(&pool.name).any(|server| has_connections(pool, server))
        {
            pool.members.iter().for_each(|member| without_connections(member, limits_of_member(member), report));
        }
        for server in document.servers_of(&pool.name) {
            if !has_connections(pool, server) {
                without_connections(server, limits_of_server(server), report);
                without_connections(server, limits_of_clients(server), report);
            }
            without_handshakes(server, report);
            goes_by_calls(pool, server, report);
            members_come_before(pool, server, report);
        }
    }
    document.members().for_each(|member| beyond_tables(document, member, &member.connection_limit, report));
    document
        .virtual_servers
        .iter()
        .for_each(|server| beyond_tables(document, server, &server.connection_limit, report));
}

type Limit<'d> = (&'static str, &'d Field<u32>);

fn limits_of_member(member: &Member) -> [Limit<'_>; 2] {
    [("connection_limit", &member.connection_limit), ("connection_rate_limit", &member.connection_rate_limit)]
}

fn limits_of_server(server: &VirtualServer) -> [Limit<'_>; 2] {
    [("connection_limit", &server.connection_limit), ("connection_rate_limit", &server.connection_rate_limit)]
}

fn limits_of_clients(server: &VirtualServer) -> [Limit<'_>; 2] {
    [
        ("client_connection_limit", &server.client_connection_limit),
        ("client_connection_rate_limit", &server.client_connection_rate_limit),
    ]
}

/// Datagrams have no handshake; and no more handshakes are under way than connections may stand.
fn without_handshakes(server: &VirtualServer, report: &mut Report) {
    let has_handshakes = server.listen.iter().any(|listen| listen.protocol == Protocol::Tcp);
    let rows = [
        ("half_open_limit", &server.half_open_limit, &server.connection_limit),
        ("client_half_open_limit", &server.client_half_open_limit, &server.client_connection_limit),
    ];
    for (key, field, all) in rows {
        let Some(limit) = field.as_ref().filter(|limit| limit.value > 0) else { continue };
        if !has_handshakes {
            let message = format!("{key} = {limit} limits nothing: only UDP is served, which has no handshake");
            server
                .error(report, key, &limit.span, message)
                .instead(format!("{key} where listen holds a tcp/PORT"), "remove the key, or change listen");
        } else if all.as_deref().is_some_and(|all| *all > 0 && *all <= limit.value) {
            let message = format!("{key} = {limit} is never met: half-open connections count for the limit of all");
            server.warning(report, key, &limit.span, message).remedy("lower it, or remove it");
        }
    }
}

/// UDP of a pair is in no flow.
fn has_connections(pool: &Pool, server: &VirtualServer) -> bool {
    let is_pair = pool.mode.as_deref().is_none_or(|mode| *mode == Mode::ActiveStandby);
    !is_pair || server.listen.iter().any(|listen| listen.protocol == Protocol::Tcp)
}

fn without_connections(entry: &impl Section, limits: [Limit<'_>; 2], report: &mut Report) {
    for (key, field) in limits {
        let Some(limit) = field.as_ref().filter(|limit| limit.value > 0) else { continue };
        let message = format!(
            "{key} = {limit} limits nothing: only UDP is served, and UDP to a pool of mode \"{}\" is in no connection",
            Mode::ActiveStandby
        );
        entry.error(report, key, &limit.span, message).instead(
            format!("{key} where listen holds a tcp/PORT, or where several members are active"),
            "remove the key, or change listen or the pool's mode",
        );
    }
}

/// Calls that are kept together are in no flow, and a pool that serves UDP alone has little else.
fn goes_by_calls(pool: &Pool, server: &VirtualServer, report: &mut Report) {
    let is_by_call = pool.persistence.as_ref().is_some_and(|key| key.value == Persistence::CallId);
    if !is_by_call || server.listen.iter().any(|listen| listen.protocol == Protocol::Tcp) {
        return;
    }
    for (key, field) in limits_of_server(server) {
        let Some(limit) = field.as_ref().filter(|limit| limit.value > 0) else { continue };
        let message =
            format!("{key} = {limit} limits no calls: with persistence = \"call-id\" those are in no connection");
        server.warning(report, key, &limit.span, message).remedy(
            "remove the key, or keep endpoints together instead of calls; what has no Call-ID is limited all the same",
        );
    }
}

/// A virtual server cannot have more than its members may have together.
fn members_come_before(pool: &Pool, server: &VirtualServer, report: &mut Report) {
    for (place, (key, field)) in limits_of_server(server).into_iter().enumerate() {
        let Some(limit) = field.as_ref().filter(|limit| limit.value > 0) else { continue };
        let of = |member: &Member| limits_of_member(member)[place].1.as_deref().copied().filter(|most| *most > 0);
        let together = pool.members.iter().map(of).try_fold(0_u64, |sum, most| Some(sum + u64::from(most?)));
        let Some(together) = together.filter(|together| *together < u64::from(limit.value)) else { continue };
        let message = format!("{key} = {limit} is never met: the members of its pool may have {together} together");
        server.warning(report, key, &limit.span, message).remedy("lower it, or remove it and leave it to the members");
    }
}

/// No worker's flow table holds so many.
fn beyond_tables(document: &Document, entry: &impl Section, field: &Field<u32>, report: &mut Report) {
    let (Some(limit), Some(each)) = (field, &document.limits.flows_per_worker) else { return };
    let room = each.value.saturating_mul(document.cores.workers.len().max(1));
    if limit.value as usize > room {
        let message = format!("connection_limit = {limit} is never met: all workers together hold {room} flows");
        entry
            .warning(report, "connection_limit", &limit.span, message)
            .remedy("lower it, or remove it; [limits] flows_per_worker says how many flows a worker holds");
    }
}
