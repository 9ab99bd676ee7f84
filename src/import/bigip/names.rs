//! Addresses and ports as `bigip.conf` spells them.
//!
//! Owns route domains (`10.1.1.1%47`), service names for ports, and the words for everything (`any`, `default`); and networks as our
//! file has them.

use super::objects::leaf;
use crate::config::network_text;
use ipnet::Ipv4Net;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Names by which tmsh shows ports.
const SERVICES: &[(&str, u16)] = &[
    ("any", 0),
    ("*", 0),
    ("ftp-data", 20),
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("tftp", 69),
    ("http", 80),
    ("pop3", 110),
    ("sunrpc", 111),
    ("ntp", 123),
    ("imap", 143),
    ("snmp", 161),
    ("snmptrap", 162),
    ("ldap", 389),
    ("https", 443),
    ("syslog", 514),
    ("ldaps", 636),
    ("h323hostcall", 1720),
    ("radius", 1812),
    ("radius-acct", 1813),
    ("sip", 5060),
    ("sip-tls", 5061),
    ("sips", 5061),
    ("http-alt", 8080),
    ("webcache", 8080),
    ("pcsync-https", 8443),
];

/// Why a text is no address of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is one of IPv6.
    V6,
    /// It is none.
    Other,
}

/// An address, and the route domain it is in if one is named.
pub fn address(text: &str) -> Result<(Ipv4Addr, Option<u32>), Unusable> {
    let (text, domain) = split_domain(leaf(text));
    match text {
        "any" => Ok((Ipv4Addr::UNSPECIFIED, domain)),
        _ => text.parse().map(|address| (address, domain)).map_err(|_| unusable(text)),
    }
}

/// A network; one address is the network of itself. The domain stands before the length: `10.1.0.0%47/16`.
pub fn network(text: &str) -> Result<Ipv4Net, Unusable> {
    if matches!(split_domain(text).0, "default" | "any") {
        return Ok(Ipv4Net::default());
    }
    let (base, length) = text.rsplit_once('/').filter(|(base, _)| !base.is_empty()).unwrap_or((text, "32"));
    let (base, _) = split_domain(base);
    let address: Ipv4Addr = base.parse().map_err(|_| unusable(base))?;
    let length = length.parse().map_err(|_| Unusable::Other)?;
    Ipv4Net::new(address, length).map_err(|_| Unusable::Other)
}

/// What stands before the port, without its partition, and the port; 0 is any.
pub fn endpoint(text: &str) -> Result<(&str, u16), Unusable> {
    let text = leaf(text);
    match (text.matches(':').count(), text.rsplit_once(':')) {
        (1, Some((host, name))) => port(name).map(|port| (host, port)).ok_or(Unusable::Other),
        (0, _) if text.rsplit_once('.').is_some_and(|(host, _)| matches!(host, "any6" | "*")) => match text {
            wild if wild.starts_with('*') => {
                let (host, name) = text.rsplit_once('.').unwrap_or((text, "*"));
                port(name).map(|port| (host, port)).ok_or(Unusable::Other)
            }
            _ => Err(Unusable::V6),
        },
        (0, _) => Err(Unusable::Other),
        _ => Err(Unusable::V6),
    }
}

/// A port by number or name; 0 is any.
pub fn port(text: &str) -> Option<u16> {
    text.parse().ok().or_else(|| SERVICES.iter().find(|(name, _)| *name == text).map(|(_, port)| *port))
}

/// Without those that are inside others.
pub fn widest(mut nets: Vec<Ipv4Net>) -> Vec<Ipv4Net> {
    nets.sort_unstable();
    nets.dedup();
    let all = nets.clone();
    nets.retain(|net| !all.iter().any(|other| other != net && other.contains(net)));
    nets
}

/// Everybody is written out: `default` would read as a route.
pub fn text(net: Ipv4Net) -> String {
    if net.prefix_len() == 0 { net.to_string() } else { network_text(net) }
}

fn split_domain(text: &str) -> (&str, Option<u32>) {
    match text.split_once('%') {
        Some((address, domain)) => (address, domain.parse().ok()),
        None => (text, None),
    }
}

fn unusable(text: &str) -> Unusable {
    let is_v6 = text.parse::<Ipv6Addr>().is_ok() || matches!(text, "any6" | "default-inet6");
    if is_v6 { Unusable::V6 } else { Unusable::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_partitions_and_route_domains() {
        let host = Ipv4Addr::new(10, 20, 0, 11);
        assert_eq!(address("/Common/10.20.0.11%47"), Ok((host, Some(47))));
        assert_eq!(address("10.20.0.11"), Ok((host, None)));
        assert_eq!(address("any"), Ok((Ipv4Addr::UNSPECIFIED, None)));
        assert_eq!(address("2001:db8::9"), Err(Unusable::V6));
        assert_eq!(address("/Common/web-1"), Err(Unusable::Other));
        assert_eq!(network("10.1.0.0%47/16"), Ok("10.1.0.0/16".parse().unwrap()));
        assert_eq!(network("10.1.2.3"), Ok("10.1.2.3/32".parse().unwrap()));
        for all in ["default", "default%47", "any"] {
            assert_eq!(network(all), Ok("0.0.0.0/0".parse().unwrap()));
        }
        assert_eq!(network("default-inet6"), Err(Unusable::V6));
        assert_eq!(network("2001:db8::/32"), Err(Unusable::V6));
        assert_eq!(network("10.0.0.0/33"), Err(Unusable::Other));
    }

    #[test]
    fn endpoints_by_number_name_and_wildcard() {
        assert_eq!(endpoint("/Common/10.20.0.100:5061"), Ok(("10.20.0.100", 5061)));
        assert_eq!(endpoint("/Common/10.20.0.100%47:sip"), Ok(("10.20.0.100%47", 5060)));
        assert_eq!(endpoint("/Common/gw:any"), Ok(("gw", 0)));
        assert_eq!(endpoint("*:*"), Ok(("*", 0)));
        assert_eq!(endpoint("*.5060"), Ok(("*", 5060)));
        assert_eq!(endpoint("/Common/2001:db8::9.443"), Err(Unusable::V6));
        assert_eq!(endpoint("any6.0"), Err(Unusable::V6));
        assert_eq!(endpoint("10.1.1.1:no-such-service"), Err(Unusable::Other));
        assert_eq!(endpoint("node"), Err(Unusable::Other));
    }
}
