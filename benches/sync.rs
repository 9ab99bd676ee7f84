//! What it costs a worker that another appliance is kept up to date with its flows.
//!
//! `cargo bench --no-default-features --bench sync`, with two cores that do nothing else. Of two appliances one feeds a third over TLS on
//! the loopback; both are given the same frames, block by block in turns. Printed are ratios of rates by the worker's CPU time, with the
//! feed over without, the median of all pairs with the least and the most. What it costs in instructions is counted by `beside`.
//!
//! * `new_flows`: nothing but new flows, as many as a core can take (P4). More than a connection carries: the feed breaks off, and begins
//!   anew after a pause that grows;
//! * `calls`: of a hundred bursts one is of new flows, all of which the other appliance has at the end;
//! * `standing_flows`: none is new.

mod support;

use fairlead::channel::{Channel, Identity, NewIdentity, Sockets, new_identity};
use fairlead::io::BURST;
use fairlead::policy::Intent;
use fairlead::sync::{Hello, News, Report, State};
use fairlead::time::Instant;
use fairlead::worker::mailbox::Command;
use fairlead::worker::sync::{SyncLink, sync_links};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::Duration;
use support::{Appliance, Frames, Traffic, intent, shuffled};

/// Conversations that are opened over and over.
const LOOP: usize = 1_000_000;
/// Pairs of blocks, and rounds of each.
const PAIRS: usize = 15;
const ROUNDS: usize = 30_000;
/// One burst in so many is of new flows, where calls are made beside what stands.
const ONE_IN: usize = 100;
/// How long whoever stands by may take to have everything.
const PATIENCE: Duration = Duration::from_secs(20);

static BEGAN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

fn clock() -> Instant {
    Instant::from_millis(1) + BEGAN.elapsed()
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str()));
    for traffic in [Traffic::ServiceTcpIn, Traffic::OutboundTcp, Traffic::OutboundUdp] {
        for (what, one_in) in [("new_flows", 1), ("calls", ONE_IN)] {
            if is_wanted(&format!("{what}/{}", traffic.name())) {
                new_flows(what, traffic, one_in);
            }
        }
    }
    for (traffic, count) in [(Traffic::ServiceUdpIn, 4_096), (Traffic::OutboundUdp, LOOP)] {
        if is_wanted(&format!("standing_flows/{}", traffic.name())) {
            standing_flows(traffic, count);
        }
    }
}

/// One burst in `one_in` is of flows that are not there; they are forgotten when their time is over, as many as are made.
fn new_flows(what: &str, traffic: Traffic, one_in: usize) {
    let mut intent = intent(2 * LOOP);
    // As long as it takes here to make them: what is done each so many seconds is done as often as it would be.
    let lifetime = Duration::from_millis(500) * one_in as u32;
    (intent.timeouts.udp, intent.timeouts.tcp_opening) = (lifetime, lifetime);
    let opening = Rc::new(Frames::opening(traffic, 0..LOOP));
    let steady = Rc::new(Frames::steady(Traffic::ServiceUdpIn, 4_096));
    let step = lifetime.mul_f64(1.1) / (LOOP / BURST * one_in) as u32;
    let mut sides = Side::both(&intent, step);
    for side in &mut sides {
        let rounds = if one_in == 1 { LOOP / BURST + 1 } else { 200 * one_in };
        side.run(traffic, &opening, &steady, one_in, rounds);
    }
    report(what, traffic, &mut sides, |side| side.run(traffic, &opening, &steady, one_in, ROUNDS));
}

fn standing_flows(traffic: Traffic, count: usize) {
    let mut sides = Side::both(&intent(count + count / 8 + 1_000), Duration::from_micros(2));
    let frames = Rc::new(Frames::steady(traffic, count));
    for side in &mut sides {
        side.appliance.open(traffic, shuffled(count));
        side.settle();
    }
    report("standing_flows", traffic, &mut sides, |side| side.run(traffic, &frames, &frames, 1, ROUNDS));
}

/// Times both in turns, and says what came of it.
fn report(what: &str, traffic: Traffic, sides: &mut [Side; 2], mut block: impl FnMut(&mut Side)) {
    let mut ratios = Vec::new();
    for pair in 0..PAIRS {
        let mut times = [0.0; 2];
        for at in [pair % 2, 1 - pair % 2] {
            let before = cpu_time();
            block(&mut sides[at]);
            times[at] = cpu_time() - before;
        }
        ratios.push(times[0] / times[1]);
    }
    let [_, fed] = sides;
    let sent = fed.report();
    println!(
        "{what}/{}: rate with a feed over without, {PAIRS} pairs: {}; {:?}, {} records, {} MiB, {} breaks",
        traffic.name(),
        support::spread(ratios),
        sent.state,
        sent.records[0],
        sent.bytes[0] >> 20,
        sent.breaks
    );
}

/// How long this thread has run, in seconds: what others do on its core is not in it.
fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// This thread runs on this core from now on, and so do those that it starts.
fn keep_to(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    // With one core there is nothing to choose.
    _ = sched_setaffinity(None, &cores);
}

/// An appliance, and the one that it feeds.
struct Side {
    appliance: Appliance,
    /// How far it is in the frames that open flows.
    at: usize,
    rounds: usize,
    fed: Option<(Channel<News>, Standby)>,
}

impl Side {
    /// Without and with. What a machine of its own does in the field, and management's core, share the second core here.
    fn both(intent: &Intent, step: Duration) -> [Side; 2] {
        keep_to(1);
        let sides = [false, true].map(|fed| Side::new(intent, fed, step));
        keep_to(0);
        sides
    }

    fn new(intent: &Intent, is_fed: bool, step: Duration) -> Side {
        let mut appliance = Appliance::new(intent, 1);
        appliance.step = step;
        let fed = is_fed.then(|| {
            let (own, other) = (new_identity("active").unwrap(), new_identity("standby").unwrap());
            let places = [free(), free()];
            let standby = Standby::start(intent.clone(), places, &other, &own);
            let [listen, peer] = places;
            let channel = connected(&mut appliance, Sockets { listen, peer }, identity(&own, &other), 1);
            channel.set_active(true);
            (channel, standby)
        });
        let mut side = Side { appliance, at: 0, rounds: 0, fed };
        side.settle();
        side
    }

    /// Until the one that stands by has everything.
    fn settle(&mut self) {
        let begun = std::time::Instant::now();
        self.appliance.supply.feed(Traffic::ServiceUdpIn.port(), &Rc::new(Frames::steady(Traffic::ServiceUdpIn, 32)));
        while self.fed.is_some() && self.report().state != State::InSync {
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.report());
            self.appliance.round();
        }
    }

    fn report(&self) -> Report {
        self.fed.as_ref().map(|(channel, _)| channel.board().state().report).unwrap_or_default()
    }

    /// So many bursts: one in `one_in` of `opening`, the others of `steady`.
    fn run(&mut self, traffic: Traffic, opening: &Rc<Frames>, steady: &Rc<Frames>, one_in: usize, rounds: usize) {
        for _ in 0..rounds {
            if self.rounds.is_multiple_of(one_in) {
                self.appliance.supply.feed_from(traffic.port(), opening, self.at);
                self.at = (self.at + BURST) % (opening.count() - opening.count() % BURST);
            } else if self.rounds % one_in == 1 {
                self.appliance.supply.feed(Traffic::ServiceUdpIn.port(), steady);
            }
            self.rounds += 1;
            self.appliance.round();
        }
    }
}

/// The one that stands by: its workers turn in a thread of their own, until it is dropped.
struct Standby {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Standby {
    fn start(intent: Intent, [first, second]: [SocketAddr; 2], own: &NewIdentity, other: &NewIdentity) -> Standby {
        let (stop, identity) = (Arc::<AtomicBool>::default(), identity(own, other));
        let until = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut appliance = Appliance::new(&intent, 1);
            let channel = connected(&mut appliance, Sockets { listen: second, peer: first }, identity, 2);
            channel.set_active(false);
            while !until.load(Ordering::Relaxed) {
                if appliance.workers[0].turn(clock()).may_sleep() {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        });
        Standby { stop, thread: Some(thread) }
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// The channel of an appliance, whose worker has the other ends.
fn connected(appliance: &mut Appliance, places: Sockets, identity: Identity, process: u64) -> Channel<News> {
    let (ends, links): (Vec<_>, Vec<SyncLink>) = sync_links(appliance.workers.len(), appliance.now).into_iter().unzip();
    for (mail, end) in appliance.mail.iter_mut().zip(ends) {
        assert!(mail.commands.push(Command::Sync(Some(end))).is_ok());
    }
    Channel::start(places, identity, (links, Hello { process, ..Hello::default() }), clock, |news| news).unwrap()
}

fn identity(own: &NewIdentity, other: &NewIdentity) -> Identity {
    Identity::new(&own.certificate, &own.key, &other.certificate).unwrap()
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
