//! A member with a TCP of its own (smoltcp), and TLS if wanted, whose service is a function from bytes to bytes.

use super::super::pipe::Pipe;
use super::super::stack::{Queues, clock};
use super::*;
use openssl::ssl::{ErrorCode, Ssl, SslContext, SslStream};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Cidr};

/// What the service does with what it hears.
pub enum Says {
    Nothing,
    Bytes(Vec<u8>),
    Close,
    Reset,
}

pub struct Server<F> {
    inner: Interface,
    queues: Queues,
    sockets: SocketSet<'static>,
    port: u16,
    listening: SocketHandle,
    tls: Option<SslContext>,
    calls: Vec<Call>,
    service: F,
    pub accepted: usize,
    pub closed_cleanly: usize,
}

struct Call {
    handle: SocketHandle,
    tls: Option<SslStream<Pipe>>,
    open: bool,
}

impl Call {
    /// The plain bytes in what came. A handshake that fails ends the connection once the alert is out.
    fn plain(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let Some(tls) = &mut self.tls else { return Some(bytes) };
        tls.get_mut().push(&bytes);
        let (mut plain, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let read = match tls.ssl().is_init_finished() {
                true => tls.ssl_read(&mut buffer),
                false => tls.do_handshake().map(|()| 0),
            };
            match read {
                Ok(length) => plain.extend_from_slice(&buffer[..length]),
                Err(error) if error.io_error().is_some() || error.code() == ErrorCode::ZERO_RETURN => {
                    return Some(plain);
                }
                Err(_) => return None,
            }
        }
    }
}

fn listener(port: u16) -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; 4096]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_ack_delay(None);
    socket.listen(port).unwrap();
    socket
}

impl<F: FnMut(&[u8]) -> Says> Server<F> {
    pub fn new(port: u16, tls: Option<SslContext>, service: F) -> Server<F> {
        let mut queues = Queues::default();
        let mut inner = Interface::new(Config::new(HardwareAddress::Ip), &mut queues, clock(Instant::ZERO));
        inner.update_ip_addrs(|addresses| addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(A, 24))).unwrap());
        let mut sockets = SocketSet::new(Vec::new());
        let listening = sockets.add(listener(port));
        let (calls, accepted, closed_cleanly) = (Vec::new(), 0, 0);
        Server { inner, queues, sockets, port, listening, tls, calls, service, accepted, closed_cleanly }
    }

    /// A SYN takes the listening socket: another one listens in its place.
    fn accept(&mut self) {
        if self.sockets.get::<tcp::Socket<'_>>(self.listening).state() != tcp::State::Listen {
            let handle = std::mem::replace(&mut self.listening, self.sockets.add(listener(self.port)));
            let tls = self.tls.as_ref().map(|context| {
                let mut ssl = Ssl::new(context).unwrap();
                ssl.set_accept_state();
                SslStream::new(ssl, Pipe::default()).unwrap()
            });
            self.calls.push(Call { handle, tls, open: false });
        }
    }

    fn serve(&mut self) {
        for call in &mut self.calls {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(call.handle);
            if socket.may_recv() && !call.open {
                call.open = true;
                self.accepted += 1;
            }
            while socket.can_recv() {
                let bytes = socket.recv(|bytes| (bytes.len(), bytes.to_vec())).unwrap();
                let plain = call.plain(bytes);
                let says = match &plain {
                    None => Says::Close,
                    Some(plain) if plain.is_empty() => Says::Nothing,
                    Some(plain) => (self.service)(plain),
                };
                let mut answer = Vec::new();
                let end = |socket: &mut tcp::Socket<'_>| match says {
                    Says::Nothing | Says::Bytes(_) => {}
                    Says::Close => socket.close(),
                    Says::Reset => socket.abort(),
                };
                match (&says, &mut call.tls) {
                    (Says::Bytes(bytes), Some(tls)) => assert_eq!(tls.ssl_write(bytes).unwrap(), bytes.len()),
                    (Says::Bytes(bytes), None) => answer.extend_from_slice(bytes),
                    _ => {}
                }
                answer.extend(call.tls.as_mut().map(|tls| tls.get_mut().take_outgoing()).unwrap_or_default());
                if !answer.is_empty() {
                    assert_eq!(socket.send_slice(&answer), Ok(answer.len()));
                }
                end(socket);
            }
            if socket.state() == tcp::State::CloseWait {
                socket.close();
                self.closed_cleanly += 1;
            }
        }
    }

    fn poll(&mut self, now: Instant) {
        self.inner.poll(clock(now), &mut self.queues, &mut self.sockets);
    }
}

impl<F: FnMut(&[u8]) -> Says> Peer for Server<F> {
    fn receive(&mut self, datagram: &[u8], now: Instant) {
        self.queues.incoming.push_back(datagram.to_vec());
        self.poll(now);
        self.accept();
        self.serve();
    }

    fn send(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.poll(now);
        let gone = |call: &mut Call| self.sockets.get::<tcp::Socket<'_>>(call.handle).state() == tcp::State::Closed;
        for call in self.calls.extract_if(.., gone).collect::<Vec<_>>() {
            self.sockets.remove(call.handle);
        }
        self.queues.outgoing.drain(..).collect()
    }
}
