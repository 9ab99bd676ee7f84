//! Pools, members, virtual servers and SNAT.

use super::network::{edge, networks, off_link, self_address};
use super::{repeated, span_of};
use crate::config::leaf::Needed;
use crate::config::reader::At;
use crate::config::report::{Report, Span, count};
use crate::config::schema::{Document, Member, Pool, Probe, Snat, VirtualServer};
use crate::config::value::listen_text;
use crate::policy::intent::Listen;
use std::net::Ipv4Addr;

/// Reports pools, addresses and ports that contradict one another.
pub(super) fn check(document: &Document, report: &mut Report) {
    document.pools.iter().for_each(|pool| pool_alone(document, pool, report));
    members(document, report);
    virtual_addresses(document, report);
    service_ports(document, report);
    snats(document, report);
}

fn pool_alone(document: &Document, pool: &Pool, report: &mut Report) {
    let title = &pool.head.title;
    for (first, second) in repeated(pool.monitors.iter().map(|at| (&at.value, at))) {
        let finding = report.error(
            &second.span,
            "pool.monitors",
            format!("{title}: monitor \"{}\" is listed twice", second.value),
        );
        finding.allowed("each monitor once").remedy("remove one of them");
        report.see(&first.span, "the first one");
    }
    require(pool, report);
    let Some(name) = &pool.name else { return };
    let asks_sip = |name: &str| {
        document.monitors.iter().any(|monitor| {
            monitor.name.as_ref().is_some_and(|at| at.value == name)
                && monitor.kind.as_ref().is_none_or(|at| at.value == Probe::Sip)
        })
    };
    if !pool.monitors.is_empty() && !pool.monitors.iter().any(|at| asks_sip(&at.value)) {
        let message = format!("{title}: no monitor of kind \"sip\" is among its monitors");
        report.warning(&pool.monitors[0].span, "pool.monitors", message).remedy(
            "add one: a standby opens its SIP port briefly to test it, and only a SIP answer proves which server is the primary",
        );
    }
    if pool.members.len() == 1 {
        let message = format!("{title}: it has one member, so nothing can take over from it");
        report.warning(&name.span, "pool.members", message).remedy("add the standby to members");
    }
    if !servers_of(document, name.value.as_str()).any(|_| true) {
        let finding = report.warning(&name.span, "pool.name", format!("{title}: no virtual server uses it"));
        finding.remedy(format!("add a [[virtual_server]] with pool = \"{}\", or remove the pool", name.value));
    }
    if !document.snats.iter().any(|snat| snat.pool.as_ref().is_some_and(|at| at.value == name.value)) {
        let message = format!("{title}: it has no [[snat]]: what its members send outward shows their own addresses");
        let remedy = format!("add [[snat]] with pool = \"{}\" and the address of its virtual server", name.value);
        report.warning(&name.span, "snat.pool", message).remedy(remedy);
    }
}

fn require(pool: &Pool, report: &mut Report) {
    let Some(require) = &pool.require else { return };
    let Needed(Some(number)) = require.value else { return };
    if number <= pool.monitors.len() || pool.monitors.is_empty() {
        return;
    }
    let monitors = count(pool.monitors.len(), "monitor");
    let message = format!("{}: require = {number}, but it has {monitors}: no member could ever be up", pool.head.title);
    let finding = report.error(&require.span, "pool.require", message);
    finding
        .allowed(format!("\"all\", or a number up to {}", pool.monitors.len()))
        .remedy("write \"all\", or add monitors");
}

fn servers_of<'d>(document: &'d Document, pool: &'d str) -> impl Iterator<Item = &'d VirtualServer> {
    document.virtual_servers.iter().filter(move |server| server.pool.as_ref().is_some_and(|at| at.value == pool))
}

fn members(document: &Document, report: &mut Report) {
    let all = || document.pools.iter().flat_map(|pool| &pool.members);
    let addresses = all().filter_map(|member| Some((member.address.as_ref()?.value, member)));
    for (first, second) in repeated(addresses) {
        let Some(at) = &second.address else { continue };
        let message = format!("{} and {} have the same address, {}", first.head.title, second.head.title, at.value);
        let finding = report.error(&at.span, "pool.members.address", message);
        finding.allowed("an address is one member, in one pool");
        finding.remedy("correct the address; one host with several services is one member with several service ports");
        report.see(span_of(&first.address, first), "the first one");
    }
    all().for_each(|member| member_address(document, member, report));
}

fn member_address(document: &Document, member: &Member, report: &mut Report) {
    let Some(at) = &member.address else { return };
    let (title, address) = (&member.head.title, at.value);
    let key = "pool.members.address";
    if own(document, address, &format!("{title}: address = \"{address}\""), key, &at.span, report) {
        return;
    }
    if off_link(document, address) {
        let finding =
            report.error(&at.span, key, format!("{title}: address = \"{address}\" is in no interface's network"));
        finding.allowed(format!("an address in {}", networks(document)));
        finding.remedy(
            "correct the address, or add an [[interface]] in the servers' network: it is their default gateway",
        );
    }
}

/// Reports `address` when it is one of ours, or no host's, and says whether it did.
fn own(document: &Document, address: Ipv4Addr, what: &str, key: &str, span: &Span, report: &mut Report) -> bool {
    if let Some((interface, net)) = self_address(document, address) {
        let finding = report.error(span, key, format!("{what} is a self-IP of {}", interface.head.title));
        finding.allowed("an address that nothing else has").remedy("correct one of the two");
        report.see(&net.span, "the self-IP");
        return true;
    }
    let Some(net) = edge(document, address) else { return false };
    let finding = report.error(span, key, format!("{what} is the network or broadcast address of {}", net.trunc()));
    finding.allowed("the address of one host").remedy("correct the address");
    true
}

fn virtual_addresses(document: &Document, report: &mut Report) {
    let key = "virtual_server.address";
    for server in &document.virtual_servers {
        let Some(at) = &server.address else { continue };
        let what = format!("{}: address = \"{}\"", server.head.title, at.value);
        if own(document, at.value, &what, key, &at.span, report) {
            continue;
        }
        let mut members = document.pools.iter().flat_map(|pool| &pool.members);
        if let Some(member) = members.find(|member| member.address.as_ref().is_some_and(|own| own.value == at.value)) {
            let finding = report.error(&at.span, key, format!("{what} is the address of {}", member.head.title));
            finding.allowed("an address that no host has").remedy("choose a free address for the virtual server");
            report.see(span_of(&member.address, member), "the member");
        }
        if let Some(route) =
            document.routes.iter().find(|route| route.via.as_ref().is_some_and(|via| via.value == at.value))
        {
            let finding = report.error(&at.span, key, format!("{what} is the next hop of {}", route.head.title));
            finding.allowed("an address that no host has").remedy("choose a free address for the virtual server");
            report.see(span_of(&route.via, route), "the route");
        }
    }
}

fn service_ports(document: &Document, report: &mut Report) {
    let all =
        || document.virtual_servers.iter().flat_map(|server| server.listen.iter().map(move |listen| (server, listen)));
    let entries: Vec<_> = all().collect();
    let same = |entry: &(&VirtualServer, _)| entry.0.address.as_ref().map(|at| at.value);
    let outside = entries.iter().filter_map(|entry| Some(((same(entry)?, entry.1.value), entry)));
    for (first, second) in repeated(outside) {
        let message = match std::ptr::eq(first.0, second.0) {
            true => format!("{}: {} is listed twice", second.0.head.title, listen_text(second.1.value)),
            false => {
                let address = same(second).unwrap_or(Ipv4Addr::UNSPECIFIED);
                format!(
                    "{} and {} both listen on {address} {}",
                    first.0.head.title,
                    second.0.head.title,
                    listen_text(second.1.value)
                )
            }
        };
        let finding = report.error(&second.1.span, "virtual_server.listen", message);
        finding
            .allowed("one pool for each address, protocol and port")
            .remedy("give one of them another address or port");
        see_listen(report, first, "the first one");
    }
    let pool = |entry: &(&VirtualServer, _)| entry.0.pool.as_ref().map(|at| at.value.clone());
    let inside = entries.iter().filter_map(|entry| Some(((pool(entry)?, entry.1.value), entry)));
    for (first, second) in repeated(inside).into_iter().filter(|(first, second)| same(first) != same(second)) {
        let (one, two) = (&first.0.head.title, &second.0.head.title);
        let message = format!("{one} and {two} map {} of two addresses to one pool", listen_text(second.1.value));
        let finding = report.error(&second.1.span, "virtual_server.listen", message);
        finding.allowed(
            "a service port of a member stands for one virtual address: what it sends must be translated to the right one",
        );
        finding.remedy("give one of them another port, or a pool with other members");
        see_listen(report, first, "the first one");
    }
}

fn see_listen(report: &mut Report, entry: &(&VirtualServer, &At<Listen>), why: &str) {
    let span = if entry.1.written { &entry.1.span } else { &entry.0.head.span };
    report.see(span, why);
}

fn snats(document: &Document, report: &mut Report) {
    for (first, second) in repeated(document.snats.iter().filter_map(|snat| Some((&snat.pool.as_ref()?.value, snat)))) {
        let message = format!("there are two [[snat]] for {}", &second.head.title["snat of ".len()..]);
        let finding = report.error(span_of(&second.pool, second), "snat.pool", message);
        finding
            .allowed("one [[snat]] for each pool")
            .remedy("put all exclude entries into one of them and remove the other");
        report.see(span_of(&first.pool, first), "the first one");
    }
    let addresses = document.snats.iter().filter_map(|snat| Some((snat.address.as_ref()?.value, snat)));
    for (first, second) in
        repeated(addresses).into_iter().filter(|(first, second)| pool_name(first) != pool_name(second))
    {
        let Some(at) = &second.address else { continue };
        let message = format!(
            "the {} and the {} translate to the same address, {}",
            first.head.title, second.head.title, at.value
        );
        let finding = report.error(&at.span, "snat.address", message);
        finding.allowed("each pool is translated to an address of its own: peers tell the pairs apart by it");
        finding.remedy("give one pool a virtual server with another address, and its [[snat]] that address");
        report.see(span_of(&first.address, first), "the first one");
    }
    document.snats.iter().for_each(|snat| snat_alone(document, snat, report));
}

fn pool_name(snat: &Snat) -> Option<&str> {
    snat.pool.as_ref().map(|at| at.value.as_str())
}

fn snat_alone(document: &Document, snat: &Snat, report: &mut Report) {
    if let Some(all) = snat.exclude.iter().find(|net| net.value.prefix_len() == 0) {
        let message = format!("{}: exclude covers every destination: nothing would be translated", snat.head.title);
        report.warning(&all.span, "snat.exclude", message).remedy("name the hosts and networks of the exclusion group");
    }
    let (Some(pool), Some(at)) = (pool_name(snat), &snat.address) else { return };
    let known = document.pools.iter().any(|entry| entry.name.as_ref().is_some_and(|name| name.value == pool));
    let servers: Vec<_> = servers_of(document, pool).collect();
    let sound = |server: &VirtualServer| {
        let field = server.address.as_ref().map(|at| &at.span);
        field.is_some_and(|span| !report.marked(span))
            && server.pool.as_ref().is_some_and(|at| !report.marked(&at.span))
    };
    let whole = document.virtual_servers.iter().all(sound);
    let mut addresses: Vec<Ipv4Addr> =
        servers.iter().filter_map(|server| Some(server.address.as_ref()?.value)).collect();
    addresses.dedup();
    let nothing = addresses.is_empty() && report.refused();
    if !known || !whole || nothing || addresses.contains(&at.value) {
        return;
    }
    let words = addresses.iter().map(|address| format!("\"{address}\"")).collect::<Vec<_>>().join(", ");
    let message =
        format!("{}: address = \"{}\" is not the address of a virtual server of this pool", snat.head.title, at.value);
    let finding = report.error(&at.span, "snat.address", message);
    match addresses.as_slice() {
        [] => finding
            .allowed("the address of a virtual server of the pool, which has none")
            .remedy(format!("add [[virtual_server]] with pool = \"{pool}\" and address = \"{}\"", at.value)),
        [first, ..] => finding
            .allowed(format!("an address of the pool's virtual servers: {words}"))
            .remedy(format!("write address = \"{first}\": peers must see the address they send to")),
    };
}
