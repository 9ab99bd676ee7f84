//! A member with a TCP of its own (smoltcp), and TLS if wanted, whose service is a function from bytes to bytes.

use super::super::stack::{Queues, clock};
use super::*;
use rustls::ServerConnection;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Cidr};
use std::io::{Read, Write};

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
    tls: Option<Arc<rustls::ServerConfig>>,
    calls: Vec<Call>,
    service: F,
    pub accepted: usize,
    pub closed_cleanly: usize,
}

struct Call {
    handle: SocketHandle,
    tls: Option<ServerConnection>,
    open: bool,
}

fn listener(port: u16) -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; 4096]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_ack_delay(None);
    socket.listen(port).unwrap();
    socket
}

/// A server's configuration with a certificate nobody vouches for.
pub fn tls_config(versions: &[&'static rustls::SupportedProtocolVersion]) -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(vec!["sip.example".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap())
}

impl<F: FnMut(&[u8]) -> Says> Server<F> {
    pub fn new(port: u16, tls: Option<Arc<rustls::ServerConfig>>, service: F) -> Server<F> {
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
            let tls = self.tls.clone().map(|config| ServerConnection::new(config).unwrap());
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
                let mut bytes = socket.recv(|bytes| (bytes.len(), bytes.to_vec())).unwrap();
                if let Some(tls) = &mut call.tls {
                    tls.read_tls(&mut &bytes[..]).unwrap();
                    tls.process_new_packets().unwrap();
                    bytes.clear();
                    let _ = tls.reader().read_to_end(&mut bytes);
                }
                let says = if bytes.is_empty() { Says::Nothing } else { (self.service)(&bytes) };
                match (says, &mut call.tls) {
                    (Says::Nothing, _) => {}
                    (Says::Bytes(answer), Some(tls)) => tls.writer().write_all(&answer).unwrap(),
                    (Says::Bytes(answer), None) => assert_eq!(socket.send_slice(&answer), Ok(answer.len())),
                    (Says::Close, _) => socket.close(),
                    (Says::Reset, _) => socket.abort(),
                }
                if let Some(tls) = &mut call.tls {
                    let mut answer = Vec::new();
                    while tls.wants_write() {
                        tls.write_tls(&mut answer).unwrap();
                    }
                    if !answer.is_empty() {
                        assert_eq!(socket.send_slice(&answer), Ok(answer.len()));
                    }
                }
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
