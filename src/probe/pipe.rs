//! The stream beneath TLS: two queues of bytes in memory.
//!
//! Owns what came and is not read yet, what is to be sent, and whether the server has asked for a certificate, which up to TLS
//! 1.2 it does in the clear: the alert that follows when it gets none does not say so.

use std::io::{self, ErrorKind, Read, Write};

/// Handshake bytes that are looked through for a request, at most.
const LOOKED_AT: usize = 32 * 1024;
/// A record's header, and that of a handshake message (RFC 5246 6.2.1, 7.4).
const RECORD: usize = 5;
const MESSAGE: usize = 4;
const HANDSHAKE: u8 = 22;
const CERTIFICATE_REQUEST: u8 = 13;

/// Two queues. Reading from an empty one would block.
#[derive(Default)]
pub struct Pipe {
    incoming: Vec<u8>,
    read: usize,
    outgoing: Vec<u8>,
    /// The first bytes that came.
    heard: Vec<u8>,
}

impl Pipe {
    /// Bytes came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.incoming.drain(..self.read);
        self.read = 0;
        self.incoming.extend_from_slice(bytes);
        let room = LOOKED_AT - self.heard.len().min(LOOKED_AT);
        self.heard.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// What is to be sent.
    pub fn take_outgoing(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.outgoing)
    }

    /// The server has sent a CertificateRequest in the clear.
    pub fn asked_for_certificate(&self) -> bool {
        let (mut records, mut messages) = (self.heard.as_slice(), Vec::new());
        while let Some((header, rest)) = records.split_at_checked(RECORD) {
            let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
            let (body, rest) = rest.split_at(length.min(rest.len()));
            // What follows the first record of another type is encrypted.
            if header[0] != HANDSHAKE {
                break;
            }
            messages.extend_from_slice(body);
            records = rest;
        }
        let mut messages = messages.as_slice();
        while let Some((header, rest)) = messages.split_at_checked(MESSAGE) {
            if header[0] == CERTIFICATE_REQUEST {
                return true;
            }
            let length = usize::from(header[1]) << 16 | usize::from(header[2]) << 8 | usize::from(header[3]);
            messages = rest.get(length..).unwrap_or_default();
        }
        false
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let waits = self.incoming.get(self.read..).unwrap_or_default();
        if waits.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        let length = waits.len().min(buffer.len());
        buffer[..length].copy_from_slice(&waits[..length]);
        self.read += length;
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3, length[0], length[1]], body].concat()
    }

    fn asks(bytes: &[u8]) -> bool {
        let mut pipe = Pipe::default();
        bytes.chunks(3).for_each(|piece| pipe.push(piece));
        pipe.asked_for_certificate()
    }

    #[test]
    fn a_request_for_a_certificate_is_found_wherever_records_are_cut() {
        let (hello, request) = ([2, 0, 0, 2, 9, 9], [13, 0, 0, 1, 7]);
        let both = [&hello[..], &request].concat();
        assert!(asks(&record(22, &both)));
        assert!(asks(&[record(22, &both[..7]), record(22, &both[7..])].concat()));
        assert!(asks(&[record(22, &both[..5]), record(22, &both[5..])].concat()));
        assert!(!asks(&record(22, &hello)));
        assert!(!asks(&[record(22, &hello), record(20, &[1]), record(22, &request)].concat()), "encrypted by then");
        assert!(!asks(b"HTTP/1.1 400 Bad Request\r\n\r\n") && !asks(&[]));
        assert!(!asks(&[22, 3, 3, 0xff, 0xff, 2, 0xff, 0xff, 0xff]));
    }

    #[test]
    fn bytes_pass_in_order_and_an_empty_queue_would_block() {
        let (mut pipe, mut buffer) = (Pipe::default(), [0; 3]);
        assert_eq!(pipe.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
        pipe.push(b"abcd");
        assert_eq!((pipe.read(&mut buffer).unwrap(), &buffer), (3, b"abc"));
        pipe.push(b"e");
        assert_eq!((pipe.read(&mut buffer).unwrap(), &buffer[..2]), (2, &b"de"[..]));
        pipe.write_all(b"xyz").unwrap();
        assert_eq!((pipe.take_outgoing(), pipe.take_outgoing()), (b"xyz".to_vec(), vec![]));
    }
}
