//! TCP of all self-IPs: smoltcp over two queues.
//!
//! Owns the sockets of the connections that go out, those that probes are using and those that are being closed, and the
//! queue of all datagrams that are to be sent. A closed one is given a second to end cleanly, then it is reset; its buffers and its port are released
//! with it. Read first: [`super::connection`], which uses a socket.

use crate::time::{Duration, Instant};
use crate::wire::Endpoint;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpEndpoint, IpListenEndpoint, Ipv4Cidr};
use std::collections::VecDeque;
use std::net::Ipv4Addr;

/// How long a connection may take to close before it is reset.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes a socket holds each way.
const BUFFER: usize = 8192;
/// Largest IP datagram sent or announced: no link on the way to a server carries less, whatever its MTU.
const MTU: usize = 1280;
/// Datagrams that may wait to be read. More in one turn than any set of probes brings about.
const WAITING: usize = 1024;

/// An address that no host has (RFC 7600). smoltcp accepts every address that is routed to its own.
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

/// TCP of all self-IPs.
pub struct Stack {
    inner: Interface,
    queues: Queues,
    sockets: SocketSet<'static>,
    closing: Vec<Closing>,
}

struct Closing {
    handle: SocketHandle,
    port: u16,
    until: Instant,
}

impl Stack {
    /// A stack without connections.
    pub fn new(seed: u64, now: Instant) -> Stack {
        let mut queues = Queues::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut inner = Interface::new(config, &mut queues, clock(now));
        inner.update_ip_addrs(|addresses| {
            // One address in an empty list of at least one place.
            let _ = addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(OWN, 32)));
        });
        // Which addresses are ours and where a datagram really goes is the caller's to know.
        inner.set_any_ip(true);
        let _ = inner.routes_mut().add_default_ipv4_route(OWN);
        Stack { inner, queues, sockets: SocketSet::new(Vec::new()), closing: Vec::new() }
    }

    pub fn connect(&mut self, local: Endpoint, remote: Endpoint) -> Result<SocketHandle, tcp::ConnectError> {
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        let to = IpEndpoint { addr: IpAddress::Ipv4(remote.addr), port: remote.port };
        let from = IpListenEndpoint { addr: Some(IpAddress::Ipv4(local.addr)), port: local.port };
        socket.connect(self.inner.context(), to, from)?;
        Ok(self.sockets.add(socket))
    }

    /// The socket of a connection.
    pub fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// The probe is done with a connection: it ends cleanly, or at once when `abort`.
    pub fn leave(&mut self, handle: SocketHandle, port: u16, abort: bool, now: Instant) {
        let socket = self.sockets.get_mut::<tcp::Socket<'static>>(handle);
        if abort {
            socket.abort();
        } else {
            socket.close();
        }
        self.closing.push(Closing { handle, port, until: now + LINGER });
    }

    /// Queues a datagram that came in. Beyond what may wait, the oldest is dropped.
    pub fn push(&mut self, datagram: &[u8]) {
        if self.queues.incoming.len() >= WAITING {
            self.queues.incoming.pop_front();
        }
        self.queues.incoming.push_back(datagram.to_vec());
    }

    /// Reads what came in, sends what is due.
    pub fn poll(&mut self, now: Instant) {
        self.inner.poll(clock(now), &mut self.queues, &mut self.sockets);
    }

    /// Releases the connections that have ended; gives back their ports.
    pub fn reap(&mut self, now: Instant) -> Vec<u16> {
        for one in self.closing.iter().filter(|one| one.until <= now) {
            self.sockets.get_mut::<tcp::Socket<'static>>(one.handle).abort();
        }
        self.poll(now);
        // Nobody waits out TIME-WAIT: the port does not come again before all others were used.
        let over = |one: &mut Closing| {
            let state = self.sockets.get::<tcp::Socket<'static>>(one.handle).state();
            matches!(state, tcp::State::Closed | tcp::State::TimeWait)
        };
        let ended: Vec<Closing> = self.closing.extract_if(.., over).collect();
        ended.iter().for_each(|one| drop(self.sockets.remove(one.handle)));
        ended.into_iter().map(|one| one.port).collect()
    }

    /// Queues a datagram that is not TCP's, or belongs to no connection.
    pub fn send(&mut self, datagram: Vec<u8>) {
        self.queues.outgoing.push_back(datagram);
    }

    /// The next datagram to be sent.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        self.queues.outgoing.pop_front()
    }

    /// When [`poll`](Stack::poll) or [`reap`](Stack::reap) will have something to do.
    pub fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        if !self.queues.incoming.is_empty() || !self.queues.outgoing.is_empty() {
            return Some(now);
        }
        let due = self.inner.poll_at(clock(now), &self.sockets);
        let due = due.map(|due| Instant::from_nanos(u64::try_from(due.total_micros()).unwrap_or(0) * 1000).max(now));
        due.into_iter().chain(self.closing.iter().map(|one| one.until)).min()
    }

    /// Connections that hold memory: in use and closing.
    #[cfg(test)]
    pub fn connections(&self) -> usize {
        self.sockets.iter().count()
    }
}

pub(super) fn clock(now: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(i64::try_from(now.nanos() / 1000).unwrap_or(i64::MAX))
}

/// A device that is two queues.
#[derive(Default)]
pub(super) struct Queues {
    pub(super) incoming: VecDeque<Vec<u8>>,
    pub(super) outgoing: VecDeque<Vec<u8>>,
}

pub(super) struct Incoming(Vec<u8>);
pub(super) struct Outgoing<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut datagram = vec![0; len];
        let written = write(&mut datagram);
        self.0.push_back(datagram);
        written
    }
}

impl Device for Queues {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Incoming, Outgoing<'_>)> {
        let datagram = self.incoming.pop_front()?;
        Some((Incoming(datagram), Outgoing(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}
