//! One appliance's side of the sync, over all its connections.
//!
//! Owns [`Sync`]: who feeds whom, when all has to be told anew, what is on its way, and what the other one has taken in. Bytes come in and go
//! out as the caller carries them; all that is kept of them is bounded, and a side that is slow or away costs the workers nothing.

use super::connection::{Connection, greeting};
use super::hello::{GREETING, Hello};
use super::message::{Message, moved};
use super::refusal::Refusal;
use super::report::{News, Report, State};
use super::sending::Sending;
use super::texts::{Differences, LONGEST, Topic, by_thing};
use crate::handover::Record;
use crate::time::{Duration, Instant};
use crate::worker::sync::{Batch, SyncLink};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Whoever has said nothing for so long is away.
pub const SILENCE: Duration = Duration::from_millis(900);
/// So often something is said.
const BEAT: Duration = Duration::from_millis(200);
/// Bytes that wait to be understood: as many as the largest frames have.
const INPUT: usize = 256 << 10;
/// After a feed has broken off, all is told anew after so long; each time twice as long, up to the other one.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// News that nobody has asked for yet: at so many, or with a longest text, nothing more is read until somebody asks.
const WORDS: usize = 64;

/// This side.
pub struct Sync {
    links: Vec<SyncLink>,
    hello: Hello,
    configuration: BTreeMap<String, u64>,
    feeds: bool,
    connection: Option<Connection>,
    /// The last feed.
    feed: u32,
    /// When one may begin, and how long after the next break.
    next: Instant,
    pause: Duration,
    report: Report,
    /// Why there is no connection since the last one.
    failure: Option<String>,
    news: VecDeque<News>,
    /// Bytes of text in them.
    weight: usize,
    /// Something has come that waits until there is room for news.
    is_held: bool,
}

impl Sync {
    /// Of an appliance whose workers have the other ends of `links`, and that is called so.
    pub fn new(links: Vec<SyncLink>, hello: Hello) -> Sync {
        let sync = Sync {
            links,
            hello,
            configuration: BTreeMap::new(),
            feeds: false,
            connection: None,
            feed: 0,
            next: Instant::ZERO,
            pause: PAUSES[0],
            report: Report::default(),
            failure: None,
            news: VecDeque::new(),
            weight: 0,
            is_held: false,
        };
        sync.links.iter().for_each(|link| link.delivery.set_stands_by(true));
        sync
    }

    /// Whether this appliance is active, and so feeds whoever stands by.
    pub fn set_active(&mut self, active: bool, now: Instant) {
        if active == self.feeds {
            return;
        }
        self.feeds = active;
        self.links.iter().for_each(|link| link.delivery.set_stands_by(!active));
        if let Some(connection) = &mut self.connection {
            connection.say(&Message::Role(active), now);
        }
    }

    /// Of each key that has to be the same on both, a digest of what this appliance's configuration says.
    pub fn set_configuration(&mut self, digests: BTreeMap<String, u64>, now: Instant) {
        self.configuration = if text(&digests).len() > LONGEST { by_thing(&digests) } else { digests };
        self.say_configuration(now);
        self.compare();
    }

    /// Management says this to the other's, if there is a connection. `false`: there is none, it is longer than [`LONGEST`], or the other
    /// one does not read; the next [`Sync::poll`] says so then.
    pub fn say(&mut self, text: &str, now: Instant) -> bool {
        let Some(connection) = self.connection.as_mut().filter(|_| text.len() <= LONGEST) else { return false };
        connection.say_text(Topic::Management, text, now)
    }

    /// There is a connection from now on.
    pub fn connected(&mut self, now: Instant) {
        self.disconnected("another connection has taken its place", now);
        self.failure = None;
        let mut connection = Connection::new(now);
        connection.say(&Message::Hello(Box::new(self.hello.clone())), now);
        connection.say(&Message::Role(self.feeds), now);
        self.connection = Some(connection);
        self.say_configuration(now);
    }

    /// There is none any more. Where management has not asked in time for what was said over it, that goes with it: over the next one all is
    /// said anew.
    pub fn disconnected(&mut self, why: &str, now: Instant) {
        let Some(connection) = self.connection.take() else { return };
        self.stop_feeding();
        self.next = now;
        (self.failure, self.report.last_error) = (None, Some(why.to_owned()));
        if connection.is_up() {
            if self.is_full() {
                self.news.clear();
                self.weight = 0;
            }
            self.tell(News::Down(why.to_owned()));
        }
    }

    /// Why a connection could not be made. While there is one, nobody asks.
    pub fn failed(&mut self, why: String) {
        if self.connection.is_none() {
            self.failure = Some(why);
        }
    }

    /// Why one could not be made with somebody who is not where the other appliance should be: that may be the other one or anybody, and
    /// says nothing where the reason is known why there is none.
    pub fn stranger_failed(&mut self, why: String) {
        if self.failure.is_none() && self.report.last_error.is_none() {
            self.failed(why);
        }
    }

    /// There is one.
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// More bytes may come.
    pub fn wants_bytes(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.input.len() < INPUT)
    }

    /// These bytes have come.
    ///
    /// # Errors
    /// The connection has to be ended.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) -> Result<(), Refusal> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.heard = now;
        connection.input.extend_from_slice(bytes);
        self.report.bytes[1] += bytes.len() as u64;
        self.advance(now)
    }

    /// Something has come, of which nothing can be understood yet.
    pub fn heard(&mut self, now: Instant) {
        if let Some(connection) = &mut self.connection {
            connection.heard = now;
        }
    }

    /// Does what is due; what is to be sent is in [`Sync::output`] then.
    ///
    /// # Errors
    /// The connection has to be ended.
    pub fn poll(&mut self, now: Instant) -> Result<(), Refusal> {
        self.advance(now)?;
        self.feed(now);
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.check_read()?;
        // Whoever is not listened to cannot be heard.
        if connection.input.len() >= INPUT {
            connection.heard = now;
        }
        let silence = now.since(connection.heard);
        if silence > SILENCE {
            return Err(Refusal::Silent { silence });
        }
        self.say_taken(now);
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if now.since(connection.said) >= BEAT {
            connection.say(&Message::Beat, now);
        }
        Ok(())
    }

    /// What is to be sent; the caller takes from its front what it has sent.
    pub fn output(&mut self) -> Option<&mut Vec<u8>> {
        self.connection.as_mut().map(|connection| &mut connection.output)
    }

    /// So many bytes of it have been sent.
    pub fn sent(&mut self, bytes: usize) {
        if let Some(connection) = &mut self.connection {
            connection.output.drain(..bytes.min(connection.output.len()));
            self.report.bytes[0] += bytes as u64;
        }
    }

    /// There is something for the next poll, that nobody is woken for: of workers, or what had no room.
    pub fn is_busy(&self) -> bool {
        let is_busy = |it: &Connection| it.sending.is_some() || it.pending.is_some() || !it.delivered.is_empty();
        self.connection.as_ref().is_some_and(|connection| self.is_held || is_busy(connection))
    }

    /// Management has to hear of something.
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// What management has to hear of next.
    pub fn next_news(&mut self) -> Option<News> {
        let news = self.news.pop_front()?;
        self.weight -= news.weight();
        Some(news)
    }

    /// How things stand.
    pub fn report(&self, now: Instant) -> Report {
        let mut report = self.report.clone();
        report.feeds = self.feeds;
        report.last_error = self.failure.clone().or(report.last_error.take());
        report.state = self.state(now);
        report.breaks = self.links.iter().map(|link| link.feed.breaks()).sum();
        for link in &self.links {
            let flows = link.delivery.flows();
            report.taken.iter_mut().zip(flows).for_each(|(sum, count)| *sum += count);
        }
        if let Some(connection) = &self.connection {
            report.other = connection.other.clone();
            report.differences = connection.differences.clone();
            let waiting: usize = match connection.sending {
                Some(_) => self.links.iter().map(|link| link.feed.waiting()).sum(),
                None => 0,
            };
            report.lag_records = (connection.unacked.records() + waiting) as u64;
            report.lag = if self.feeds { connection.unacked.lag(now) } else { connection.lateness.now(now) };
        }
        report
    }

    /// How things stand in one word.
    pub fn state(&self, now: Instant) -> State {
        let Some(connection) = self.connection.as_ref().filter(|connection| connection.is_up()) else {
            return State::Away;
        };
        let is_copied = |frame: Option<u32>, before: u32| frame.is_some_and(|frame| frame < before);
        match (self.feeds, connection.other_feeds) {
            (true, false) if connection.sending.is_none() && now < self.next => State::CopyDue,
            (true, false) if is_copied(connection.copied, connection.acked) => State::InSync,
            (false, true) if is_copied(connection.told, connection.taken.map_or(0, |taken| taken + 1)) => State::InSync,
            (true, false) | (false, true) => State::Copying,
            (true, true) | (false, false) => State::Idle,
        }
    }

    /// Understands what has come, as far as workers have room for it.
    fn advance(&mut self, now: Instant) -> Result<(), Refusal> {
        let mut used = 0;
        loop {
            self.is_held = self.is_full();
            if self.is_held || !self.deliver() {
                break;
            }
            let Some(connection) = &mut self.connection else { return Ok(()) };
            let rest = &connection.input[used..];
            if !connection.is_ours {
                if rest.len() < GREETING {
                    break;
                }
                greeting(rest)?;
                connection.is_ours = true;
                used += GREETING;
                continue;
            }
            let number = connection.received;
            let Some((message, size)) = Message::take(rest, number)? else { break };
            used += size;
            connection.received = number.wrapping_add(1);
            self.hear(message, number, now)?;
        }
        if let Some(connection) = &mut self.connection {
            connection.input.drain(..used);
        }
        Ok(())
    }

    fn hear(&mut self, message: Message, number: u32, now: Instant) -> Result<(), Refusal> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let out_of_place = |what| Refusal::OutOfPlace { frame: number, what };
        if connection.other.is_none() && !matches!(message, Message::Hello(_)) {
            return Err(out_of_place("nobody has said who speaks"));
        }
        let batch = match message {
            Message::Hello(hello) => return self.hear_hello(hello, number),
            Message::Text(topic, is_last, part) => return self.hear_part((topic, is_last), &part, number),
            Message::Role(feeds) => {
                connection.other_feeds = feeds;
                connection.told = connection.told.filter(|_| feeds);
                return Ok(());
            }
            Message::Beat => return Ok(()),
            Message::Taken(frame) if frame >= connection.sent => {
                return Err(out_of_place("it is taken in before it was sent"));
            }
            Message::Taken(frame) => {
                connection.acked = connection.acked.max(frame + 1);
                connection.unacked.taken(frame);
                return Ok(());
            }
            Message::Begin(_) => {
                connection.told = None;
                self.report.copies[0] += 1;
                Batch::Begin
            }
            Message::Flows(sent, records) => {
                self.report.records[1] += records.len() as u64;
                connection.lateness.came(sent, now);
                Batch::Flows(records.into_iter().map(|record| record.moved(|at| moved(at, sent, now))).collect())
            }
            Message::Gone(keys) => {
                self.report.records[1] += keys.len() as u64;
                Batch::Gone(keys)
            }
            Message::Speakers(asks, worker, sent, records) => {
                self.report.records[1] += records.len() as u64;
                let records = records.into_iter().map(|record| record.moved(|at| moved(at, sent, now)));
                Batch::Speakers(asks, worker, records.collect())
            }
            Message::AllSpeakers(worker) => Batch::AllSpeakers(worker),
            Message::Copied(_) => {
                connection.told = Some(number);
                self.report.copies[1] += 1;
                Batch::Copied
            }
        };
        // Whoever is active has flows of its own.
        if !self.feeds {
            connection.pending = Some((Arc::new(batch), 0, number));
        }
        Ok(())
    }

    /// It is said who speaks: at first, and again where that one says something else of itself.
    fn hear_hello(&mut self, hello: Box<Hello>, frame: u32) -> Result<(), Refusal> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if hello.process == self.hello.process {
            return Err(Refusal::Ourselves);
        }
        let what = match &connection.other {
            Some(known) if *known == *hello => Some("that was said before"),
            Some(known) if known.process != hello.process => Some("another process speaks"),
            _ => None,
        };
        if let Some(what) = what {
            return Err(Refusal::OutOfPlace { frame, what });
        }
        connection.other = Some((*hello).clone());
        self.tell(News::Up(hello));
        Ok(())
    }

    /// A part of a text has come, and with the last one all of it.
    fn hear_part(&mut self, of: (Topic, bool), part: &str, frame: u32) -> Result<(), Refusal> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let Some(text) = connection.texts.take(of, part, frame)? else { return Ok(()) };
        match of.0 {
            Topic::Management => self.tell(News::Word(text)),
            Topic::Configuration => {
                let damaged = |_| Refusal::Damaged { frame, what: "it is no text of keys and digests" };
                let digests = serde_json::from_str(&text).map_err(damaged)?;
                if let Some(connection) = &mut self.connection {
                    connection.configuration = Some(digests);
                }
                self.compare();
            }
        }
        Ok(())
    }

    fn say_configuration(&mut self, now: Instant) {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.configuration.is_empty()) else { return };
        let text = text(&self.configuration);
        if text.len() <= LONGEST {
            connection.say_text(Topic::Configuration, &text, now);
        }
    }

    /// Says in what the two configurations differ, where both are known.
    fn compare(&mut self) {
        let Some(connection) = self.connection.as_mut().filter(|_| !self.configuration.is_empty()) else { return };
        let differences = connection.configuration.as_ref().map(|other| Differences::of(&self.configuration, other));
        connection.differences = differences.map(Arc::new);
    }

    /// Delivers what waits to the workers that have room. `false`: one has none.
    fn deliver(&mut self) -> bool {
        let Some(connection) = &mut self.connection else { return true };
        let Some((batch, from, number)) = connection.pending.take() else { return true };
        for at in from..self.links.len() {
            if self.links[at].delivery.push(Arc::clone(&batch)).is_err() {
                connection.pending = Some((batch, at, number));
                return false;
            }
        }
        connection.delivered.push_back(number);
        true
    }

    /// Says how far workers have taken in what has come. The last that a worker was given are those of this connection, whatever of an earlier
    /// one lies before them there and not at another worker: of these frames as many are open as the worker that is furthest behind has open.
    fn say_taken(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        let open = self.links.iter().map(|link| link.delivery.open()).max().unwrap_or_default();
        let taken = (connection.delivered.len() as u64).saturating_sub(open) as usize;
        let last = connection.delivered.drain(..taken).next_back();
        if let Some(number) = last {
            connection.taken = Some(number);
            connection.say(&Message::Taken(number), now);
        }
    }

    /// Feeds the other one, if this one is active and that one stands by.
    fn feed(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return self.forget_told() };
        let may = self.feeds && connection.is_up() && !connection.other_feeds;
        if let Some(sending) = &connection.sending {
            let is_broken = self.links.iter().any(|link| link.feed.is_broken(sending.feed));
            if may && !is_broken {
                return self.pump(now);
            }
            if is_broken {
                self.next = now + self.pause;
                self.pause = (self.pause * 2).min(PAUSES[1]);
            }
            self.stop_feeding();
        } else if may && now >= self.next {
            self.feed = self.feed.wrapping_add(1).max(1);
            self.links.iter().for_each(|link| link.feed.want(self.feed));
            connection.sending = Some(Sending::begin(self.feed, self.links.len()));
            connection.copied = None;
            connection.say(&Message::Begin(self.feed), now);
            self.report.copies[0] += 1;
        }
        self.forget_told();
    }

    fn pump(&mut self, now: Instant) {
        let Some(connection) = &mut self.connection else { return };
        if !connection.has_room() {
            return;
        }
        let Some(mut sending) = connection.sending.take() else { return };
        let had_copied = sending.has_copied;
        let before = connection.unacked.records();
        sending.pump(&mut self.links, now, &mut |message| connection.say(&message, now));
        self.report.records[0] += (connection.unacked.records() - before) as u64;
        if sending.has_copied && !had_copied {
            connection.copied = Some(connection.sent - 1);
            self.report.copies[1] += 1;
        }
        if connection.copied.is_some_and(|frame| frame < connection.acked) {
            self.pause = PAUSES[0];
        }
        connection.sending = Some(sending);
    }

    fn stop_feeding(&mut self) {
        self.links.iter().for_each(|link| link.feed.want(0));
        if let Some(connection) = &mut self.connection {
            connection.sending = None;
            connection.copied = None;
        }
    }

    /// What workers have told of a feed that is no more.
    fn forget_told(&mut self) {
        if self.connection.as_ref().is_some_and(|connection| connection.sending.is_some()) {
            return;
        }
        for link in &mut self.links {
            while link.feed.pop().is_some() {}
        }
    }

    fn tell(&mut self, news: News) {
        self.weight += news.weight();
        self.news.push_back(news);
    }

    /// There is no room for more news.
    fn is_full(&self) -> bool {
        self.news.len() >= WORDS || self.weight >= LONGEST
    }
}

fn text(digests: &BTreeMap<String, u64>) -> String {
    serde_json::to_string(digests).unwrap_or_default()
}
