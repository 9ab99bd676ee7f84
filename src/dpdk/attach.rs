//! From a device's name to a DPDK port number, and back when it is dropped.
//!
//! Owns the search for the reason when a device cannot be had: the usual ones (no such interface, no such PCI address,
//! wrong kernel driver, no permission) are looked for before DPDK is asked, because its own words do not say them.

use super::device::{Device, VHOST_NET};
use super::error::Fault;
use super::interface::{Interface, index_of};
use super::{error::Said, log};
use std::ffi::{CStr, CString};
use std::io::ErrorKind;
use std::path::Path;

/// The longest device name DPDK takes, in bytes.
const LONGEST_NAME: usize = 63;

/// How the sentence about an unknown driver begins.
const NO_DRIVER: &str = "DPDK has no driver of this name";

/// A DPDK port that exists because of us.
#[derive(Debug)]
pub(super) struct Attached {
    /// DPDK's number for it.
    pub(super) id: u16,
    /// The name of a virtual device, to be removed by.
    made: Option<CString>,
    /// What it stands on; claimed until it is closed.
    pub(super) interfaces: Vec<Interface>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: the port was attached by `attach`; nobody uses its queues any more, because each queue holds the
        // value this one is part of. Closing twice, or what another removed, is an error code.
        unsafe {
            dpdk_sys::rte_eth_dev_stop(self.id);
            dpdk_sys::rte_eth_dev_close(self.id);
            if let Some(name) = &self.made {
                dpdk_sys::rte_eal_hotplug_remove(c"vdev".as_ptr(), name.as_ptr());
            }
        }
    }
}

/// Finds the PCI device, or makes the virtual one with `arguments` in place of its own.
pub(super) fn attach(port: &str, device: &Device, arguments: &str) -> Result<Attached, Fault> {
    let fault = |reason: String| fault(port, device, reason, Said::default());
    let named = if device.is_pci() { device.pci_address() } else { device.name.to_owned() };
    if named.is_empty() || named.len() > LONGEST_NAME {
        let reason = format!(
            "device = {:?} is none: name a PCI address such as 0000:3b:00.1, or a virtual device such as net_tap0",
            device.name
        );
        return Err(Fault::Port { port: port.to_owned(), reason, said: Said::default() });
    }
    let zero = |_| {
        let reason = format!("device = {:?} holds a zero byte: remove it", device.name);
        Fault::Port { port: port.to_owned(), reason, said: Said::default() }
    };
    let (name, arguments) = (CString::new(named).map_err(zero)?, CString::new(arguments).map_err(zero)?);
    if device.is_pci() {
        return pci_port(port, device, &name);
    }
    if port_number(&name).is_some() {
        return Err(fault("is the device of another port as well: give each port its own".to_owned()));
    }
    precheck(port, device)?;
    let claims: Result<Vec<_>, _> = device.interfaces().into_iter().map(Interface::claim).collect();
    let interfaces = claims.map_err(|taken| fault(taken.to_string()))?.into_iter().flatten().collect();
    log::forget();
    // SAFETY: all three are C strings that outlive the call.
    let rc = unsafe { dpdk_sys::rte_eal_hotplug_add(c"vdev".as_ptr(), name.as_ptr(), arguments.as_ptr()) };
    match port_number(&name) {
        Some(id) if rc == 0 => Ok(Attached { id, made: Some(name), interfaces }),
        _ => Err(why_not_made(port, device, rc)),
    }
}

fn fault(port: &str, device: &Device, reason: String, said: Said) -> Fault {
    Fault::Device { port: port.to_owned(), device: device.name.to_owned(), reason, said }
}

fn port_number(name: &CStr) -> Option<u16> {
    let mut id = 0;
    // SAFETY: the name is a C string and the number is written only on success.
    let rc = unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &mut id) };
    (rc == 0).then_some(id)
}

/// The port of a PCI device that DPDK found at its start.
fn pci_port(port: &str, device: &Device, name: &CStr) -> Result<Attached, Fault> {
    if let Some(id) = port_number(name) {
        return Ok(Attached { id, made: None, interfaces: Vec::new() });
    }
    let address = device.pci_address();
    let place = Path::new("/sys/bus/pci/devices").join(&address);
    let driver = std::fs::read_link(place.join("driver")).ok();
    let driver = driver.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let bind = format!("dpdk-devbind.py -b vfio-pci {address}");
    let reason = match driver.as_deref() {
        _ if !place.exists() => "is not on this machine's PCI bus: `lspci -D` lists what is".to_owned(),
        None => format!("has no kernel driver that lends it to DPDK: bind it ({bind})"),
        Some("vfio-pci" | "uio_pci_generic" | "igb_uio") => {
            "is lent to DPDK, which has no driver for it or could not start it: see the log at debug".to_owned()
        }
        Some("mlx5_core") if cfg!(feature = "static-link") => {
            "needs DPDK's driver mlx5, and this program was linked without it: build it without static-link".to_owned()
        }
        Some("mlx5_core") => {
            "stays with mlx5_core, and DPDK's driver mlx5 is missing or could not start it: install rdma-core, and see the \
             log at debug"
                .to_owned()
        }
        Some(other) => format!("belongs to the kernel's driver {other}: lend it to DPDK ({bind})"),
    };
    Err(fault(port, device, reason, Said::default()))
}

/// Looks for what commonly is in the way of a virtual device on the kernel's interfaces.
fn precheck(port: &str, device: &Device) -> Result<(), Fault> {
    let fault = |reason: String| Err(fault(port, device, reason, Said::default()));
    let no_permission = |capabilities| {
        let what = format!("port {port}: {}", device.name);
        Err(Fault::NoPermission { what, capabilities, said: Said::default() })
    };
    if device.is("net_af_packet") || device.is("net_af_xdp") {
        let Some(interface) = device.argument("iface") else {
            return fault(format!("has no interface: write {},iface=NAME", device.name));
        };
        if index_of(interface).is_none() {
            return fault(format!("there is no network interface {interface}: `ip link` lists what is"));
        }
        if !may_open_packet_socket() {
            return no_permission("CAP_NET_RAW and CAP_NET_ADMIN");
        }
    }
    if device.is("net_vhost") && device.argument("legacy-ol-flags").is_some_and(|value| value != "0") {
        // Then it delivers frames whose checksum the guest left to be reckoned, which we would send on as they are.
        return fault("leaves checksums unfinished with legacy-ol-flags: take it out".to_owned());
    }
    let files: &[_] = match () {
        // Without it DPDK looks for a program that listens at this path.
        () if device.is_by_vhost_net() => &[(VHOST_NET, "vhost-net"), ("/dev/net/tun", "tun")],
        () if device.is("net_tap") => &[("/dev/net/tun", "tun")],
        () => &[],
    };
    for (path, module) in files {
        match std::fs::OpenOptions::new().read(true).write(true).open(path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied && *path == VHOST_NET => {
                return no_permission("CAP_NET_ADMIN, and the right to open /dev/vhost-net");
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return no_permission("CAP_NET_ADMIN"),
            Err(error) => {
                return fault(format!(
                    "{path} cannot be opened ({error}): load the module {module} (modprobe {module})"
                ));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

fn may_open_packet_socket() -> bool {
    // SAFETY: plain system calls; the descriptor is closed here and nobody else has it.
    unsafe {
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0);
        if fd >= 0 {
            libc::close(fd);
        }
        fd >= 0 || *libc::__errno_location() != libc::EPERM
    }
}

/// The reason of one that is to connect to another program, when DPDK could not.
pub(super) fn nobody_listens(device: &Device, said: &Said) -> Option<String> {
    let server = device.listens_with()?;
    let (key, default) = if device.is("net_memif") { ("socket", "/run/memif.sock") } else { ("path", "its path") };
    let socket = device.argument(key).unwrap_or(default);
    said.mentions(&["connect"]).then(|| {
        format!("nobody listens at {socket}: start the other program first, or let this end listen ({server})")
    })
}

/// The reason of a virtual device that DPDK could not make.
fn why_not_made(port: &str, device: &Device, rc: i32) -> Fault {
    let said = log::said();
    if said.mentions(&["Operation not permitted", "Permission denied"]) {
        let what = format!("port {port}: {}", device.name);
        return Fault::NoPermission { what, capabilities: "CAP_NET_ADMIN and CAP_NET_RAW", said };
    }
    if said.mentions(&["mmap failed"]) && said.mentions(&["Resource temporarily unavailable"]) {
        return Fault::LockedMemory { port: port.to_owned(), device: device.name.to_owned(), said };
    }
    if let Some(reason) = nobody_listens(device, &said) {
        return fault(port, device, reason, said);
    }
    let reason = match -rc {
        libc::EEXIST => "is made already: give each port its own device".to_owned(),
        _ if said.mentions(&["failed to parse device"]) => no_driver(!cfg!(feature = "static-link")),
        libc::ENOMEM => "DPDK has not enough memory for it: lower mbufs or its rings, or free memory".to_owned(),
        _ => "the driver cannot make it: check its arguments against DPDK's guide to the driver".to_owned(),
    };
    let said = if reason.starts_with(NO_DRIVER) { Said::default() } else { said };
    fault(port, device, reason, said)
}

/// Why there is no such driver. Only a program that is not `complete` has no use for those that are installed.
fn no_driver(complete: bool) -> String {
    match complete {
        true => format!(
            "{NO_DRIVER}: name a PCI address, or a virtual device such as net_af_packet0,iface=eth1, net_tap0 or net_pcap0; on \
             Debian, drivers are in the package dpdk"
        ),
        false => {
            format!("{NO_DRIVER}, or this program was linked without it: name another, or build without static-link")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_may_be_missing_in_a_program_that_was_linked_without_it() {
        let [installed, linked] = [true, false].map(no_driver);
        assert!(
            installed.starts_with(NO_DRIVER) && installed.ends_with("drivers are in the package dpdk"),
            "{installed}"
        );
        assert!(linked.starts_with(NO_DRIVER) && linked.ends_with("or build without static-link"), "{linked}");
    }

    #[test]
    fn who_cannot_connect_hears_where_nobody_listens() {
        let refused = Said(vec!["memif_connect_client(): Failed to connect socket: /run/a.sock.".to_owned()]);
        let rows = [
            ("net_memif0,role=client,socket=/run/a.sock", Some(("/run/a.sock", "role=server"))),
            ("net_memif0", Some(("/run/memif.sock", "role=server"))),
            ("net_memif0,role=server", None),
            ("net_virtio_user0,path=/run/v.sock", Some(("/run/v.sock", "server=1"))),
            ("net_virtio_user0,path=/dev/vhost-net,iface=fl-wire", None),
            ("net_null0", None),
        ];
        for (text, expected) in rows {
            let expected = expected.map(|(socket, server)| {
                format!("nobody listens at {socket}: start the other program first, or let this end listen ({server})")
            });
            assert_eq!(nobody_listens(&Device::parse(text), &refused), expected, "{text}");
        }
        assert_eq!(nobody_listens(&Device::parse("net_memif0"), &Said::default()), None);
    }
}
