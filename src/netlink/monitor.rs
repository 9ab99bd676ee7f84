//! Following the kernel's routes and links.
//!
//! Owns a socket on which the kernel tells what changes, and the reading of everything anew: what is told is only taken as a sign that
//! something has changed. The kernel does not tell of routes that go with a link (IPv4), and what it tells may be lost (ENOBUFS); what is
//! read cannot.

use super::error::NetlinkError;
use super::exchange::{Exchange, each_message};
use super::kernel::Netlink;
use super::link::Link;
use super::routes::{self, Context, KernelRoute, KernelRoutes, Read, RouteFilter};
use ipnet::Ipv4Net;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// Links, addresses, routes and next hops (linux/rtnetlink.h): the last is not known to kernels before 5.3, which have none.
const GROUPS: [u32; 3] = [LINKS, 5, 7];
const LINKS: u32 = 1;
const NEXT_HOPS: u32 = 32;
/// Messages (linux/rtnetlink.h).
const NEW_LINK: u16 = 16;
const DEL_LINK: u16 = 17;
const DEL_ROUTE: u16 = 25;
const GET_ROUTE: u16 = 26;
const GET_NEXT_HOP: u16 = 106;
/// `AF_INET`.
const INET: u8 = 2;
/// Bytes that the kernel keeps for us to read, where it may.
const BUFFER: i32 = 1 << 20;
/// More than any datagram of the kernel's that tells of a change.
const DATAGRAM: usize = 1 << 16;
/// Deleted routes that are remembered one by one.
const MOST_DELETED: usize = 100_000;

/// What has been told since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Something was.
    pub any: bool,
    /// Routes that were deleted, by destinations and metric.
    pub deleted: BTreeSet<(Ipv4Net, u32)>,
    /// Links have changed: routes go with them, and that is not told.
    pub links: bool,
    /// Something was lost.
    pub overrun: bool,
}

/// The socket.
pub struct Monitor {
    socket: Socket,
}

impl Monitor {
    /// Opens it for the network namespace of the calling thread. What happens from now on is told.
    pub fn open() -> Result<Monitor, NetlinkError> {
        let monitor =
            Monitor::of(&GROUPS).map_err(NetlinkError::of(|| "the kernel's routes cannot be followed".into()))?;
        _ = monitor.socket.add_membership(NEXT_HOPS);
        Ok(monitor)
    }

    /// The same of links alone: nothing is told of routes.
    pub fn of_links() -> Result<Monitor, NetlinkError> {
        Monitor::of(&[LINKS]).map_err(NetlinkError::of(|| "the kernel's links cannot be followed".into()))
    }

    fn of(groups: &[u32]) -> io::Result<Monitor> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.set_non_blocking(true)?;
        groups.iter().try_for_each(|group| socket.add_membership(*group))?;
        // The kernel gives as much as it may.
        _ = socket.set_rx_buf_sz(BUFFER);
        Ok(Monitor { socket })
    }

    /// Waits until something is told, at most so long.
    pub fn wait(&self, span: Duration) {
        let span = Timespec { tv_sec: span.as_secs() as i64, tv_nsec: span.subsec_nanos().into() };
        // An interruption is a look that comes early.
        _ = poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&span));
    }

    /// What has been told and not been read yet, of routes in this table.
    pub fn read(&self, table: u32) -> Result<Changes, NetlinkError> {
        let mut changes = Changes::default();
        loop {
            match self.receive() {
                Ok(bytes) => each_message(&bytes, |header, body| changes.note(header.message_type, body, table))
                    .map_err(NetlinkError::of(|| "what the kernel tells of routes cannot be read".into()))?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(changes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NOBUFS) => {
                    (changes.any, changes.overrun) = (true, true);
                }
                Err(error) => {
                    return Err(NetlinkError::of(|| "what the kernel tells of routes cannot be read".into())(error));
                }
            }
        }
    }

    fn receive(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(DATAGRAM);
        let mut from = SocketAddr::new(0, 0);
        self.socket.recv_from(&mut bytes, 0).map(|(_, sender)| from = sender)?;
        // Only the kernel is believed.
        if from.port_number() != 0 {
            bytes.clear();
        }
        Ok(bytes)
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Changes {
    fn note(&mut self, kind: u16, body: &[u8], table: u32) {
        self.any = true;
        self.links |= [NEW_LINK, DEL_LINK].contains(&kind);
        if kind == DEL_ROUTE {
            self.deleted.extend(routes::identity(body, table));
            self.overrun |= self.deleted.len() > MOST_DELETED;
        }
    }

    /// What has been told later as well.
    pub fn and(&mut self, later: Changes) {
        self.any |= later.any;
        self.links |= later.links;
        self.deleted.extend(later.deleted);
        self.overrun |= later.overrun || self.deleted.len() > MOST_DELETED;
    }
}

impl Netlink {
    /// The routes that are looked for, and what they lead to. Of no more than there may be anything is kept while it is read.
    pub fn routes(&mut self, filter: &RouteFilter) -> Result<KernelRoutes, NetlinkError> {
        read_all(self.exchange(), filter).map_err(NetlinkError::of(|| "the kernel's routes cannot be read".into()))
    }
}

fn read_all(exchange: &mut Exchange, filter: &RouteFilter) -> io::Result<KernelRoutes> {
    let mut context = Context::default();
    for link in exchange.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?.iter().filter_map(Link::read) {
        context.devices.insert(link.index, (link.name, link.up && link.carrier));
    }
    // `struct nhmsg`: of any family, as a group has none.
    let outcome = exchange.each(GET_NEXT_HOP, &[0; 8], |body| context.objects.extend(routes::object(body)));
    match outcome {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::OPNOTSUPP) => {}
        outcome => outcome?,
    }
    let is_without = |(name, link): &&(String, bool)| !link && filter.devices.contains(name);
    let without_link = context.devices.values().filter(is_without).map(|(name, _)| name.clone()).collect();
    let mut found = KernelRoutes { without_link, ..KernelRoutes::default() };
    // `struct rtmsg`: of IPv4.
    let asked = [INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    exchange.each(GET_ROUTE, &asked, |body| found.take(routes::read(body, filter, &context), filter.limit))?;
    found.routes.sort_by_key(|route| (route.to, route.metric));
    Ok(found)
}

impl KernelRoutes {
    fn take(&mut self, read: Read, limit: usize) {
        match read {
            Read::Route(route) if self.routes.len() < limit => self.routes.push(route),
            Read::Route(KernelRoute { .. }) => self.skipped.beyond_limit += 1,
            Read::WithoutRouter => self.skipped.without_router += 1,
            Read::Discarding => self.skipped.discarding += 1,
            Read::Other => {}
        }
    }
}
