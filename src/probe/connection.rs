//! One probe over one TCP connection: open it, ask over it if there is something to ask, close it.
//!
//! Owns the stages of kinds `tcp`, `http`, `https`, and `sip` over TCP and TLS, and the words for where they stopped. The socket belongs
//! to [`super::stack`].

use super::tls::Tls;
use crate::monitor::Said;
use crate::monitor::http::HttpExchange;
use crate::monitor::sip::{Judged, Question};
use crate::monitor::sip_answer::{AnswerReader, Unreadable};
use crate::time::Duration;
use crate::wire::Endpoint;
use smoltcp::socket::tcp;

/// How the probe ended: what is good, or why not.
pub type End = Result<Said, String>;

/// A connection as a probe sees it.
pub struct Connection {
    port: u16,
    stage: Stage,
    asks: Option<Asks>,
    tls: Option<Tls>,
    outbox: Vec<u8>,
}

/// A question and its answer as far as it came.
pub struct Asks {
    request: Vec<u8>,
    what: What,
}

enum What {
    Sip {
        question: Box<Question>,
        reader: AnswerReader,
        /// What came that was not the answer.
        heard: Option<String>,
    },
    Http(HttpExchange),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Handshaking,
    Asked,
}

impl Connection {
    /// A connection to `port` that is being opened; without `asks` it is enough that it opens, and with `tls` that this is spoken.
    pub fn new(port: u16, asks: Option<Asks>, tls: Option<Tls>) -> Connection {
        Connection { port, stage: Stage::Opening, asks, tls, outbox: Vec::new() }
    }

    /// Takes the connection as far as it goes now. The socket is left open, also at the end.
    pub fn drive(&mut self, socket: &mut tcp::Socket<'_>) -> Option<End> {
        if self.stage == Stage::Opening {
            match socket.state() {
                tcp::State::SynSent | tcp::State::SynReceived => return None,
                tcp::State::Closed => {
                    return Some(Err(format!("port {}/tcp is closed (connection refused)", self.port)));
                }
                _ if self.asks.is_none() && self.tls.is_none() => return Some(Ok("connected".into())),
                _ => self.open(),
            }
        }
        let end = self.read(socket);
        if let (Some(Ok(_)), Some(tls)) = (&end, &mut self.tls) {
            tls.close();
        }
        self.write(socket);
        end.or_else(|| self.lost(socket))
    }

    /// Why there is no answer after `timeout`.
    pub fn silence(&self, timeout: Duration) -> String {
        match self.stage {
            Stage::Opening => format!("port {}/tcp did not answer in {timeout:?}", self.port),
            Stage::Handshaking => format!("connected, but the TLS handshake was not finished in {timeout:?}"),
            Stage::Asked => match self.asks.as_ref().and_then(Asks::came) {
                Some(came) => format!("connected, but no answer in {timeout:?}: {came}"),
                None => format!("connected, but no answer in {timeout:?}"),
            },
        }
    }

    fn open(&mut self) {
        if self.tls.is_some() {
            self.stage = Stage::Handshaking;
        } else {
            self.ask();
        }
    }

    fn ask(&mut self) {
        self.stage = Stage::Asked;
        let request = self.asks.as_ref().map(|asks| asks.request.as_slice()).unwrap_or_default();
        match &mut self.tls {
            Some(tls) => tls.write(request),
            None => self.outbox.extend_from_slice(request),
        }
    }

    fn read(&mut self, socket: &mut tcp::Socket<'_>) -> Option<End> {
        while socket.can_recv() {
            let Ok(bytes) = socket.recv(|bytes| (bytes.len(), bytes.to_vec())) else { break };
            let plain = match &mut self.tls {
                None => bytes,
                Some(tls) => match tls.read(&bytes) {
                    Ok(plain) => plain,
                    // Where the handshake is enough, nothing is asked: a refusal is an answer too.
                    Err(reason) if self.asks.is_none() && tls.is_refused() => {
                        return Some(Ok(format!("TLS is answered: {reason}").into()));
                    }
                    Err(reason) => return Some(Err(format!("TLS failed: {reason}"))),
                },
            };
            if self.stage == Stage::Handshaking && self.tls.as_ref().is_some_and(|tls| !tls.is_handshaking()) {
                if self.asks.is_none() {
                    return Some(Ok("TLS handshake finished".into()));
                }
                self.ask();
            }
            if let Some(end) = self.asks.as_mut().and_then(|asks| asks.on_bytes(&plain)) {
                return Some(end);
            }
        }
        None
    }

    fn write(&mut self, socket: &mut tcp::Socket<'_>) {
        if let Some(tls) = &mut self.tls {
            self.outbox.extend(tls.outgoing());
        }
        if !self.outbox.is_empty() && socket.can_send() {
            let sent = socket.send_slice(&self.outbox).unwrap_or(0);
            self.outbox.drain(..sent);
        }
    }

    fn lost(&mut self, socket: &tcp::Socket<'_>) -> Option<End> {
        let how = match socket.state() {
            tcp::State::Closed => "reset",
            _ if !socket.may_recv() => "closed by the member",
            _ => return None,
        };
        if self.stage == Stage::Handshaking {
            return Some(Err(format!("connected, but the connection was {how} in the TLS handshake")));
        }
        if let Some(end) = self.asks.as_mut().and_then(Asks::on_close) {
            return Some(end);
        }
        let came = self.asks.as_ref().and_then(Asks::came).map(|came| format!(": {came}")).unwrap_or_default();
        Some(Err(format!("connected, but the connection was {how} before an answer came{came}")))
    }
}

impl Asks {
    /// A question by SIP that nothing has answered yet.
    pub fn sip(question: Question, request: Vec<u8>) -> Asks {
        let what = What::Sip { question: Box::new(question), reader: AnswerReader::default(), heard: None };
        Asks { request, what }
    }

    /// The same by HTTP.
    pub fn http(exchange: HttpExchange, remote: Endpoint) -> Asks {
        Asks { request: exchange.request(remote), what: What::Http(exchange) }
    }

    /// What came, though it was not the answer or not the whole of it.
    fn came(&self) -> Option<String> {
        match &self.what {
            What::Sip { reader, heard, .. } => heard.clone().or_else(|| reader.unfinished()),
            What::Http(exchange) => exchange.unfinished(),
        }
    }

    /// Reads what the member sends.
    fn on_bytes(&mut self, bytes: &[u8]) -> Option<End> {
        let (question, reader, heard) = match &mut self.what {
            What::Http(exchange) => return exchange.on_bytes(bytes),
            What::Sip { question, reader, heard } => (question, reader, heard),
        };
        let mut read = || {
            reader.push(bytes)?;
            while let Some(answer) = reader.next_answer()? {
                match question.judge(&answer, reader.header()) {
                    Judged::Ends(end) => return Ok(Some(end)),
                    Judged::Passes(why) => *heard = Some(why),
                }
            }
            Ok(None)
        };
        read().unwrap_or_else(|error: Unreadable| Some(Err(format!("answered, but not in SIP: {error}"))))
    }

    /// The member has closed: that may be the end of its answer.
    fn on_close(&mut self) -> Option<End> {
        match &mut self.what {
            What::Http(exchange) => exchange.on_close(),
            What::Sip { .. } => None,
        }
    }
}
