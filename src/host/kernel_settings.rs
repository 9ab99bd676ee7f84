//! What the kernel is told of a device under /proc/sys/net, which shows the network namespace of whoever looks.

use std::fs;
use std::io;

/// The ports that probes leave from (RFC 6335 6), which the kernel must not take for connections of its own.
const PROBE_PORTS: &str = "49152-65535";
const RESERVED_PORTS: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/// The same as [`silence`]; and, as long as Fairlead passes no IPv6, the kernel is to speak none there.
pub(super) fn set(name: &str) -> io::Result<()> {
    silence(name)?;
    match write(&format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1") {
        // The kernel was built, or started, without it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Tells the kernel to answer no ARP on the device and to ask with an address of its network.
pub(super) fn silence(name: &str) -> io::Result<()> {
    write(&format!("/proc/sys/net/ipv4/conf/{name}/arp_ignore"), "8")?;
    write(&format!("/proc/sys/net/ipv4/conf/{name}/arp_announce"), "2")
}

/// Tells the kernel to take nothing for itself of what it sees on an interface that a port stands on: the addresses are on the device, so
/// that nobody's way back leads there, and no ARP is answered.
pub(super) fn close(beneath: &str) -> io::Result<()> {
    write(&format!("/proc/sys/net/ipv4/conf/{beneath}/rp_filter"), "1")?;
    write(&format!("/proc/sys/net/ipv4/conf/{beneath}/arp_ignore"), "8")
}

/// Takes the ports of probes from those that the kernel chooses by itself; what was reserved before stays so.
pub(super) fn reserve_ports() -> io::Result<()> {
    let before = fs::read_to_string(RESERVED_PORTS)?;
    let before = before.trim();
    if before.split(',').any(|range| range == PROBE_PORTS) {
        return Ok(());
    }
    let both = if before.is_empty() { PROBE_PORTS.to_owned() } else { format!("{before},{PROBE_PORTS}") };
    write(RESERVED_PORTS, &both)
}

fn write(path: &str, value: &str) -> io::Result<()> {
    fs::write(path, value).map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
}
