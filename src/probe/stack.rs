//! TCP of all self-IPs: one smoltcp over two queues for each connection.
//!
//! Owns the connections that go out, those that probes are using and those that are being closed, found by their local port, and the
//! queue of all datagrams that are to be sent. smoltcp looks at every socket it has whenever it is called: with one of its own, a
//! connection costs nothing while nothing happens to it. A closed one is given a second to end cleanly, then it is reset; its buffers
//! and its port are released with it. Read first: [`super::connection`], which uses a socket.

use crate::monitor::random::Random;
use crate::time::{Duration, Instant};
use crate::wire::Endpoint;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpEndpoint, IpListenEndpoint, Ipv4Cidr};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::Ipv4Addr;

/// How long a connection may take to close before it is reset.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes a socket holds each way.
const BUFFER: usize = 8192;
/// Largest IP datagram sent or announced: no link on the way to a server carries less, whatever its MTU.
const MTU: usize = 1280;
/// Datagrams that may wait to be read by one connection, and by none. More in one turn than any server or set of probes brings about.
const WAITING: usize = 64;
const WAITING_FOR_NONE: usize = 1024;

/// An address that no host has (RFC 7600). smoltcp accepts every address that is routed to its own.
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

/// TCP of all self-IPs.
pub struct Stack {
    connections: HashMap<u16, Connected>,
    /// When each of them has something to do by itself.
    due: BTreeSet<(Instant, u16)>,
    /// Those that something came for, or was done to, since they were polled.
    changed: BTreeSet<u16>,
    /// Those that something came for since this was last asked.
    heard: BTreeSet<u16>,
    /// Those that have ended.
    ended: Vec<u16>,
    /// Answers what belongs to none.
    none: Net,
    outgoing: VecDeque<Vec<u8>>,
    random: Random,
}

/// smoltcp with at most one socket.
struct Net {
    inner: Interface,
    queues: Queues,
    sockets: SocketSet<'static>,
}

/// A connection.
struct Connected {
    net: Net,
    handle: SocketHandle,
    due: Option<Instant>,
    /// When it is reset, once the probe is done with it.
    closes: Option<Instant>,
}

impl Net {
    fn new(seed: u64, now: Instant) -> Net {
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
        Net { inner, queues, sockets: SocketSet::new(Vec::new()) }
    }

    /// Beyond `most` that wait, the oldest is dropped.
    fn push(&mut self, datagram: &[u8], most: usize) {
        if self.queues.incoming.len() >= most {
            self.queues.incoming.pop_front();
        }
        self.queues.incoming.push_back(datagram.to_vec());
    }

    /// Reads what came in; what is to be sent for it goes to `outgoing`.
    fn poll(&mut self, outgoing: &mut VecDeque<Vec<u8>>, now: Instant) {
        self.inner.poll(clock(now), &mut self.queues, &mut self.sockets);
        outgoing.append(&mut self.queues.outgoing);
    }
}

impl Connected {
    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.net.sockets.get_mut(self.handle)
    }

    /// Nobody waits out TIME-WAIT: the port does not come again before all others were used.
    fn is_over(&mut self) -> bool {
        self.closes.is_some() && matches!(self.socket().state(), tcp::State::Closed | tcp::State::TimeWait)
    }

    fn next_due(&mut self, now: Instant) -> Option<Instant> {
        let due = self.net.inner.poll_at(clock(now), &self.net.sockets);
        let due = due.map(|due| Instant::from_nanos(u64::try_from(due.total_micros()).unwrap_or(0) * 1000).max(now));
        due.into_iter().chain(self.closes).min()
    }
}

impl Stack {
    /// A stack without connections.
    pub fn new(seed: u64, now: Instant) -> Stack {
        let mut random = Random::new(seed);
        Stack {
            connections: HashMap::new(),
            due: BTreeSet::new(),
            changed: BTreeSet::new(),
            heard: BTreeSet::new(),
            ended: Vec::new(),
            none: Net::new(random.draw(), now),
            outgoing: VecDeque::new(),
            random,
        }
    }

    /// Opens a connection from a local port that no other has.
    pub fn connect(&mut self, local: Endpoint, remote: Endpoint, now: Instant) -> Result<(), tcp::ConnectError> {
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        let to = IpEndpoint { addr: IpAddress::Ipv4(remote.addr), port: remote.port };
        let from = IpListenEndpoint { addr: Some(IpAddress::Ipv4(local.addr)), port: local.port };
        let mut net = Net::new(self.random.draw(), now);
        socket.connect(net.inner.context(), to, from)?;
        let handle = net.sockets.add(socket);
        self.connections.insert(local.port, Connected { net, handle, due: None, closes: None });
        self.changed.insert(local.port);
        Ok(())
    }

    /// The connections that something came for since this was last asked.
    pub fn take_heard(&mut self) -> BTreeSet<u16> {
        std::mem::take(&mut self.heard)
    }

    /// The socket of a connection. Whatever is done to it is sent by the next [`poll`](Stack::poll).
    pub fn socket(&mut self, port: u16) -> Option<&mut tcp::Socket<'static>> {
        let connection = self.connections.get_mut(&port)?;
        self.changed.insert(port);
        Some(connection.socket())
    }

    /// The probe is done with a connection: it ends cleanly, or at once when `abort`.
    pub fn leave(&mut self, port: u16, abort: bool, now: Instant) {
        if let Some(connection) = self.connections.get_mut(&port) {
            connection.closes = Some(now + LINGER);
        }
        match self.socket(port) {
            Some(socket) if abort => socket.abort(),
            Some(socket) => socket.close(),
            None => {}
        }
    }

    /// Queues a datagram that came in for a local port.
    pub fn push(&mut self, port: u16, datagram: &[u8]) {
        match self.connections.get_mut(&port) {
            Some(connection) => {
                connection.net.push(datagram, WAITING);
                self.changed.insert(port);
                self.heard.insert(port);
            }
            None => self.none.push(datagram, WAITING_FOR_NONE),
        }
    }

    /// Reads what came in, sends what is due.
    pub fn poll(&mut self, now: Instant) {
        if !self.none.queues.incoming.is_empty() {
            self.none.poll(&mut self.outgoing, now);
        }
        while let Some(&(due, port)) = self.due.first().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, port));
            self.changed.insert(port);
        }
        for port in std::mem::take(&mut self.changed) {
            let Some(connection) = self.connections.get_mut(&port) else { continue };
            if connection.closes.is_some_and(|closes| closes <= now) {
                connection.socket().abort();
            }
            connection.net.poll(&mut self.outgoing, now);
            let before = connection.due.take();
            before.into_iter().for_each(|before| _ = self.due.remove(&(before, port)));
            if connection.is_over() {
                self.ended.push(port);
                continue;
            }
            connection.due = connection.next_due(now);
            self.due.extend(connection.due.map(|due| (due, port)));
        }
    }

    /// Releases the connections that have ended; gives back their ports.
    pub fn reap(&mut self, now: Instant) -> Vec<u16> {
        self.poll(now);
        let ended = std::mem::take(&mut self.ended);
        ended.iter().for_each(|port| _ = self.connections.remove(port));
        ended
    }

    /// Queues a datagram that is not TCP's, or belongs to no connection.
    pub fn send(&mut self, datagram: Vec<u8>) {
        self.outgoing.push_back(datagram);
    }

    /// The next datagram to be sent.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    /// When [`poll`](Stack::poll) or [`reap`](Stack::reap) will have something to do.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let waits = !self.changed.is_empty() || !self.none.queues.incoming.is_empty() || !self.outgoing.is_empty();
        if waits { Some(now) } else { self.due.first().map(|(due, _)| (*due).max(now)) }
    }

    /// Connections that hold memory: in use and closing.
    #[cfg(test)]
    pub fn connections(&self) -> usize {
        self.connections.len()
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
