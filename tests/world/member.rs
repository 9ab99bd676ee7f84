//! A SIP Server host made of bytes: it answers ARP and OPTIONS, counts what reaches it, and can be silent.

use fairlead::wire::arp::{Arp, Operation};
use fairlead::wire::build::{Build, mend_ip};
use fairlead::wire::{Endpoint, Headers, Kind, Mac};
use std::net::Ipv4Addr;

/// The SIP port.
pub const PORT: u16 = 5060;

/// A host of the pair.
pub struct Member {
    pub mac: Mac,
    pub address: Ipv4Addr,
    /// It answers SIP.
    pub serves: bool,
    /// It answers nothing at all, not even ARP.
    pub silent: bool,
    /// Requests of peers that reached it.
    pub requests: usize,
    /// Answers of peers that reached it.
    pub answers: usize,
}

impl Member {
    pub fn new(last: u8) -> Member {
        Member {
            mac: Mac([2, 0, 0, 0, 0, last]),
            address: Ipv4Addr::new(10, 20, 0, last),
            serves: false,
            silent: false,
            requests: 0,
            answers: 0,
        }
    }

    /// What the host says to a frame.
    pub fn hear(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let headers = Headers::parse(frame).expect("the appliance sends what can be read");
        if self.silent || (headers.link.dst != self.mac && !headers.link.dst.is_group()) {
            return None;
        }
        match headers.kind {
            Kind::Arp(Arp { operation: Operation::Request, sender, sender_mac, target, .. })
                if target == self.address =>
            {
                let reply = Build::arp_reply(self.mac, self.address, sender_mac, sender);
                Some(reply.macs(self.mac, sender_mac).bytes())
            }
            Kind::Udp { src_port, dst_port: PORT } => self.datagram(frame, &headers, src_port),
            _ => None,
        }
    }

    fn datagram(&mut self, frame: &[u8], headers: &Headers, src_port: u16) -> Option<Vec<u8>> {
        let payload = &frame[usize::from(headers.l4) + 8..usize::from(headers.end)];
        let text = String::from_utf8_lossy(payload);
        let probe = text.starts_with("OPTIONS") && text.contains("Fairlead");
        match (text.starts_with("SIP/2.0"), probe, self.serves) {
            (true, ..) => self.answers += 1,
            (_, false, _) => self.requests += 1,
            _ => {}
        }
        let back = || Build::udp(Endpoint::new(self.address, PORT), Endpoint::new(headers.src, src_port));
        match self.serves {
            true if !text.starts_with("SIP/2.0") => {
                Some(back().macs(self.mac, headers.link.src).payload(ok_to(&text).as_bytes()).bytes())
            }
            true => None,
            // The kernel of a host whose port is closed says so, and quotes what it received.
            false => Some(self.closed(frame, headers)),
        }
    }

    fn closed(&self, frame: &[u8], headers: &Headers) -> Vec<u8> {
        let l3 = usize::from(headers.l3);
        let quoted = &frame[l3..(l3 + 28).min(usize::from(headers.end))];
        let mut error =
            Build::icmp(self.address, headers.src, 3, 3).macs(self.mac, headers.link.src).payload(quoted).bytes();
        mend_ip(&mut error, 14);
        error
    }
}

/// The answer to a request: what identifies it is copied (RFC 3261 8.2.6).
fn ok_to(request: &str) -> String {
    let copied = ["via:", "from:", "to:", "call-id:", "cseq:"];
    let lines = request.lines().filter(|line| copied.iter().any(|name| line.to_ascii_lowercase().starts_with(name)));
    let head: String = lines.map(|line| format!("{line}\r\n")).collect();
    format!("SIP/2.0 200 OK\r\n{head}Content-Length: 0\r\n\r\n")
}
