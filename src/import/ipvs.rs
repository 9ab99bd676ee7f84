//! A dump of `ipvsadm -Sn`.
//!
//! Owns its options: `-A` adds a service, `-a` a server to it. A dump says nothing of networks and nothing of health.

use super::draft::Draft;
use super::findings::Findings;
use super::findings::Severity::{Note, Severe};
use super::services::{self, Server, Service};
use super::source::{Source, Unreadable};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Reads the files and writes the draft.
///
/// # Errors
/// A line that is no rule of a dump.
pub fn convert(
    files: &[Source],
    draft: &mut Draft,
    findings: &mut Findings,
) -> Result<Vec<(String, String)>, Unreadable> {
    let (mut services, mut places): (Vec<Service>, Vec<(String, String)>) = Default::default();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.is_empty() || line.starts_with('#') {
                continue;
            }
            let unreadable = |why: &str| Unreadable { file: file.name.clone(), line: at + 1, why: why.into() };
            let kind = *words.first().ok_or_else(|| unreadable("an empty line"))?;
            let (flag, place) = service_of(&words).ok_or_else(|| unreadable("no service is named by -t, -u or -f"))?;
            let title = format!("ipvs {flag} {place}");
            match kind {
                "-A" => {
                    places.push((title.clone(), format!("{}:{}", file.name, at + 1)));
                    services.extend(service(title, flag, place, &words, findings));
                }
                "-a" => {
                    if let Some(service) = services.iter_mut().find(|service| service.title == title) {
                        server(service, &words, findings);
                    }
                }
                _ => return Err(unreadable("neither -A nor -a: this is not what `ipvsadm -Sn` prints")),
            }
        }
    }
    findings.add(
        Severe,
        "ipvs",
        "a dump says nothing of networks",
        "add [[port]], [[interface]] and [[route]] by hand",
    );
    services::convert(&services, "ipvs", draft, findings);
    Ok(places)
}

fn after<'w>(words: &[&'w str], flags: &[&str]) -> Option<&'w str> {
    let at = words.iter().position(|word| flags.contains(word))?;
    words.get(at + 1).copied()
}

fn service_of<'w>(words: &[&'w str]) -> Option<(&'static str, &'w str)> {
    ["-t", "-u", "-f", "--sctp-service"].into_iter().find_map(|flag| Some((flag, after(words, &[flag])?)))
}

fn service(title: String, flag: &str, place: &str, words: &[&str], findings: &mut Findings) -> Option<Service> {
    let protocol = match flag {
        "-u" => "udp",
        "-t" => "tcp",
        _ => {
            let message = "it is chosen by a firewall mark or by SCTP, which Fairlead's services are not";
            findings.add(Severe, title, message, "add a [[virtual_server]] by hand");
            return None;
        }
    };
    let Some((address, port)) = endpoint(place) else {
        findings.add(Severe, title, format!("{place} is not of IPv4, which alone is forwarded"), "");
        return None;
    };
    if after(words, &["-p"]).is_some() {
        findings.add(Note, &title, "persistence has no meaning where one member has all the work", "");
    }
    Some(Service { title, protocol, address, port, servers: Vec::new(), probes: Vec::new() })
}

fn server(service: &mut Service, words: &[&str], findings: &mut Findings) {
    let Some((address, port)) = after(words, &["-r"]).and_then(endpoint) else {
        findings.add(Severe, &service.title, "one of its servers is not of IPv4", "");
        return;
    };
    service.servers.push(Server { address, port, is_drained: after(words, &["-w"]) == Some("0") });
    let way = ["-g", "-i"].into_iter().find(|flag| words.contains(flag));
    services::passes_by(way.is_some(), &service.title, findings);
}

fn endpoint(text: &str) -> Option<(Ipv4Addr, u16)> {
    text.parse::<SocketAddrV4>().ok().map(|place| (*place.ip(), place.port()))
}
