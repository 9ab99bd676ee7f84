//! The appliance's end of `top`: one connection, asked again and again.
//!
//! Owns the connection, the order of the questions, and trying again when it breaks. Works nothing out and shows nothing: samples and
//! failures are sent to whoever does. What is asked is what any command asks.

use super::sample::{OfMember, Sample};
use crate::admin::Request;
use crate::admin::line::AnswerLine;
use crate::admin::request::FlowSelection;
use crate::admin::rows::Wall;
use crate::cli::client::{Failure, Numbered, broke_off, read, silent, unconnected, unreadable};
use crate::time::Duration;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Instant, SystemTime};

/// Flows of a member that are looked at.
const FLOWS: usize = 2_000;
/// Between two looks at them: they are many.
const FLOWS_EVERY: Duration = Duration::from_secs(5);
/// Between two attempts to connect, at least.
const RETRY: Duration = Duration::from_secs(1);

/// What has come.
pub type News = Result<Box<Sample>, Failure>;

/// What is wanted from now on.
#[derive(Clone, Debug)]
pub enum Order {
    /// Ask so often.
    Interval(Duration),
    /// Ask about this member as well; `None`: about none.
    Member(Option<String>),
}

/// The thread that asks.
#[derive(Debug)]
pub struct Link {
    /// What has come; at most one waits.
    pub news: Receiver<News>,
    /// What is wanted.
    pub orders: Sender<Order>,
}

/// Begins to ask. Times of samples count from `began`.
pub fn start(socket: &Path, patience: Duration, interval: Duration, began: Instant) -> Link {
    let ((send, news), (orders, wanted)) = (sync_channel(1), channel());
    let asker = Asker { socket: socket.into(), patience, interval, began, member: None, stream: None, flows_at: None };
    thread::spawn(move || asker.run(&send, &wanted));
    Link { news, orders }
}

struct Asker {
    socket: PathBuf,
    patience: Duration,
    interval: Duration,
    began: Instant,
    member: Option<String>,
    stream: Option<BufReader<UnixStream>>,
    flows_at: Option<Instant>,
}

impl Asker {
    /// Until nobody wants anything any more.
    fn run(mut self, news: &SyncSender<News>, orders: &Receiver<Order>) {
        loop {
            let next = Instant::now() + self.interval;
            let sample = self.sample();
            let failed = sample.is_err();
            if failed {
                self.stream = None;
            }
            if news.send(sample.map(Box::new)).is_err() {
                return;
            }
            let next = if failed { next.max(Instant::now() + RETRY) } else { next };
            if !self.wait(next, orders) {
                return;
            }
        }
    }

    /// Until `next`, or until what is wanted wants to be asked for at once; `false`: nobody wants anything any more.
    fn wait(&mut self, mut next: Instant, orders: &Receiver<Order>) -> bool {
        loop {
            match orders.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(Order::Interval(interval)) => {
                    self.interval = interval;
                    next = next.min(Instant::now() + interval);
                }
                Ok(Order::Member(member)) => {
                    let is_asked_now = member.is_some();
                    (self.member, self.flows_at) = (member, None);
                    if is_asked_now {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn sample(&mut self) -> Result<Sample, Failure> {
        let status = self.ask(&Request::Status {})?.0;
        let mut sample = Sample {
            at: self.began.elapsed(),
            wall: Wall::from(SystemTime::now()),
            status: serde_json::from_value(status).map_err(|why| unreadable(&why.to_string()))?,
            ..Sample::default()
        };
        let why = &mut Vec::new();
        sample.counters = self.rows(&Request::Counters { all: false }, why)?;
        sample.members = self.rows(&Request::Members {}, why)?;
        sample.latency = self.rows(&Request::Latency { reset: false }, why)?;
        sample.traffic = self.rows(&Request::Traffic {}, why)?;
        sample.sip = self.rows(&Request::Sip {}, why)?;
        sample.switchovers = self.rows(&Request::Switchovers {}, why)?;
        sample.of_member = self.of_member(why)?;
        sample.unanswered.append(why);
        Ok(sample)
    }

    fn of_member(&mut self, why: &mut Vec<String>) -> Result<Option<OfMember>, Failure> {
        let is_due = self.flows_at.is_none_or(|at| at.elapsed() >= FLOWS_EVERY);
        let Some(name) = self.member.clone().filter(|_| is_due) else { return Ok(None) };
        self.flows_at = Some(Instant::now());
        let probes = self.rows(&Request::ProbeHistory { member: name.clone() }, why)?;
        let filter = FlowSelection { member: Some(name.clone()), ..FlowSelection::default() };
        let (flows, total) = match self.ask(&Request::Flows { filter, limit: FLOWS }) {
            Err(Failure::Refused(refusal)) => {
                why.push(refusal.to_string());
                (Value::Array(Vec::new()), 0)
            }
            answer => answer?,
        };
        let flows = serde_json::from_value(flows).map_err(|why| unreadable(&why.to_string()))?;
        Ok(Some(OfMember { name, probes, flows, flows_in_all: total }))
    }

    /// An answer; nothing where the appliance refuses, and why.
    fn rows<T: DeserializeOwned + Default>(&mut self, request: &Request, why: &mut Vec<String>) -> Result<T, Failure> {
        match self.ask(request) {
            Ok((data, _)) => serde_json::from_value(data).map_err(|why| unreadable(&why.to_string())),
            Err(Failure::Refused(refusal)) => {
                why.push(refusal.to_string());
                Ok(T::default())
            }
            Err(failure) => Err(failure),
        }
    }

    /// One question and its answer: its data, and of how many rows in all these are.
    fn ask(&mut self, request: &Request) -> Result<(Value, u64), Failure> {
        let line = serde_json::to_string(&Numbered { id: 1, request }).map_err(|why| unreadable(&why.to_string()))?;
        self.connect()?;
        let written = self.stream().and_then(|stream| stream.get_mut().write_all(format!("{line}\n").as_bytes()));
        // One that must leave is told so, and closed: what was said is still read.
        let first = self.line();
        if let (Err(why), Err(_)) = (&written, &first) {
            return Err(self.broken(why));
        }
        let AnswerLine { mut more, mut data, mut total, .. } = first?;
        while more {
            let line = self.line()?;
            match (&mut data, line.data) {
                (Value::Array(rows), Value::Array(part)) => rows.extend(part),
                _ => return Err(unreadable("a multi-line answer that is not a list of rows")),
            }
            (more, total) = (line.more, line.total);
        }
        Ok((data, total.map_or(0, |total| total.count)))
    }

    fn connect(&mut self) -> Result<(), Failure> {
        if self.stream.is_none() {
            let connect = || {
                let stream = UnixStream::connect(&self.socket)?;
                stream.set_read_timeout(Some(self.patience))?;
                stream.set_write_timeout(Some(self.patience))?;
                Ok(stream)
            };
            let stream = connect().map_err(|why: io::Error| unconnected(&self.socket, &why))?;
            self.stream = Some(BufReader::new(stream));
        }
        Ok(())
    }

    fn stream(&mut self) -> io::Result<&mut BufReader<UnixStream>> {
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn line(&mut self) -> Result<AnswerLine, Failure> {
        let mut line = Vec::new();
        let whole = self.stream().and_then(|stream| stream.read_until(b'\n', &mut line));
        match whole {
            Ok(_) if line.ends_with(b"\n") => read(&line),
            Ok(_) => Err(self.broken(&io::ErrorKind::UnexpectedEof.into())),
            Err(why) => Err(self.broken(&why)),
        }
    }

    fn broken(&self, why: &io::Error) -> Failure {
        match why.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Failure::Silent(silent(&self.socket, self.patience)),
            _ => Failure::Unreachable(broke_off(&self.socket, why)),
        }
    }
}
