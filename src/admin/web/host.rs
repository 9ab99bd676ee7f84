//! By which name a client may ask for the status page.
//!
//! Owns the answer to DNS rebinding: a page of somebody else's, whose name has come to mean this appliance's address, would be of the same
//! origin as the status page to the browser that shows it, and could read the data there. `Host` (RFC 9110 7.2) still holds that name.

use std::net::Ipv6Addr;

/// The value of a field `Host` is an IP address or `localhost`, with or without a port: nobody else owns these.
pub(super) fn is_nobodys(host: &[u8]) -> bool {
    let Some(host) = without_port(host) else { return false };
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<std::net::Ipv4Addr>().is_ok() || host.eq_ignore_ascii_case("localhost"),
    }
}

/// It is the appliance's name, or the first label of that, with or without a port.
pub(super) fn is_name(host: &[u8], name: &str) -> bool {
    let Some(host) = without_port(host) else { return false };
    let first = name.split('.').next().unwrap_or(name);
    !host.is_empty() && [name, first].iter().any(|one| host.eq_ignore_ascii_case(one))
}

/// Without a port, and the dot that may end a name.
fn without_port(host: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(host).ok()?;
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (text, ""),
    };
    port.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.strip_suffix('.').unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_nobodys_and_names_are_the_appliances_or_another_ones() {
        for host in
            ["192.0.2.1", "192.0.2.1:9469", "[2001:db8::1]", "[::1]:80", "localhost", "LocalHost:9469", "127.0.0.1:"]
        {
            assert!(is_nobodys(host.as_bytes()), "{host}");
        }
        let others = [
            "",
            ":80",
            "edge-1",
            "192.0.2.1.evil.test",
            "localhost.evil.test",
            "[evil]:80",
            "::1",
            "a:80:80",
            "127.0.0.1:x",
            "\u{e9}",
        ];
        for host in others {
            assert!(!is_nobodys(host.as_bytes()), "{host}");
        }
        assert!(!is_nobodys(b"\xff"));
        for host in ["edge-1.example.net", "Edge-1.Example.net.:9469", "edge-1", "edge-1:80"] {
            assert!(is_name(host.as_bytes(), "edge-1.example.net"), "{host}");
        }
        for host in ["", ":80", "edge", "edge-1.evil.test", "example.net", "x.edge-1.example.net", "edge-1:x"] {
            assert!(!is_name(host.as_bytes(), "edge-1.example.net"), "{host}");
        }
    }
}
