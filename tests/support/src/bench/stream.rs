//! A server's end of one TCP connection that carries one request: just enough for a probe.

use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use fairlead::wire::facts::Segment;
use fairlead::wire::tcp::Flags;

/// Our first sequence number.
const ISN: u32 = 70_000;

pub struct Stream {
    /// What we say next.
    next: u32,
    /// What we expect next.
    wanted: u32,
    heard: String,
    answered: bool,
}

impl Stream {
    /// As a SYN with this sequence number makes it.
    pub fn new(syn: u32) -> Stream {
        Stream { next: ISN, wanted: syn.wrapping_add(1), heard: String::new(), answered: false }
    }

    /// What we say to a segment; `answer` is asked once, when a request is complete.
    pub fn hear(
        &mut self,
        segment: Segment,
        payload: &[u8],
        own: Endpoint,
        far: Endpoint,
        answer: impl FnOnce(&str) -> Option<String>,
    ) -> Vec<Vec<u8>> {
        if segment.flags.rst() {
            return Vec::new();
        }
        if segment.flags.opens() {
            self.next = ISN + 1;
            return vec![Build::tcp(own, far, Flags::SYN.with(Flags::ACK), ISN, self.wanted).bytes()];
        }
        if segment.seq != self.wanted || segment.length() == 0 {
            return Vec::new();
        }
        self.wanted = self.wanted.wrapping_add(segment.length());
        self.heard.push_str(&String::from_utf8_lossy(payload));
        let answer_text = match self.answered || !self.heard.contains("\r\n\r\n") {
            true => None,
            false => answer(&self.heard),
        };
        self.answered |= answer_text.is_some();
        let mut said = Vec::new();
        let text = answer_text.unwrap_or_default();
        said.push(Build::tcp(own, far, Flags::ACK, self.next, self.wanted).payload(text.as_bytes()).bytes());
        self.next = self.next.wrapping_add(text.len() as u32);
        if segment.flags.fin() {
            said.push(Build::tcp(own, far, Flags::FIN.with(Flags::ACK), self.next, self.wanted).bytes());
            self.next = self.next.wrapping_add(1);
        }
        said
    }
}
