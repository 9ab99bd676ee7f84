//! The thread that carries what two appliances tell each other.
//!
//! Owns the loop: orders of management, connections that are made and accepted, bytes between the socket and [`Sync`], and when to try
//! again. Which of the two connects follows from their certificates. Whoever has connected and is the other one takes the place of the
//! connection before: that one may be of a process that is no more.

use super::board::{Board, ChannelState};
use super::identity::Identity;
use super::peers::Peer;
use crate::sync::{Hello, News, Sync};
use crate::time::{Duration, Instant};
use crate::worker::sync::SyncLink;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};

/// How long an attempt to connect may take: this thread waits for it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a handshake may take: two certificates over 64 kbit/s, and as much again.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// Until the next attempt: at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// Handshakes of those who have connected. Of more, whoever is not at the address of the other appliance gives way first, the earliest of
/// them in front: strangers take no place of the other appliance's, however many come.
const HANDSHAKES: usize = 16;
/// Connections that are accepted in one look: among so many strangers at once the other appliance still is.
const ACCEPTED: usize = 256;
/// How long nothing is looked at: while something is told, and while nothing is.
const BUSY: Duration = Duration::from_millis(1);
const IDLE: Duration = Duration::from_millis(20);
/// Reads and writes of one look.
const AT_ONCE: usize = 32;
/// How often the state is shown.
const SHOWN: Duration = Duration::from_millis(50);

/// Where the two are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sockets {
    /// Where this one listens.
    pub listen: SocketAddr,
    /// Where the other one listens.
    pub peer: SocketAddr,
}

impl Sockets {
    /// Whoever comes from there is at the other one's address.
    fn is_peer(&self, from: SocketAddr) -> bool {
        from.ip().to_canonical() == self.peer.ip().to_canonical()
    }
}

enum Order {
    Active(bool),
    Sockets(Sockets),
    Configuration(Box<dyn FnOnce() -> BTreeMap<String, u64> + Send>),
    Say(Box<dyn FnOnce() -> String + Send>),
}

/// The thread, seen from management, which takes news as `N`.
pub struct Channel<N = News> {
    orders: Sender<Order>,
    board: Arc<Board<N>>,
}

impl<N: Send + 'static> Channel<N> {
    /// Starts it, for workers that have the other ends of `links`. `clock` is the one by which they judge; `heard` makes of news what
    /// management takes, on the thread.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(
        places: Sockets,
        identity: Identity,
        (links, hello): (Vec<SyncLink>, Hello),
        clock: impl Fn() -> Instant + Send + 'static,
        heard: impl FnMut(News) -> N + Send + 'static,
    ) -> std::io::Result<Channel<N>> {
        let ((orders, given), board) = (mpsc::channel(), Arc::<Board<N>>::default());
        let now = clock();
        let service = Service {
            places,
            identity,
            sync: Sync::new(links, hello),
            orders: given,
            board: Arc::clone(&board),
            listener: Err("it does not listen yet".into()),
            peer: None,
            handshakes: Vec::new(),
            next: now,
            pause: PAUSES[0],
            shown: Instant::ZERO,
        };
        std::thread::Builder::new().name("pair".into()).spawn(move || service.run(&clock, heard))?;
        Ok(Channel { orders, board })
    }

    /// Whether this appliance is active.
    pub fn set_active(&self, active: bool) {
        _ = self.orders.send(Order::Active(active));
    }

    /// The two are elsewhere from now on.
    pub fn set_sockets(&self, places: Sockets) {
        _ = self.orders.send(Order::Sockets(places));
    }

    /// Digests of what has to be the same on both, worked out on the thread.
    pub fn set_configuration(&self, digests: impl FnOnce() -> BTreeMap<String, u64> + Send + 'static) {
        _ = self.orders.send(Order::Configuration(Box::new(digests)));
    }

    /// Management says this to the other's, written on the thread; nobody hears it where there is no connection.
    pub fn say(&self, text: impl FnOnce() -> String + Send + 'static) {
        _ = self.orders.send(Order::Say(Box::new(text)));
    }

    /// What it shows of itself.
    pub fn board(&self) -> &Board<N> {
        &self.board
    }
}

struct Service<N> {
    places: Sockets,
    identity: Identity,
    sync: Sync,
    orders: Receiver<Order>,
    board: Arc<Board<N>>,
    /// Of the one that listens; else why it does not.
    listener: Result<TcpListener, String>,
    peer: Option<Peer>,
    /// Those whose handshake is under way, and since when.
    handshakes: Vec<(Peer, Instant)>,
    /// When the next attempt is made, and how long until the one after that.
    next: Instant,
    pause: Duration,
    shown: Instant,
}

impl<N> Service<N> {
    fn run(mut self, clock: &impl Fn() -> Instant, mut heard: impl FnMut(News) -> N) {
        loop {
            let now = clock();
            if !self.obey(now) {
                return;
            }
            self.find(now);
            self.accept(now);
            self.shake_hands(clock());
            if let Err(why) = self.carry(clock) {
                let now = clock();
                self.peer = None;
                self.sync.disconnected(&why, now);
                self.next = now + self.pause;
            }
            self.show(clock(), &mut heard);
            self.wait();
        }
    }

    /// Does what management has ordered. `false`: there is no management any more.
    fn obey(&mut self, now: Instant) -> bool {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Active(active)) => self.sync.set_active(active, now),
                Ok(Order::Sockets(places)) => self.move_to(places, now),
                Ok(Order::Configuration(digests)) => self.sync.set_configuration(digests(), now),
                Ok(Order::Say(text)) => _ = self.sync.say(&text(), now),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn move_to(&mut self, places: Sockets, now: Instant) {
        if places == self.places {
            return;
        }
        (self.places, self.peer, self.next) = (places, None, now);
        (self.listener, self.pause) = (Err("it does not listen yet".into()), PAUSES[0]);
        self.handshakes.clear();
        self.sync.disconnected("the file names other addresses", now);
    }

    /// Looks for the other one, if it is this one that has to and it is time.
    fn find(&mut self, now: Instant) {
        if self.peer.is_some() || now < self.next || !self.handshakes.is_empty() {
            return;
        }
        let found = match self.identity.connects() {
            true => self.connect(now),
            false => self.listen(),
        };
        if let Err(why) = found {
            self.sync.failed(why);
        }
        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSES[1]);
    }

    fn connect(&mut self, now: Instant) -> Result<(), String> {
        let said = |error: std::io::Error| format!("{} cannot be reached: {error}", self.places.peer);
        let socket = TcpStream::connect_timeout(&self.places.peer, PATIENCE).map_err(said)?;
        self.handshakes.push((Peer::new(socket, &self.identity, false)?, now));
        Ok(())
    }

    fn listen(&mut self) -> Result<(), String> {
        if self.listener.is_ok() {
            return Ok(());
        }
        let listener = TcpListener::bind(self.places.listen);
        let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        self.listener = listener.map_err(|error| format!("{} cannot be listened at: {error}", self.places.listen));
        self.listener.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn accept(&mut self, now: Instant) {
        let Ok(listener) = &self.listener else { return };
        let mut arrived = Vec::new();
        for _ in 0..ACCEPTED {
            // Why one could not be accepted is of no use to anybody: the next one may.
            let Ok((socket, from)) = listener.accept() else { break };
            // Who would give way at once costs no more than that.
            keep(&mut arrived, (socket, from), |(_, from)| self.places.is_peer(*from));
        }
        for (socket, _) in arrived {
            if let Ok(peer) = Peer::new(socket, &self.identity, true) {
                keep(&mut self.handshakes, (peer, now), |(peer, _)| self.places.is_peer(peer.address));
            }
        }
    }

    fn shake_hands(&mut self, now: Instant) {
        for (mut peer, since) in std::mem::take(&mut self.handshakes) {
            match peer.shake_hands() {
                Ok(true) => {
                    self.sync.connected(now);
                    self.peer = Some(peer);
                    self.pause = PAUSES[0];
                }
                Ok(false) if now.since(since) < HANDSHAKE => self.handshakes.push((peer, since)),
                Ok(false) => self.failed(peer.address, format!("{} says nothing", peer.address)),
                Err(why) => self.failed(peer.address, format!("{}: {why}", peer.address)),
            }
        }
    }

    /// The handshake with whoever is at this address has come to nothing.
    fn failed(&mut self, address: SocketAddr, why: String) {
        match self.places.is_peer(address) {
            true => self.sync.failed(why),
            false => self.sync.stranger_failed(why),
        }
    }

    /// Carries what there is both ways.
    fn carry(&mut self, clock: &impl Fn() -> Instant) -> Result<(), String> {
        let Some(peer) = &mut self.peer else { return Ok(()) };
        for _ in 0..AT_ONCE {
            if !self.sync.wants_bytes() {
                break;
            }
            let bytes = peer.read()?;
            if bytes.is_empty() {
                break;
            }
            self.sync.receive(bytes, clock()).map_err(|why| why.to_string())?;
        }
        if peer.take_heard() {
            self.sync.heard(clock());
        }
        self.sync.poll(clock()).map_err(|why| why.to_string())?;
        for _ in 0..AT_ONCE {
            let Some(output) = self.sync.output().filter(|output| !output.is_empty()) else { break };
            let written = peer.write(output)?;
            if written == 0 {
                break;
            }
            self.sync.sent(written);
        }
        Ok(())
    }

    fn show(&mut self, now: Instant, heard: &mut impl FnMut(News) -> N) {
        let has_news = self.sync.has_news() && self.board.has_room();
        if !has_news && now.since(self.shown) < SHOWN {
            return;
        }
        self.shown = now;
        let listening = self.listener.as_ref().err().filter(|_| !self.identity.connects()).cloned();
        let peer = self.peer.as_ref().map(|peer| peer.address);
        self.board.show(ChannelState { report: self.sync.report(now), peer, listening });
        while self.board.has_room()
            && let Some(news) = self.sync.next_news()
        {
            let weight = news.weight();
            self.board.tell(heard(news), weight);
        }
    }

    /// Until something comes, or it is time to look at what workers tell.
    fn wait(&mut self) {
        let is_busy = self.sync.is_busy();
        let has_output = self.sync.output().is_some_and(|output| !output.is_empty());
        let span = if is_busy { BUSY } else { IDLE };
        let listener = self.listener.iter().map(|listener| PollFd::new(listener, PollFlags::IN));
        let handshakes = self.handshakes.iter().map(|(peer, _)| PollFd::new(peer, PollFlags::IN));
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::IN, self.sync.wants_bytes());
        interest.set(PollFlags::OUT, has_output);
        let peer = self.peer.iter().map(|peer| PollFd::new(peer, interest));
        let mut fds: Vec<PollFd<'_>> = listener.chain(handshakes).chain(peer).collect();
        let span = Timespec { tv_sec: 0, tv_nsec: span.subsec_nanos().into() };
        // An interruption is a look that comes early.
        _ = poll(&mut fds, Some(&span));
    }
}

/// Keeps one more of those who want to connect. Where they are too many the earliest stranger gives way, and a stranger that comes keeps no
/// place from the other appliance, `is_peer`.
fn keep<T>(handshakes: &mut Vec<T>, next: T, is_peer: impl Fn(&T) -> bool) {
    if handshakes.len() == HANDSHAKES {
        let stranger = handshakes.iter().position(|one| !is_peer(one));
        let Some(at) = stranger.or_else(|| is_peer(&next).then_some(0)) else { return };
        handshakes.remove(at);
    }
    handshakes.push(next);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By number, those below a hundred are strangers.
    fn kept(arriving: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let mut handshakes = Vec::new();
        arriving.into_iter().for_each(|next| keep(&mut handshakes, next, |one| *one >= 100));
        handshakes
    }

    #[test]
    fn s188_strangers_give_way_to_the_other_appliance_and_to_each_other_and_it_to_itself_alone() {
        let most = HANDSHAKES as u32;
        assert_eq!(kept(0..50), (50 - most..50).collect::<Vec<_>>(), "the earliest goes");
        let still_there = kept((0..50).chain([100]).chain(50..99));
        assert_eq!(still_there[0], 100);
        assert_eq!(still_there[1..], (100 - most..99).collect::<Vec<_>>());
        assert_eq!(kept((100..100 + most).chain(0..50)), (100..100 + most).collect::<Vec<_>>());
        assert_eq!(kept(100..200), (200 - most..200).collect::<Vec<_>>());
    }
}
