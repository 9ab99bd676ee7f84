//! Requests to the kernel and its answers.
//!
//! Owns the socket, the numbering, and that each request is answered before the call returns. Knows nothing of links.

use netlink_packet_core::{
    DecodeError, Emitable, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REQUEST,
    NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload, Parseable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use std::io;

/// The end of a list, and that something was not done (linux/netlink.h).
const DONE: u16 = 3;
const ERROR: u16 = 2;
/// Requests in one message: as many as have room for their answers in a socket's buffer, however small the system makes it.
const BATCH: usize = 64;
/// How often a list is asked for again that has changed while it was read.
const ATTEMPTS: usize = 8;

/// What is asked, and the flags it is asked with.
pub(super) struct Change {
    message: RouteNetlinkMessage,
    flags: u16,
}

impl Change {
    /// A question about one thing.
    pub(super) fn ask(message: RouteNetlinkMessage) -> Change {
        Change::just(message)
    }

    /// What is there is changed or removed.
    pub(super) fn just(message: RouteNetlinkMessage) -> Change {
        Change { message, flags: NLM_F_REQUEST | NLM_F_ACK }
    }

    /// Something is made that must not be there.
    pub(super) fn make(message: RouteNetlinkMessage) -> Change {
        Change { message, flags: NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL }
    }
}

/// What the kernel says to one request.
pub(super) struct Answer {
    /// What it was asked for.
    pub(super) messages: Vec<RouteNetlinkMessage>,
    /// Whether it was done.
    pub(super) end: io::Result<()>,
}

impl Answer {
    /// Whether it was done, as a value of its own.
    pub(super) fn outcome(&self) -> io::Result<()> {
        match &self.end {
            Ok(()) => Ok(()),
            Err(error) => Err(error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)),
        }
    }
}

/// The socket.
pub(super) struct Exchange {
    socket: Socket,
    /// Of the last request.
    number: u32,
}

impl Exchange {
    pub(super) fn open() -> io::Result<Exchange> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Answers that do not repeat the question are short.
        socket.set_cap_ack(true)?;
        Ok(Exchange { socket, number: 0 })
    }

    /// Everything of a kind that there is.
    pub(super) fn dump(&mut self, message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..ATTEMPTS {
            let change = Change { message: message.clone(), flags: NLM_F_REQUEST | NLM_F_DUMP };
            let (mut answers, is_whole) = self.batch(&[change])?;
            let Answer { messages, end } = answers.swap_remove(0);
            end?;
            if is_whole {
                return Ok(messages);
            }
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "it changes faster than it can be read"))
    }

    /// Everything of a kind that there is, by a request for a list of `kind` with this body: the body of each answer, of which nothing is
    /// kept here. What changes while it is read may be missing, or be there twice.
    pub(super) fn each(&mut self, kind: u16, body: &[u8], mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let number = self.next_number();
        let mut bytes = vec![0; 16];
        let mut header = NetlinkHeader::default();
        (header.length, header.message_type) = (16 + body.len() as u32, kind);
        (header.flags, header.sequence_number) = (NLM_F_REQUEST | NLM_F_DUMP, number);
        header.emit(&mut bytes);
        bytes.extend_from_slice(body);
        self.socket.send(&bytes, 0)?;
        let mut end = None;
        while end.is_none() {
            let (received, _) = self.socket.recv_from_full()?;
            each_message(&received, |header, body| match header.message_type {
                // What belongs to another request was given up before.
                _ if header.sequence_number != number => {}
                DONE | ERROR => end = Some(outcome(body)),
                _ => take(body),
            })?;
        }
        end.unwrap_or(Ok(()))
    }

    /// Has everything done in this order, and returns what was said to each.
    pub(super) fn all(&mut self, changes: Vec<Change>) -> io::Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(changes.len());
        for batch in changes.chunks(BATCH) {
            answers.extend(self.batch(batch)?.0);
        }
        Ok(answers)
    }

    /// The answers, and whether nothing changed while they were made.
    fn batch(&mut self, changes: &[Change]) -> io::Result<(Vec<Answer>, bool)> {
        let first = self.number.wrapping_add(1);
        let bytes: Vec<u8> = changes.iter().flat_map(|change| self.bytes(change)).collect();
        self.socket.send(&bytes, 0)?;
        let mut answers: Vec<(Vec<RouteNetlinkMessage>, Option<io::Result<()>>)> =
            changes.iter().map(|_| (Vec::new(), None)).collect();
        let mut is_whole = true;
        while answers.iter().any(|(_, end)| end.is_none()) {
            let (received, _) = self.socket.recv_from_full()?;
            for answer in split(&received) {
                let NetlinkMessage { header, payload, .. } = answer?;
                is_whole &= header.flags & NLM_F_DUMP_INTR == 0;
                // What belongs to no request of these was given up before.
                let Some((messages, end)) = answers.get_mut(header.sequence_number.wrapping_sub(first) as usize) else {
                    continue;
                };
                match payload {
                    NetlinkPayload::InnerMessage(message) => messages.push(message),
                    NetlinkPayload::Error(error) => {
                        *end = Some(error.code.map_or(Ok(()), |_| Err(error.to_io())));
                    }
                    NetlinkPayload::Done(_) => *end = Some(Ok(())),
                    _ => {}
                }
            }
        }
        let finished = answers.into_iter().map(|(messages, end)| Answer { messages, end: end.unwrap_or(Ok(())) });
        Ok((finished.collect(), is_whole))
    }

    fn next_number(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    fn bytes(&mut self, change: &Change) -> Vec<u8> {
        let mut header = NetlinkHeader::default();
        (header.flags, header.sequence_number) = (change.flags, self.next_number());
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(change.message.clone()));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len().next_multiple_of(4)];
        message.serialize(&mut bytes);
        bytes
    }
}

/// Each message of a datagram: its header, and what follows that.
pub(super) fn each_message(mut rest: &[u8], mut take: impl FnMut(&NetlinkHeader, &[u8])) -> io::Result<()> {
    while !rest.is_empty() {
        let invalid = |error: DecodeError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        let header = NetlinkHeader::parse(&NetlinkBuffer::new_checked(&rest).map_err(invalid)?).map_err(invalid)?;
        let length = header.length as usize;
        take(&header, rest.get(16..length).unwrap_or_default());
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(())
}

/// What the end of a list says: zero, or why there is none, as a negative number.
fn outcome(body: &[u8]) -> io::Result<()> {
    let code = body.get(..4).and_then(|code| code.try_into().ok()).map_or(0, i32::from_ne_bytes);
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.saturating_neg())) }
}

/// The messages of a datagram.
fn split(mut rest: &[u8]) -> impl Iterator<Item = io::Result<NetlinkMessage<RouteNetlinkMessage>>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest);
        let length = message.as_ref().map_or(rest.len(), |message| message.header.length as usize);
        rest = rest.get(length.max(1).next_multiple_of(4)..).unwrap_or_default();
        Some(message.map_err(|error: DecodeError| io::Error::new(io::ErrorKind::InvalidData, error.to_string())))
    })
}
