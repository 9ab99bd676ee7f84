//! Services of load balancers that know no pools: each an address and port with its own servers.
//!
//! Owns which of them share a pool here (those with the same servers), and what is written of each. Knows no file.

use super::draft::{self, Draft, Entry};
use super::findings::Findings;
use super::findings::Severity::{Check, Severe};
use crate::policy::intent::AdminState;
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// A service, as some file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What messages call it.
    pub title: String,
    /// `udp` or `tcp`.
    pub protocol: &'static str,
    /// Where clients go.
    pub address: Ipv4Addr,
    /// Likewise.
    pub port: u16,
    /// Who serves, the preferred one first.
    pub servers: Vec<Server>,
    /// How they are asked whether they live.
    pub probes: Vec<Probe>,
}

/// One of those who serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub address: Ipv4Addr,
    /// Where it listens.
    pub port: u16,
    /// It gets nothing new.
    pub is_drained: bool,
}

/// How a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// As in a Fairlead file: `tcp`, `udp`, `icmp`, `http` or `https`.
    pub kind: &'static str,
    /// Where, but by `icmp`.
    pub port: Option<u16>,
    /// From one to the next, in seconds.
    pub interval: u64,
    /// Failures that make a server down.
    pub fall: u64,
    /// What is asked by `http` and `https`.
    pub http: Option<Http>,
}

/// A page, and what its answer must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// From the first slash on.
    pub path: String,
    /// What Host says.
    pub host: Option<String>,
    /// The status; `None`: 2xx.
    pub codes: Option<String>,
}

/// Writes pools and virtual servers, and who may reach members directly; `program` is whose services they are.
pub fn convert(services: &[Service], program: &str, draft: &mut Draft, findings: &mut Findings) {
    let mut pools: Vec<(BTreeSet<Ipv4Addr>, Vec<&Service>)> = Vec::new();
    for service in services {
        let servers: BTreeSet<Ipv4Addr> = service.servers.iter().map(|server| server.address).collect();
        if servers.is_empty() {
            findings.add(Severe, &service.title, "it has no server of IPv4", "add a [[pool]] by hand");
            continue;
        }
        match pools.iter_mut().find(|(known, _)| *known == servers) {
            Some((_, together)) => together.push(service),
            None => pools.push((servers, vec![service])),
        }
    }
    let mut taken: BTreeSet<Ipv4Addr> = BTreeSet::new();
    for (servers, together) in pools {
        let [first, ..] = together[..] else { continue };
        if let Some(shared) = servers.iter().find(|address| taken.contains(address)) {
            let message = format!("{shared} serves elsewhere as well, with others beside it: a server is in one pool");
            findings.add(
                Severe,
                &first.title,
                message,
                "make one pool of both, or add it by hand with other addresses",
            );
            continue;
        }
        taken.extend(servers);
        let name = pool(first, &together, draft, findings);
        virtual_servers(&name, &together, draft, findings);
    }
    direct_access(program, draft, findings);
}

/// A kernel that translates destinations forwards what comes to the servers' own addresses as well.
fn direct_access(program: &str, draft: &mut Draft, findings: &mut Findings) {
    if draft.of("pool").next().is_none() {
        return;
    }
    let mut entry = Entry::new("direct_access", "who may reach the members at their own addresses");
    entry.set("allow", vec!["0.0.0.0/0"]);
    draft.add(entry);
    let message = "everybody may reach the members at their own addresses, as through a kernel that forwards; what its firewall lets \
                   through stands in no file that was passed";
    let remedy = "name in `allow` of [direct_access] the networks that must: T-clients, monitoring, administrators";
    findings.add(Check, program, message, remedy);
}

fn pool(first: &Service, together: &[&Service], draft: &mut Draft, findings: &mut Findings) -> String {
    let name = draft.free_name("pool", &format!("pool-{}", first.address));
    let mut entry = Entry::new("pool", &first.title);
    together.iter().for_each(|service| entry.also_from(&service.title));
    entry.set("name", name.as_str());
    let mut labels: Vec<String> = Vec::new();
    for server in &first.servers {
        labels.push(draft.free_member(&format!("server-{}", server.address), &labels));
    }
    let members = labels.iter().zip(&first.servers).map(|(label, server)| {
        let mut member = draft::member(label, server.address);
        let state = is_drained(server.address, together, findings).then_some(AdminState::Draining);
        if let (Some(state), Some(keys)) = (state, member.as_table_mut()) {
            keys.insert("admin_state".into(), state.to_string().into());
            let message =
                format!("server {} has weight 0, and gets nothing new here: admin_state = \"{state}\"", server.address);
            findings.add(Check, &first.title, message, format!("remove that if {label} is to serve after the move"));
        }
        member
    });
    entry.set("members", members.collect::<Vec<_>>());
    entry.set("monitors", monitors(together, draft, findings));
    draft.add(entry);
    if first.servers.len() > 1 {
        let message = "its servers share the work; this file sends it to one of them, the active one";
        findings.add(Check, &first.title, message, ONE_OR_ALL);
    }
    name
}

/// The server gets nothing new, wherever it listens.
fn is_drained(address: Ipv4Addr, together: &[&Service], findings: &mut Findings) -> bool {
    let all = together.iter().flat_map(|service| service.servers.iter().map(move |server| (service, server)));
    let (drained, others): (Vec<_>, Vec<_>) =
        all.filter(|(_, server)| server.address == address).partition(|(_, server)| server.is_drained);
    if let ([(service, server), ..], [_, ..]) = (&drained[..], &others[..]) {
        let message = format!(
            "server {address}:{} has weight 0, and another weight elsewhere: here it is one member",
            server.port
        );
        findings.add(Check, &service.title, message, "set its admin_state by hand, if it is to get nothing new");
    }
    !drained.is_empty() && others.is_empty()
}

/// Nothing in a file of another program says whether its servers are a pair, of which one answers.
const ONE_OR_ALL: &str = "right for a pair of SIP Servers, whose standby does not answer; for servers that all work at once, add mode = \"round-robin\"";

/// The names of the monitors, written if no other pool asks the same. Where nothing asks, SIP does.
fn monitors(together: &[&Service], draft: &mut Draft, findings: &mut Findings) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for service in together {
        for probe in &service.probes {
            let name = monitor(probe, &service.title, draft);
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let [first, ..] = together else { return names };
    if together.iter().all(|service| service.probes.is_empty()) {
        let message = "nothing that Fairlead knows asks its servers whether they live: they are asked by SIP OPTIONS";
        findings.add(Check, &first.title, message, "try `fairlead probe now MEMBER` before you rely on it");
        names.push(draft.sip_options(&first.title));
    }
    names
}

fn monitor(probe: &Probe, title: &str, draft: &mut Draft) -> String {
    let port = probe.port.map_or(String::new(), |port| format!("-{port}"));
    let wished = format!("{}{port}-{}s", probe.kind, probe.interval);
    let mut entry = Entry::new("monitor", title);
    entry.set("name", wished.as_str()).set("kind", probe.kind);
    if let Some(http) = &probe.http {
        entry.set("path", http.path.as_str());
        if let Some(host) = &http.host {
            entry.set("host", host.as_str());
        }
        entry.set("up_codes", vec![http.codes.clone().unwrap_or_else(|| "2xx".into())]);
    }
    if let Some(port) = probe.port {
        entry.set("port", i64::from(port));
    }
    entry.set("interval", format!("{}s", probe.interval)).set("fall", probe.fall.cast_signed());
    let known = draft.of("monitor").find(|known| known.says_what(&entry));
    if let Some(name) = known.and_then(|known| known.get("name")?.as_str()) {
        return name.to_owned();
    }
    let name = draft.free_name("monitor", &wished);
    entry.set("name", name.as_str());
    draft.add(entry);
    name
}

/// One for each address.
fn virtual_servers(pool: &str, together: &[&Service], draft: &mut Draft, findings: &mut Findings) {
    let addresses: BTreeSet<Ipv4Addr> = together.iter().map(|service| service.address).collect();
    for address in addresses {
        let here: Vec<&&Service> = together.iter().filter(|service| service.address == address).collect();
        let [first, ..] = here[..] else { continue };
        let mut entry = Entry::new("virtual_server", &first.title);
        let mut listen: Vec<String> = Vec::new();
        for service in here {
            entry.also_from(&service.title);
            let text = format!("{}/{}", service.protocol, service.port);
            if !listen.contains(&text) {
                listen.push(text);
            }
            if let Some(other) = service.servers.iter().find(|server| server.port != service.port) {
                let message = format!(
                    "its port {} is port {} of {}, and Fairlead translates no service port",
                    service.port, other.port, other.address
                );
                findings.add(Severe, &service.title, message, "have the servers listen on the port that clients use");
            }
        }
        entry.set("name", draft.free_name("virtual_server", &format!("vip-{address}")));
        entry.set("address", address.to_string()).set("pool", pool).set("listen", listen);
        draft.add(entry);
        let message = format!("nothing says what the members of `{pool}` send outward; no [[snat]] was written");
        let remedy = format!(
            "add [[snat]] with pool = \"{pool}\" and address = \"{address}\" if peers are to see the virtual address"
        );
        findings.add(Check, &first.title, message, remedy);
    }
}

/// With direct routing and tunnels answers go past the balancer.
pub fn passes_by(is_so: bool, title: &str, findings: &mut Findings) {
    if is_so {
        let message =
            "answers of its servers go past the balancer (direct routing or tunnel); through Fairlead they must pass";
        let remedy =
            "make Fairlead the servers' default gateway, and take the virtual address off their own interfaces";
        findings.add(Severe, title, message, remedy);
    }
}
