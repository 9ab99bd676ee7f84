//! How often an interface of the kernel has lost or found its carrier.
//!
//! Owns the question to the kernel, by rtnetlink: the drivers of packet sockets report nothing, and whoever looks at flags now and
//! then does not see what was over in between. /sys is not asked: it may show another network namespace.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The attribute that counts both (linux/if_link.h).
const IFLA_CARRIER_CHANGES: u16 = 35;
/// `struct nlmsghdr`, and `struct ifinfomsg` behind it.
const HEADER: usize = size_of::<libc::nlmsghdr>();
const LINK: usize = 16;
/// Where `ifi_index` stands in the latter.
const INDEX: usize = HEADER + 4;

/// Changes of the carrier of the interface with this number since it was made; `None` when it is gone, or the kernel does not say.
pub(super) fn changes(index: u32) -> Option<u32> {
    let mut answer = [0; 16 << 10];
    let length = ask(index, &mut answer).ok()?;
    attribute(answer.get(..length)?, IFLA_CARRIER_CHANGES)
}

/// Asks about one interface; the length of what the kernel answers at once.
fn ask(index: u32, answer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: a system call without pointers.
    let raw = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_ROUTE) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    let request = request(index);
    // SAFETY: the request is a variable of ours of the stated length. Nobody else than the kernel is the peer of such a socket.
    let sent = unsafe { libc::send(socket.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel writes no more than the stated length of a buffer of ours.
    let length =
        unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), libc::MSG_DONTWAIT) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

/// RTM_GETLINK for one interface.
fn request(index: u32) -> [u8; HEADER + LINK] {
    let mut request = [0; HEADER + LINK];
    request[..4].copy_from_slice(&((HEADER + LINK) as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&libc::RTM_GETLINK.to_ne_bytes());
    request[6..8].copy_from_slice(&(libc::NLM_F_REQUEST as u16).to_ne_bytes());
    request[INDEX..INDEX + 4].copy_from_slice(&index.to_ne_bytes());
    request
}

/// An attribute of 32 bits in an RTM_NEWLINK.
fn attribute(message: &[u8], wanted: u16) -> Option<u32> {
    if u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?) != libc::RTM_NEWLINK {
        return None;
    }
    let mut rest = message.get(HEADER + LINK..)?;
    while let [a, b, c, d, ..] = *rest {
        let (length, kind) = (usize::from(u16::from_ne_bytes([a, b])), u16::from_ne_bytes([c, d]));
        if kind == wanted {
            return Some(u32::from_ne_bytes(rest.get(4..length)?.try_into().ok()?));
        }
        rest = rest.get(length.max(4).next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_there_is_has_a_count_and_another_none() {
        let lo = super::super::interface::index_of("lo").expect("there is one");
        assert!(changes(lo).is_some());
        assert_eq!(changes(u32::MAX), None);
    }

    #[test]
    fn an_answer_cut_anywhere_is_none_or_the_same() {
        let mut message = request(7).to_vec();
        message[4..6].copy_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
        // A name of three bytes with its zero, padded by one; then the count; then one that claims to be of no length.
        for (length, kind, data) in
            [(8_u16, 3_u16, *b"eth\0"), (8, IFLA_CARRIER_CHANGES, 9_u32.to_ne_bytes()), (0, 4, [0; 4])]
        {
            message.extend_from_slice(&[length.to_ne_bytes(), kind.to_ne_bytes()].concat());
            message.extend_from_slice(&data);
        }
        assert_eq!(attribute(&message, IFLA_CARRIER_CHANGES), Some(9));
        assert_eq!(attribute(&message, 99), None);
        for cut in 0..message.len() {
            let found = attribute(&message[..cut], IFLA_CARRIER_CHANGES);
            assert_eq!(found, (cut >= HEADER + LINK + 16).then_some(9), "cut at {cut}");
        }
    }
}
