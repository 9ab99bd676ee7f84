//! The top floor: wiring, threads, signals, and the order of starting and stopping.
//!
//! Owns the life of the appliance as a process: [`run`] reads the file, starts the data plane ([`plane`]), puts the
//! controller in front of it, and serves until a signal comes ([`manage`]). The only module that reads the clock which
//! packets and members are judged by.

mod advertiser;
mod clock;
mod first;
mod handover;
mod load;
mod log;
mod mail;
mod manage;
mod plane;
mod reader;
mod route_follower;
mod rss;
mod scraping;
mod state_store;

use crate::admin;
use crate::admin::events::EventRow;
use crate::channel::Identity;
use crate::config::{self, ConfigErrors, Configuration};
use crate::config::{LogLevel, Settings};
use crate::control::{self, Controller, EventsFound, HandoverFound, Machine, SavedConfigurations, SavedState, TakenUp};
use crate::events::EventName;
use crate::flow::SnatPorts;
use crate::handover::Contents;
use crate::keepalived::Keepalived;
use crate::peer::{self, Peer};
use advertiser::Advertiser;
use anyhow::{Context, Result};
use clock::Clock;
use handover::Found;
use log::Log;
use manage::{Ending, Manager, Sources};
use plane::Plane;
use reader::Reader;
use route_follower::RouteFollower;
use scraping::Scraping;
use state_store::StateStore;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};

/// Questions of operators that may wait at once.
const QUESTIONS: usize = 64;

/// Runs the appliance that `file` describes until it is told to stop; `socket` is used instead of the file's. Exit 2 for a bad
/// file, 1 for anything that cannot be had, 0 after a clean end.
pub fn run(file: &Path, socket: Option<PathBuf>) -> ExitCode {
    let Beginning { mut configuration, saved, notes } = match Beginning::of(file) {
        Ok(beginning) => beginning,
        Err(why) => {
            let _ = writeln!(io::stderr(), "{why}");
            return why.code();
        }
    };
    if let Some(socket) = socket {
        configuration.settings.admin_socket = socket;
    }
    let log = match log::start(configuration.settings.log, configuration.settings.log_format) {
        Ok(log) => log,
        Err(error) => {
            let _ = writeln!(io::stderr(), "fairlead: the log cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    introduce(file, &configuration, &log);
    for note in notes {
        tracing::warn!("{note}");
    }
    for warning in &configuration.warnings {
        tracing::warn!("{}", warning.to_string().trim_start_matches("warning: "));
    }
    let (code, last) = match start(file, configuration, saved, &log) {
        Ok(Ending::Asked) => (ExitCode::SUCCESS, None),
        Ok(Ending::WorkerLost) => {
            let last = "fairlead: a worker has ended unexpectedly; the log above says why".to_owned();
            (ExitCode::FAILURE, Some(last))
        }
        Err(error) => (ExitCode::FAILURE, Some(format!("fairlead: {error:#}"))),
    };
    log.end(last.as_deref());
    code
}

/// What the appliance starts with.
struct Beginning {
    configuration: Configuration,
    saved: SavedConfigurations,
    /// What the log must say of it.
    notes: Vec<String>,
}

/// Why the appliance does not start.
#[derive(Debug, thiserror::Error)]
enum Unstarted {
    /// The file, or what is to be started with in its place, cannot be used.
    #[error("{0}")]
    File(#[from] ConfigErrors),
    /// The last one confirmed cannot be used any more.
    #[error(
        "{errors}\nfairlead: {file} has not been written since it was in force without a confirmation, or was replaced by an \
         earlier configuration, and configuration {number}, the last one confirmed, cannot be used any more: see above. Nothing \
         was started: to start with {file}, write it again with any change, such as a comment"
    )]
    Confirmed { number: u64, file: String, errors: ConfigErrors },
    /// Nobody knows what was confirmed.
    #[error(
        "fairlead: {place} cannot be used: {why}; nor can {spare}: {also}. So it is not known whether {file} was ever confirmed, \
         and nothing was started: mend the disk or the folder, or, to start with {file} as it is, move both files away"
    )]
    Unknown { place: String, why: String, spare: String, also: String, file: String },
    /// This user may not know it.
    #[error("fairlead: {place} may not be read by this user: run it as root (sudo), or systemctl start fairlead")]
    Forbidden { place: String },
}

impl Unstarted {
    /// 2 for a bad file, which stays bad; 1 for what may be otherwise the next time.
    fn code(&self) -> ExitCode {
        match self {
            Unstarted::File(_) | Unstarted::Confirmed { .. } => ExitCode::from(2),
            Unstarted::Unknown { .. } | Unstarted::Forbidden { .. } => ExitCode::FAILURE,
        }
    }
}

impl Beginning {
    /// What `path` says, or, while that is as it was when something else was in force, what was kept of that.
    fn of(path: &Path) -> Result<Beginning, Unstarted> {
        let bytes = config::bytes_of(path)?;
        let configuration = config::parse_bytes(&path.display().to_string(), &bytes)?;
        let text: Arc<str> = String::from_utf8_lossy(&bytes).into();
        let (folder, file) = (state_store::folder(configuration.settings.state.as_deref()), path.display());
        let (place, found) = state_store::configurations(&folder);
        let (beside, spare) = state_store::spare(&folder);
        let instead = control::instead_of(&found, spare, &text).map_err(|also| {
            if state_store::is_forbidden(&place) || state_store::is_forbidden(&beside) {
                return Unstarted::Forbidden { place: place.clone() };
            }
            let why = found.as_ref().err().cloned().unwrap_or_default();
            Unstarted::Unknown { place: place.clone(), why, spare: beside, also, file: file.to_string() }
        })?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
        let saved = SavedConfigurations { place, found, path: absolute, file: Arc::clone(&text), in_force: text };
        let Some(kept) = instead else { return Ok(Beginning { configuration, saved, notes: Vec::new() }) };
        let number = kept.number;
        match config::parse(&format!("configuration {number}"), &kept.text) {
            Ok(earlier) => {
                let note = format!(
                    "started with configuration {number}, the last one confirmed, as {file} has not been written since another one \
                     was in force: `fairlead diff` compares them, `fairlead reload` applies the file"
                );
                let saved = SavedConfigurations { in_force: kept.text, ..saved };
                Ok(Beginning { configuration: earlier, saved, notes: vec![note] })
            }
            Err(errors) => Err(Unstarted::Confirmed { number, file: file.to_string(), errors }),
        }
    }
}

/// The first line of the log: which program, which file, which cores, and where to ask it.
fn introduce(file: &Path, configuration: &Configuration, log: &Log) {
    let settings = &configuration.settings;
    let message = format!(
        "Fairlead {} starts with {}: workers on cores {:?}, management on core {}, admin socket {}",
        env!("CARGO_PKG_VERSION"),
        file.display(),
        settings.cores.workers,
        settings.cores.management,
        settings.admin_socket.display()
    );
    let row = EventRow::new(EventName::Start, LogLevel::Info, message);
    log.write(&EventRow { time: SystemTime::now().into(), ..row });
}

fn start(file: &Path, configuration: Configuration, configurations: SavedConfigurations, log: &Log) -> Result<Ending> {
    let clock = Clock::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        // However busy the loop is, sockets and signals are heard.
        .event_interval(1)
        .enable_all()
        .build()
        .context("the management loop cannot start")?;
    // The socket first: if another appliance owns it, nothing of the NICs is touched.
    let sockets = {
        let _inside = runtime.enter();
        self::sockets(&configuration.settings)?
    };
    let (contents, refused) = left_before(&configuration.settings);
    let identity = peer::identity(&configuration).context("the other appliance of the pair cannot be talked to")?;
    // Both appliances of a pair give away ports of SNAT addresses in the same order.
    let remembered = || contents.as_ref().map(|(contents, _)| contents.remembered().snat_seed);
    let seed = identity.as_ref().map(Identity::seed).or_else(remembered).unwrap_or_else(plane::seed);
    let snat_ports = SnatPorts::new(configuration.intent.snats.iter().map(|snat| snat.address), seed);
    let (plane, handover) = Plane::start(&configuration, &snat_ports, clock, contents)?;
    log_ports(&configuration, &plane);
    let (address, wanted) = watch::channel(configuration.settings.metrics);
    let folder = state_store::folder(configuration.settings.state.as_deref());
    let (store, saved, events) = StateStore::start(&folder, configurations.found.is_ok());
    let found = handover.map(Ok).or(refused.map(Err));
    let before = (saved, configurations, events, found);
    let keepalived = Keepalived::start(&configuration.intent);
    let advertiser = Advertiser::start(&configuration.settings.routes.device);
    let controller = controller(configuration, snat_ports, &plane, log, before, clock);
    let peer = match identity {
        Some(identity) => {
            let configuration = Arc::clone(controller.configuration());
            let hello = peer::hello(&configuration, seed, plane::seed());
            let started = Peer::start(configuration, identity, (plane.mail.len(), hello), move || clock.now());
            started.context("no thread that talks to the other appliance of the pair")?
        }
        None => None,
    };
    let (sender, asked) = mpsc::channel(QUESTIONS);
    let (troubles, trouble) = mpsc::unbounded_channel();
    let scraping = Scraping { address, trouble };
    let (reader, follower) = (Reader::new(file), RouteFollower::start());
    let sources = Sources { asked, reader, store, scraping, advertiser, keepalived, follower, peer };
    let manager = Manager::new(controller, plane, sources, log.clone(), clock);
    runtime.block_on(serve(manager, sender, sockets, wanted, troubles))
}

/// What the process before has left, and how long ago; else why it does not count.
fn left_before(settings: &Settings) -> (Option<(Contents, Duration)>, Option<String>) {
    let Some(place) = &settings.handover else { return (None, None) };
    match handover::find(place, &settings.name) {
        Found::Nothing => (None, None),
        Found::Refused(why) => (None, Some(why)),
        Found::Contents(contents, age) => (Some((*contents, age)), None),
    }
}

/// The admin socket, and the one that answers only what changes nothing.
fn sockets(settings: &Settings) -> Result<Vec<(admin::AdminSocket, admin::Access)>> {
    let all = admin::bind(&settings.admin_socket, settings.admin_group.as_deref())?;
    let mut sockets = vec![(all, admin::Access::All)];
    if let Some(path) = &settings.admin_socket_ro {
        let socket = admin::bind_second(path, settings.admin_group_ro.as_deref())?;
        sockets.push((socket, admin::Access::ReadOnly(settings.admin_socket.clone())));
    }
    Ok(sockets)
}

/// What a driver cannot do and an operator may miss; and how each NIC spreads what it receives, where there are several workers
/// to spread it over.
fn log_ports(configuration: &Configuration, plane: &Plane) {
    let workers = plane.mail.len();
    for (port, facts) in configuration.intent.ports.iter().zip(&plane.facts) {
        if facts.driver == "net_af_packet" {
            tracing::warn!(
                "port {}: af_packet lets the kernel join fragments and cuts off what it joined: datagrams in fragments are \
                 lost; use net_af_xdp, net_pcap or a NIC where SIP messages may be larger than the MTU",
                port.name
            );
        }
        if workers > 1 {
            let (queues, spreading) = (facts.rx_queues, facts.spreading);
            tracing::info!("port {}: {queues} receive queues for {workers} workers, RSS {spreading}", port.name);
        }
    }
}

fn controller(
    configuration: Configuration,
    snat_ports: SnatPorts,
    plane: &Plane,
    log: &Log,
    (saved, configurations, events, found): (
        SavedState,
        SavedConfigurations,
        EventsFound,
        Option<Result<TakenUp, String>>,
    ),
    clock: Clock,
) -> Controller {
    let place = configuration.settings.handover.as_deref().map(|place| place.display().to_string());
    let handover = place.zip(found).map(|(place, outcome)| HandoverFound { place, outcome });
    let machine = Machine {
        macs: plane.macs.clone(),
        ports: plane.facts.clone(),
        workers: plane.mail.len(),
        counters: plane.counters(log.clone()),
        log: log.level(configuration.settings.log),
        began: clock.now(),
        start: clock.wall().into(),
        saved: Some(saved),
        configurations: Some(configurations),
        events: Some(events),
        handover,
    };
    Controller::new(configuration, machine, snat_ports, plane::seed(), clock.now())
}

async fn serve(
    manager: Manager,
    sender: mpsc::Sender<admin::Asked>,
    sockets: Vec<(admin::AdminSocket, admin::Access)>,
    metrics: watch::Receiver<Option<SocketAddr>>,
    troubles: mpsc::UnboundedSender<Option<String>>,
) -> Result<Ending> {
    let (stop, stopped) = watch::channel(false);
    let servers: Vec<_> = sockets
        .into_iter()
        .map(|socket| {
            let mut until = stopped.clone();
            let until = async move { _ = until.wait_for(|stopped| *stopped).await };
            tokio::spawn(admin::serve(socket, admin::Limits::default(), sender.clone(), until))
        })
        .collect();
    let scraped = tokio::spawn(scraping::serve(metrics, sender, troubles, stopped));
    let ending = manager.run(stop).await.context("signals cannot be received")?;
    let _ = scraped.await;
    for server in servers {
        let _ = server.await;
    }
    Ok(ending)
}
