//! Interfaces of the kernel that virtual devices stand on.
//!
//! Owns what drivers do not say of them: whether an interface runs, whether it was deleted, its MTU, whether the kernel joins the
//! segments it receives, and that one process uses it. /sys is not asked: it may show another network namespace.

use super::carrier;
use std::ffi::{CString, c_char};
use std::io;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::sync::{Mutex, PoisonError};

/// Asks a network driver something (linux/sockios.h).
const SIOCETHTOOL: libc::Ioctl = 0x8946;
/// Whether the kernel joins what the interface receives, and flags of which one is that its hardware does (linux/ethtool.h).
const ETHTOOL_GGRO: u32 = 0x2b;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETH_FLAG_LRO: u32 = 1 << 15;

/// What joins TCP segments that an interface of this name receives, in ethtool's words; `None`: there is no such interface, or its
/// driver does not say.
pub fn joins_segments(name: &str) -> Option<Vec<&'static str>> {
    let index = index_of(name)?;
    offload(index, ETHTOOL_GGRO)?;
    Some(joined(index))
}

fn joined(index: u32) -> Vec<&'static str> {
    let gro = offload(index, ETHTOOL_GGRO).is_some_and(|on| on != 0);
    let lro = offload(index, ETHTOOL_GFLAGS).is_some_and(|flags| flags & ETH_FLAG_LRO != 0);
    [(gro, "gro"), (lro, "lro")].into_iter().filter_map(|(on, name)| on.then_some(name)).collect()
}

/// An interface that a port of ours uses, as it was when the port was opened.
#[derive(Debug)]
pub(super) struct Interface {
    name: String,
    index: u32,
    /// Holds others off while it is open. `None` where the system lets us have none.
    claim: Option<UnixListener>,
    seen: Mutex<Seen>,
}

/// What an interface is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// Taken down, or without a carrier.
    Down,
    Deleted,
    /// Deleted, and there is another of its name.
    Replaced,
}

/// What was logged last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    state: State,
    small: Option<u32>,
}

/// Why an interface cannot be had: who has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) name: String,
    /// 0 where this process may not know.
    pub(super) process: u32,
}

impl Interface {
    /// Takes the interface of this name; `None` when there is none.
    pub(super) fn claim(name: &str) -> Result<Option<Interface>, Taken> {
        let Some(index) = index_of(name) else { return Ok(None) };
        let address = SocketAddr::from_abstract_name(format!("fairlead-interface-{index}"));
        // An abstract socket belongs to the network namespace, as the interface does, and goes with its process.
        let claim = match address.map(|address| (UnixListener::bind_addr(&address), address)) {
            Ok((Err(error), address)) if error.kind() == io::ErrorKind::AddrInUse => match holder(&address) {
                Some(peer) if may_hold(peer.uid) => {
                    let process = u32::try_from(peer.pid).unwrap_or(0);
                    return Err(Taken { name: name.to_owned(), process });
                }
                // Anybody may take the address, and nobody who does may keep the appliance from its start.
                _ => {
                    tracing::warn!(
                        "interface {name}: another user's process holds the mark of its use; whether a second Fairlead uses \
                         the interface is not checked"
                    );
                    None
                }
            },
            Ok((bound, _)) => bound.ok().filter(|listener| listener.set_nonblocking(true).is_ok()),
            Err(_) => None,
        };
        let seen = Mutex::new(Seen { state: State::Running, small: None });
        Ok(Some(Interface { name: name.to_owned(), index, claim, seen }))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its MTU; `None` when it is gone.
    pub(super) fn mtu(&self) -> Option<u32> {
        let answer = ask(self.index, libc::SIOCGIFMTU).ok()?;
        // SAFETY: the kernel wrote the MTU.
        u32::try_from(unsafe { answer.ifr_ifru.ifru_mtu }).ok()
    }

    /// How often its carrier was lost or found; 0 when the kernel does not say.
    pub(super) fn carrier_changes(&self) -> u64 {
        carrier::changes(self.index).map_or(0, u64::from)
    }

    /// What joins TCP segments before we see them, in ethtool's words; empty: nothing. What is joined is longer than the MTU,
    /// so it is refused or cut off, and its sender, which sent nothing too long, sends it again and again (RFC 1191 4).
    pub(super) fn joins_segments(&self) -> Vec<&'static str> {
        joined(self.index)
    }

    /// Whether frames of `mtu` bytes can pass now. Logs when the interface is deleted, and when its MTU becomes too small.
    pub(super) fn look(&self, port: &str, mtu: u16) -> bool {
        // Those that wanted the interface and only asked who has it.
        while self.claim.as_ref().is_some_and(|listener| listener.accept().is_ok()) {}
        let now = Seen { state: self.state(), small: self.mtu().filter(|found| *found < u32::from(mtu)) };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *seen, now);
        let name = &self.name;
        match now.state {
            State::Deleted if before.state != State::Deleted => {
                tracing::warn!("port {port}: interface {name} was deleted: create it and restart Fairlead");
            }
            State::Replaced if before.state != State::Replaced => {
                tracing::warn!(
                    "port {port}: interface {name} was deleted and created: restart Fairlead to use the new one"
                );
            }
            _ => {}
        }
        match now.small {
            Some(found) if now.small != before.small => tracing::warn!(
                "port {port}: mtu = {mtu}, and interface {name} now has {found}: longer packets are lost; raise the \
                 interface's, or lower mtu"
            ),
            _ => {}
        }
        now.state == State::Running
    }

    fn state(&self) -> State {
        match ask(self.index, libc::SIOCGIFFLAGS) {
            Ok(answer) => {
                // SAFETY: the kernel wrote the flags.
                let flags = i32::from(unsafe { answer.ifr_ifru.ifru_flags });
                if flags & libc::IFF_RUNNING != 0 { State::Running } else { State::Down }
            }
            Err(_) if index_of(&self.name).is_some() => State::Replaced,
            Err(_) => State::Deleted,
        }
    }
}

/// Gives the interface with this number another MAC.
pub(super) fn set_mac(index: u32, mac: [u8; 6]) -> io::Result<()> {
    let mut request = request(index)?;
    let mut address = libc::sockaddr { sa_family: libc::ARPHRD_ETHER, sa_data: [0; 14] };
    for (to, from) in address.sa_data.iter_mut().zip(mac) {
        *to = from as c_char;
    }
    request.ifr_ifru.ifru_hwaddr = address;
    call(&mut request, libc::SIOCSIFHWADDR)
}

/// A locally administered MAC for the other end of a cable whose first end has `mac`.
pub(super) fn other_end(mut mac: [u8; 6]) -> [u8; 6] {
    const LOCAL: u8 = 2;
    mac[0] = (mac[0] | LOCAL) ^ 4;
    mac
}

/// The number of the interface of this name.
pub(super) fn index_of(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is a C string.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// Asks the kernel about the interface with this number, whatever its name is now.
fn ask(index: u32, what: libc::Ioctl) -> io::Result<libc::ifreq> {
    let mut request = request(index)?;
    call(&mut request, what)?;
    Ok(request)
}

/// One value about the offloads of the interface with this number; `None` where its driver does not say.
fn offload(index: u32, what: u32) -> Option<u32> {
    /// `struct ethtool_value`
    #[repr(C)]
    struct Value {
        what: u32,
        value: u32,
    }
    let mut value = Value { what, value: 0 };
    let mut request = request(index).ok()?;
    request.ifr_ifru.ifru_data = std::ptr::from_mut(&mut value).cast();
    call(&mut request, SIOCETHTOOL).ok()?;
    Some(value.value)
}

/// A request that names the interface with this number.
fn request(index: u32) -> io::Result<libc::ifreq> {
    // SAFETY: all zeros is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // SAFETY: the buffer has the IF_NAMESIZE bytes that the function may write.
    let found = unsafe { libc::if_indextoname(index, request.ifr_name.as_mut_ptr()) };
    if found.is_null() { Err(io::Error::last_os_error()) } else { Ok(request) }
}

fn call(request: &mut libc::ifreq, what: libc::Ioctl) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // SAFETY: the socket is open, and the request is a variable of ours, of the type that all these calls take; what it points to,
    // where it points to something, is its caller's and of the size that the call writes.
    let rc = unsafe { libc::ioctl(socket.as_raw_fd(), what, std::ptr::from_mut(request)) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// An appliance can run as this user: as root, or as the one we run as.
fn may_hold(user: libc::uid_t) -> bool {
    // SAFETY: asks the kernel, and cannot fail.
    user == 0 || user == unsafe { libc::geteuid() }
}

/// Who listens at `address`; `None` when nobody does.
fn holder(address: &SocketAddr) -> Option<libc::ucred> {
    let stream = UnixStream::connect_addr(address).ok()?;
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    let place = std::ptr::from_mut(&mut peer).cast();
    // SAFETY: the socket is open, and both places are variables of ours of the stated size.
    let rc = unsafe { libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, place, &mut length) };
    (rc == 0).then_some(peer)
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Taken { name, process } = self;
        if *process == std::process::id() {
            return write!(f, "interface {name} is that of another port as well: give each port its own");
        }
        write!(f, "interface {name} is in use by ")?;
        match std::fs::read(format!("/proc/{process}/cmdline")) {
            _ if *process == 0 => f.write_str("another process")?,
            Ok(words) if !words.is_empty() => {
                write!(f, "process {process} ({})", in_short(&words))?;
            }
            _ => write!(f, "process {process}")?,
        }
        f.write_str(": stop that one, or give this port another interface")
    }
}

/// A command line, in one line of bounded length.
fn in_short(words: &[u8]) -> String {
    const MOST: usize = 80;
    let words = String::from_utf8_lossy(words);
    let words: Vec<&str> =
        words.split(|c: char| c.is_whitespace() || c.is_control()).filter(|it| !it.is_empty()).collect();
    words.join(" ").chars().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_one_line() {
        assert_eq!(
            in_short(b"fairlead\0run\0--config\0/etc/fairlead.toml\0"),
            "fairlead run --config /etc/fairlead.toml"
        );
        assert_eq!(in_short(b"python3\0-c\0\nimport x\n\x1b[2Jprint()\0"), "python3 -c import x [2Jprint()");
        assert_eq!(in_short(&[b'x'; 500]).len(), 80);
    }

    #[test]
    fn the_other_end_is_another_station() {
        assert_eq!(other_end([2, 0, 0, 0, 0, 1]), [6, 0, 0, 0, 0, 1]);
        assert_eq!(other_end([0, 0x64, 0x74, 0x61, 0x70, 0]), [6, 0x64, 0x74, 0x61, 0x70, 0]);
    }

    #[test]
    fn the_kernel_says_whether_it_joins_segments() {
        let lo = index_of("lo").expect("there is one");
        assert!(offload(lo, ETHTOOL_GGRO).is_some_and(|on| on <= 1));
        assert!(offload(lo, ETHTOOL_GFLAGS).is_some());
        assert_eq!(offload(u32::MAX, ETHTOOL_GGRO), None);
    }

    #[test]
    fn an_interface_is_claimed_once() {
        let first = Interface::claim("lo").expect("free").expect("there is one");
        let taken = Interface::claim("lo").expect_err("taken");
        assert_eq!(taken, Taken { name: "lo".to_owned(), process: std::process::id() });
        assert_eq!(taken.to_string(), "interface lo is that of another port as well: give each port its own");
        drop(first);
        assert!(Interface::claim("lo").is_ok_and(|claimed| claimed.is_some()));
        assert!(Interface::claim("nosuch0").is_ok_and(|claimed| claimed.is_none()));
    }
}
