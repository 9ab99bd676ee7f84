//! Two appliances over a real connection: TLS over the loopback, each with a thread of its own, and the rig's workers beside it by the clock.
//! What is replicated, how soon it is noticed that nobody is there, and who is not let in.

use fairlead::admin::pair::{PairReport, PairRole};
use fairlead::admin::request::AdminState;
use fairlead::admin::{Data, Request};
use fairlead::channel::{Channel, ChannelState, Identity, NewIdentity, Sockets, new_identity};
use fairlead::control::{Input, PairNews};
use fairlead::peer::{self, Peer};
use fairlead::sync::{Hello, News, State};
use fairlead::time::{Duration, Instant};
use fairlead::wire::build::Build;
use fairlead::worker::Command;
use fairlead::worker::sync::sync_links;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use testbench::bench::frames::request;
use testbench::bench::{File, INNER, OUTER, Twins};
use testbench::lab::*;

static BEGAN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

fn clock() -> Instant {
    // Flows may be older than the test.
    Instant::from_millis(10_000_000) + BEGAN.elapsed()
}

/// A port of the loopback that nobody has.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn identity(own: &NewIdentity, other: &NewIdentity) -> Identity {
    Identity::new(&own.certificate, &own.key, &other.certificate).unwrap()
}

/// One of the two.
struct Half {
    lab: LabOn<InMemory<2>>,
    channel: Channel,
    news: Vec<News>,
}

impl Half {
    fn start(places: Sockets, identity: Identity, process: u64) -> Half {
        let mut lab = LabOn::<InMemory<2>>::new(Layout::TwoArm);
        lab.rig.now = clock();
        let (ends, links): (Vec<_>, Vec<_>) = sync_links(2, clock()).into_iter().unzip();
        let mut ends = ends.into_iter();
        assert!(lab.rig.command(|| Command::Sync(ends.next())).is_empty());
        let hello = Hello { name: format!("lead-{process}"), process, ..Hello::default() };
        let channel = Channel::start(places, identity, (links, hello), clock, |news| news).unwrap();
        Half { lab, channel, news: Vec::new() }
    }

    fn turn(&mut self) {
        self.lab.rig.now = clock();
        assert!(self.lab.rig.settle().is_empty());
        self.news.extend(self.channel.board().take_news());
    }

    fn state(&self) -> ChannelState {
        self.channel.board().state()
    }

    fn flows(&self) -> usize {
        self.lab.rig.workers.iter().map(|worker| worker.engine().flows().len()).sum()
    }
}

/// Both, the first of which is active; the first one connects if `connects`.
struct Two {
    halves: [Half; 2],
    identities: [Identity; 2],
    places: [Sockets; 2],
}

impl Two {
    fn start(connects: bool) -> Two {
        let (one, other) = (new_identity("one").unwrap(), new_identity("other").unwrap());
        let mut identities = [identity(&one, &other), identity(&other, &one)];
        if identities[0].connects() != connects {
            identities.swap(0, 1);
        }
        let [one, other] = [free(), free()];
        let places = [Sockets { listen: one, peer: other }, Sockets { listen: other, peer: one }];
        let half = |at: usize| Half::start(places[at], identities[at].clone(), at as u64 + 1);
        let halves = [half(0), half(1)];
        halves[0].channel.set_active(true);
        Two { halves, identities, places }
    }

    /// Until it is so; says how long that took.
    #[track_caller]
    fn until(&mut self, what: &str, is_so: impl Fn(&[Half; 2]) -> bool) -> Duration {
        let began = clock();
        loop {
            self.halves.iter_mut().for_each(Half::turn);
            let took = clock().since(began);
            if is_so(&self.halves) {
                return took;
            }
            assert!(took < Duration::from_secs(20), "{what}: {:#?}", self.halves.each_ref().map(Half::state));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn until_in_sync(&mut self) {
        let is_in_sync = |half: &Half| half.state().report.state == State::InSync;
        self.until("both are in sync", |halves| halves.iter().all(is_in_sync));
    }
}

#[test]
fn s130_flows_go_over_a_real_connection_whoever_connects() {
    for connects in [false, true] {
        let mut two = Two::start(connects);
        let clients: Vec<_> = (0..40).map(|port| at(PHONE, 40_000 + port)).collect();
        two.halves[0].lab.rig.now = clock();
        clients[..20].iter().for_each(|client| two.halves[0].lab.connect(*client, 5060, HOST_A));
        two.until_in_sync();
        // Some of them may have been made after the copy.
        two.until("they are there", |halves| halves[1].flows() == 20);
        clients[20..].iter().for_each(|client| two.halves[0].lab.connect(*client, 5060, HOST_A));
        let took = two.until("what is new is there", |halves| halves[1].flows() == 40);
        assert!(took < Duration::from_secs(5), "{took:?}");
        two.halves[0].channel.say(|| "of one".into());
        two.until("its word is heard", |halves| halves[1].news.contains(&News::Word("of one".into())));
        let states = two.halves.each_ref().map(Half::state);
        assert_eq!(states.each_ref().map(|state| state.report.feeds), [true, false]);
        assert!(states.iter().all(|state| state.peer.is_some() && state.report.last_error.is_none()), "{states:?}");
        // The first one is gone, as if killed, and its flows are here.
        let [_, mut second] = two.halves;
        second.channel.set_active(true);
        second.lab.rig.now = clock();
        for client in &clients {
            let there = |dst| Build::tcp(*client, at(dst, 5060), DATA, 1001, 9001).payload(b"INVITE");
            second.lab.forwards(ROUTER, there(V), HOST_A, there(A));
        }
    }
}

/// The process that comes anew takes the place of the connection before, and has all again.
#[test]
fn s133_a_process_that_comes_again_has_all() {
    for connects in [false, true] {
        let mut two = Two::start(connects);
        two.halves[0].lab.rig.now = clock();
        two.halves[0].lab.connect(at(PHONE, 40_001), 5060, HOST_A);
        two.until_in_sync();
        let next = Half::start(two.places[1], two.identities[1].clone(), 3);
        two.halves[1] = next;
        let is_there = |half: &Half| half.flows() == 1 && half.state().report.state == State::InSync;
        two.until("the next one has it", |halves| is_there(&halves[1]));
        two.until("the first one knows it", |halves| {
            halves[0].state().report.other.is_some_and(|other| other.process == 3)
        });
        let down = |news: &&News| matches!(news, News::Down(_));
        assert!(two.halves[0].news.iter().filter(down).count() >= 1);
    }
}

/// Management takes nothing for a while: what the other one says waits, and none of it is lost.
#[test]
fn s134_news_that_management_does_not_take_wait_in_order() {
    let mut two = Two::start(true);
    two.until_in_sync();
    let words: Vec<String> = (0..2_000).map(|at| format!("{at} {}", "word ".repeat(20))).collect();
    let bytes: usize = words.iter().map(String::len).sum();
    for word in words.clone() {
        two.halves[0].channel.say(|| word);
    }
    let began = clock();
    while (two.halves[1].state().report.bytes[1] as usize) < bytes {
        two.halves[0].turn();
        assert!(clock().since(began) < Duration::from_secs(20), "{:?}", two.halves[1].state());
        std::thread::sleep(Duration::from_millis(1));
    }
    let heard = |half: &Half| -> Vec<String> {
        let words =
            half.news.iter().filter_map(|news| if let News::Word(text) = news { Some(text.clone()) } else { None });
        words.collect()
    };
    two.until("all is heard", |halves| heard(&halves[1]).len() >= words.len());
    assert!(heard(&two.halves[1]) == words);
    assert!(!two.halves[1].news.iter().any(|news| matches!(news, News::Down(_))), "over the same connection");
}

/// A relay between the two that can be stopped: no end of a connection is heard, as when a cable is pulled.
fn relay(to: SocketAddr) -> (SocketAddr, std::sync::Arc<std::sync::atomic::AtomicBool>) {
    relay_of(to, (65_536, Duration::ZERO))
}

/// The same; so many bytes pass at most in each direction, then none for a while.
fn relay_of(to: SocketAddr, (most, pause): (usize, Duration)) -> (SocketAddr, Arc<AtomicBool>) {
    let (listener, stopped) = (TcpListener::bind("127.0.0.1:0").unwrap(), std::sync::Arc::new(AtomicBool::new(false)));
    let (address, is_stopped) = (listener.local_addr().unwrap(), std::sync::Arc::clone(&stopped));
    std::thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            let Ok(there) = TcpStream::connect(to) else { continue };
            for (mut from, mut into) in [(from.try_clone().unwrap(), there.try_clone().unwrap()), (there, from)] {
                let stopped = std::sync::Arc::clone(&is_stopped);
                std::thread::spawn(move || {
                    let mut buffer = vec![0; most];
                    while let Ok(length @ 1..) = from.read(&mut buffer) {
                        while stopped.load(Ordering::Relaxed) {
                            std::thread::sleep(Duration::from_millis(5));
                        }
                        if into.write_all(&buffer[..length]).is_err() {
                            return;
                        }
                        std::thread::sleep(pause);
                    }
                    _ = into.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    (address, stopped)
}

/// Over 64 kbit/s a record of TLS takes two seconds, of which nothing can be read before all of it is there.
#[test]
fn s133_a_slow_way_is_no_silence_and_who_is_seconds_behind_says_so() {
    let (one, other) = (new_identity("one").unwrap(), new_identity("other").unwrap());
    let mut identities = [identity(&one, &other), identity(&other, &one)];
    if !identities[0].connects() {
        identities.swap(0, 1);
    }
    let second = free();
    let (between, _stopped) = relay_of(second, (1_024, Duration::from_millis(125)));
    let places = [Sockets { listen: free(), peer: between }, Sockets { listen: second, peer: free() }];
    let half = |at: usize| Half::start(places[at], identities[at].clone(), at as u64 + 1);
    let halves = [half(0), half(1)];
    halves[0].channel.set_active(true);
    let mut two = Two { halves, identities, places };
    two.halves[0].lab.rig.now = clock();
    (0..300).for_each(|port| two.halves[0].lab.connect(at(PHONE, 40_000 + port), 5060, HOST_A));
    two.until_in_sync();
    two.until("all is there", |halves| halves[1].flows() == 300);
    let down = |half: &Half| half.news.iter().any(|news| matches!(news, News::Down(_)));
    assert!(!two.halves.iter().any(down), "over one connection: {:#?}", two.halves.each_ref().map(Half::state));
    // What is new now waits behind what is new as well.
    two.halves[0].lab.rig.now = clock();
    (0..300).for_each(|port| two.halves[0].lab.connect(at(PHONE, 41_000 + port), 5060, HOST_A));
    let is_late = |half: &Half| half.state().report.lag > Duration::from_secs(1);
    two.until("both know that it is late", |halves| halves.iter().all(is_late));
    two.until("all is there", |halves| halves[1].flows() == 600);
    two.until("nothing is late any more", |halves| !halves.iter().any(is_late));
    assert!(!two.halves.iter().any(down), "over one connection");
}

#[test]
fn s133_a_cable_that_is_pulled_is_noticed_within_a_second_on_both_sides() {
    let (one, other) = (new_identity("one").unwrap(), new_identity("other").unwrap());
    let mut identities = [identity(&one, &other), identity(&other, &one)];
    if !identities[0].connects() {
        identities.swap(0, 1);
    }
    let second = free();
    let (between, stopped) = relay(second);
    let places = [Sockets { listen: free(), peer: between }, Sockets { listen: second, peer: free() }];
    let half = |at: usize| Half::start(places[at], identities[at].clone(), at as u64 + 1);
    let halves = [half(0), half(1)];
    halves[0].channel.set_active(true);
    let mut two = Two { halves, identities, places };
    two.until_in_sync();
    stopped.store(true, std::sync::atomic::Ordering::Relaxed);
    let is_down = |half: &Half| half.news.iter().any(|news| matches!(news, News::Down(_)));
    let took = two.until("both have noticed", |halves| halves.iter().all(is_down));
    assert!(took >= Duration::from_millis(600), "{took:?}");
    assert!(took < Duration::from_millis(2_000), "{took:?}");
    let why = two.halves[0].state().report.last_error.unwrap();
    assert!(why.starts_with("nothing was heard for") || why.contains("says nothing"), "{why}");
    stopped.store(false, std::sync::atomic::Ordering::Relaxed);
    two.until_in_sync();
}

/// Whoever has another certificate is not let in, and takes no place of the other appliance's, nor does one that says nothing.
#[test]
fn s136_a_stranger_is_not_let_in() {
    let (one, other, stranger) = (new_identity("1").unwrap(), new_identity("2").unwrap(), new_identity("3").unwrap());
    let [first, second] = [free(), free()];
    let own = identity(&one, &other);
    let (listens, of_listener, of_connector) =
        if own.connects() { (second, identity(&other, &one), own) } else { (first, own, identity(&other, &one)) };
    let there = if listens == first { second } else { first };
    let mut half = Half::start(Sockets { listen: listens, peer: there }, of_listener, 1);
    let silent: Vec<_> = (0..40)
        .map(|_| {
            loop {
                match TcpStream::connect(listens) {
                    Ok(stream) => break stream,
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        })
        .collect();
    // A stranger that knows whom it calls.
    let mut context = openssl::ssl::SslContextBuilder::new(openssl::ssl::SslMethod::tls_client()).unwrap();
    let certificate = openssl::x509::X509::from_pem(&stranger.certificate).unwrap();
    context.set_certificate(&certificate).unwrap();
    context.set_private_key(&openssl::pkey::PKey::private_key_from_pem(&stranger.key).unwrap()).unwrap();
    let ssl = openssl::ssl::Ssl::new(&context.build()).unwrap();
    let mut refused = ssl.connect(TcpStream::connect(listens).unwrap());
    if let Ok(stream) = &mut refused {
        // With TLS 1.3 a client hears of it after its handshake.
        let mut byte = [0];
        assert!(stream.read(&mut byte).is_err());
    }
    half.turn();
    assert!(half.news.is_empty() && half.state().peer.is_none());
    let mut two = Two {
        halves: [half, Half::start(Sockets { listen: there, peer: listens }, of_connector.clone(), 2)],
        identities: [of_connector.clone(), of_connector],
        places: [Sockets { listen: listens, peer: there }; 2],
    };
    two.halves[0].channel.set_active(true);
    two.until_in_sync();
    drop(silent);
    // Nobody of a pair speaks without TLS.
    let mut plain = TcpStream::connect(listens).unwrap();
    plain.write_all(b"FLEADSY\n\x01\x00").unwrap();
    let mut answer = Vec::new();
    _ = plain.read_to_end(&mut answer);
    assert!(!answer.windows(4).any(|window| window == b"FLEA"));
    two.halves.iter_mut().for_each(Half::turn);
    let report = two.halves[0].state().report;
    assert_eq!((report.state, report.last_error), (State::InSync, None), "who is refused is no trouble of the two");
}

/// Opens connections to there as fast as it can, from another address than the other appliance's, until it is dropped.
struct Flood {
    is_over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<usize>>,
}

impl Flood {
    fn begin(to: SocketAddr) -> Flood {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (mut open, mut opened) = (VecDeque::new(), 0);
                while !ends.load(Ordering::Relaxed) {
                    let socket = tokio::net::TcpSocket::new_v4().unwrap();
                    socket.bind("127.0.0.9:0".parse().unwrap()).unwrap();
                    let patience = Duration::from_millis(50);
                    if let Ok(Ok(stream)) = tokio::time::timeout(patience, socket.connect(to)).await {
                        opened += 1;
                        open.push_back(stream);
                    }
                    if open.len() > 500 {
                        open.pop_front();
                    }
                }
                opened
            })
        });
        Flood { is_over, thread: Some(thread) }
    }

    /// Says how many there were.
    fn end(mut self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

/// Connections without end take no place of the other appliance's, though its handshake takes its time.
#[test]
fn s188_who_opens_connections_without_end_keeps_the_other_appliance_from_nothing() {
    let (one, other) = (new_identity("1").unwrap(), new_identity("2").unwrap());
    let mut identities = [identity(&one, &other), identity(&other, &one)];
    if identities[0].connects() {
        identities.swap(0, 1);
    }
    let [listens, there] = [free(), free()];
    let (far, stopped) = relay(listens);
    let places = [Sockets { listen: listens, peer: there }, Sockets { listen: there, peer: far }];
    let first = Half::start(places[0], identities[0].clone(), 1);
    while TcpStream::connect(listens).is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let floods = [(); 2].map(|()| Flood::begin(listens));
    std::thread::sleep(Duration::from_millis(300));
    let second = Half::start(places[1], identities[1].clone(), 2);
    let mut two = Two { halves: [first, second], identities, places };
    two.halves[0].channel.set_active(true);
    two.until("they have found each other", |halves| {
        // Whatever one says is at the other some 40 ms later.
        stopped.store(clock().nanos() / 1_000_000 % 40 >= 8, Ordering::Relaxed);
        halves.iter().all(|half| half.state().peer.is_some())
    });
    stopped.store(false, Ordering::Relaxed);
    two.until_in_sync();
    let began = clock();
    two.until("it lasts", |_| clock().since(began) > Duration::from_millis(1_500));
    let opened: usize = floods.map(Flood::end).iter().sum();
    assert!(opened > 1_000, "{opened} are no flood");
    let report = two.halves[0].state().report;
    assert_eq!((report.state, report.last_error), (State::InSync, None));
}

fn pem(name: &str) -> String {
    format!("{}/src/config/tests/pem/{name}.pem", env!("CARGO_MANIFEST_DIR"))
}

/// Two whole appliances, each with the thread that it has in the field, in the time of the machine.
struct Whole {
    twins: Twins,
    peers: [Peer; 2],
}

impl Whole {
    fn start() -> Whole {
        let places = [free(), free()];
        let files = [0, 1].map(|at| {
            let names = ["probe", "other"];
            let (own, other, last) = (names[at], names[1 - at], at + 2);
            File::two_arm()
                .with("\"192.0.2.2/24\"]", &format!("\"192.0.2.{last}/24\"]\nfloating = [\"192.0.2.10/24\"]"))
                .with("\"10.20.0.1/24\"]", &format!("\"10.20.0.{last}/24\"]\nfloating = [\"10.20.0.1/24\"]"))
                .and(&format!(
                    "\n[appliance]\nname = \"lead-{}\"\n\n[pair]\nlisten = \"{}\"\npeer = \"{}\"\ncertificate = \"{}\"\n\
                     key = \"{}\"\npeer_certificate = \"{}\"\n",
                    at + 1,
                    places[at],
                    places[1 - at],
                    pem(own),
                    pem(&format!("{own}-key")),
                    pem(other)
                ))
        });
        let mut twins = Twins::new([&files[0], &files[1]], ["10.20.0.2", "10.20.0.3"], 2, 1);
        // Before that nothing has happened.
        twins.turn_at(clock());
        let mut process = 0;
        let peers = twins.leads.each_mut().map(|lead| {
            process += 1;
            let configuration = Arc::clone(lead.controller().configuration());
            let identity = peer::identity(&configuration).unwrap().unwrap();
            let hello = peer::hello(&configuration, identity.seed(), process);
            let started = Peer::start(configuration, identity, (lead.workers(), hello), clock).unwrap();
            let (peer, commands) = started.expect("the file wants it");
            commands.into_iter().enumerate().for_each(|(at, command)| lead.give(at, command));
            peer
        });
        Whole { twins, peers }
    }

    fn turn(&mut self) {
        let now = clock();
        self.twins.turn_at(now);
        for (lead, peer) in self.twins.leads.iter_mut().zip(&mut self.peers) {
            peer.follow(lead.controller());
            lead.said.drain(..).for_each(|word| peer.say(word));
            peer.news(now).into_iter().for_each(|news| lead.handle(Input::Pair(news), now));
        }
    }

    #[track_caller]
    fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Whole) -> bool) {
        let began = clock();
        while !is_so(self) {
            self.turn();
            let took = clock().since(began);
            assert!(took < Duration::from_secs(60), "{what}: {:#?}", [0, 1].map(|lead| self.report(lead)));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn report(&mut self, lead: usize) -> PairReport {
        let number = self.twins.leads[lead].ask(Request::Pair {}, clock());
        let answer = self.twins.leads[lead].answer(number).expect("at once");
        let Ok(Data::Pair(report)) = answer.map(|answer| answer.data) else { panic!("there is a pair") };
        *report
    }

    fn become_active(&mut self, lead: usize) {
        for (at, role) in [(1 - lead, PairRole::Standby), (lead, PairRole::Active)] {
            self.twins.leads[at].handle(Input::Pair(PairNews::Operator(role)), clock());
        }
        self.until("both say what they are", |whole| {
            let role = |whole: &mut Whole, at| whole.report(at).peer.map(|peer| peer.role);
            role(whole, 1 - lead) == Some(PairRole::Active) && role(whole, lead) == Some(PairRole::Standby)
        });
        self.until("both are in sync", |whole| [0, 1].map(|at| whole.report(at).in_sync) == [Some(true); 2]);
    }

    /// Who forwards a packet, and where to.
    fn passes(&mut self, port: fairlead::policy::intent::PortId, sent: &Build) -> Vec<(usize, String)> {
        self.twins.look();
        let hop = if port == OUTER { "192.0.2.10" } else { G };
        self.twins.send(port, hop.parse().unwrap(), sent);
        (0..5).for_each(|_| self.turn());
        let seen = self.twins.look().into_iter().filter(|(_, seen)| !seen.is_arp());
        seen.map(|(lead, seen)| (lead, seen.headers().dst().to_string())).collect()
    }
}

#[test]
fn s148_two_whole_appliances_talk_over_a_real_connection() {
    let mut whole = Whole::start();
    whole.become_active(0);
    whole.until("a member serves", |whole| {
        let sent = request(at(PHONE, 5_060), V);
        whole.passes(OUTER, &sent) == [(0, A.to_owned())]
    });
    let outward = Build::udp(at(A, 7_000), at(PEER, 9_000)).payload(b"of its own");
    assert_eq!(whole.passes(INNER, &outward), [(0, PEER.to_owned())]);
    whole.until("it is at the other one", |whole| whole.twins.leads[1].flows() == whole.twins.leads[0].flows());
    let now = clock();
    let drain = Request::MemberSet { member: "sip-b".into(), admin: AdminState::Draining, yes: false, for_s: None };
    _ = whole.twins.leads[0].ask(drain, now);
    let settings = |whole: &mut Whole, lead: usize| {
        let number = whole.twins.leads[lead].ask(Request::StateShow {}, clock());
        let Ok(Data::Settings(rows)) = whole.twins.leads[lead].answer(number).unwrap().map(|answer| answer.data) else {
            panic!("no settings")
        };
        rows.len()
    };
    whole.until("what an operator has set follows", |whole| settings(whole, 1) == 1);
    for active in [1, 0] {
        whole.become_active(active);
        let back = Build::udp(at(PEER, 9_000), at(V, 7_000)).payload(b"and back");
        assert_eq!(whole.passes(OUTER, &back), [(active, A.to_owned())]);
        assert_eq!(settings(&mut whole, active), 1);
    }
    let report = whole.report(0).link.unwrap();
    assert_eq!(
        (report.name.as_deref(), report.differences_count),
        (Some("lead-2"), Some(0)),
        "{:?}",
        report.differences
    );
}
