//! The commands: what can be typed, in the order of the help, and a file for each table that answers.
//!
//! Owns of each command the words, the help, the arguments, and what is asked of the appliance; its columns stand in its
//! file. Parsing, help, completion, the manual page and `--json` follow. A new command is a variant here with its help, an
//! arm of [`Ask::question`], and a file with its columns; `ARCHITECTURE.md` shows one as a diff. What several have stands in `arguments`.

mod alarms;
mod announce;
mod arguments;
mod backup;
pub mod capture;
mod content;
mod counters;
mod diff;
mod doctor;
pub mod drain;
mod drill;
mod events;
mod exclude;
mod explain;
mod flows;
mod history;
mod import;
mod interfaces;
mod kit;
mod latency;
mod log;
mod members;
mod narrow;
mod neighbours;
pub mod pair;
mod ports;
mod probes;
mod question;
pub mod recorder;
pub mod reload;
mod replay;
mod routes;
mod sip;
mod snat;
mod state;
mod status;
mod support;
mod switchovers;
mod talkers;
mod top;
mod traffic;
mod virtual_servers;

pub use arguments::number;
pub use backup::{Backup, Restore};
pub use doctor::Doctor;
pub use events::followed;
pub use import::Import;
pub use kit::Shown;
pub use narrow::{Narrow, growth};
pub use question::{Question, Show};
pub use replay::Replay;
pub(super) use replay::text as replayed;
pub use support::Support;
pub use top::Top;

use crate::admin::Request;
use crate::admin::request::FLOWS_MAX;
use crate::admin::rows::{AdminState, LogLevel};
use crate::policy::words::Word;
use alarms::Alarms;
use arguments::{OfMember, OfPool, Once, Only, View, confirm_time, drain_time, drill_time, level};
use capture::Capture;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Subcommand, ValueHint};
use clap_complete::Shell;
use events::Events;
use exclude::Exclude;
use explain::Explain;
use pair::Pair;
use recorder::Recorder;
use state::State;
use std::path::PathBuf;

/// Where shells look for it.
const COMPLETION: &str = "Where it belongs:
  bash  fairlead completion bash > /usr/share/bash-completion/completions/fairlead
  zsh   fairlead completion zsh > /usr/share/zsh/vendor-completions/_fairlead
  fish  fairlead completion fish > /usr/share/fish/vendor_completions.d/fairlead.fish";

/// What the program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the appliance in the foreground, log to stderr, notify systemd when ready
    Run {
        /// The appliance's file, TOML
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        config: PathBuf,
    },
    /// Validate a file and print what it configures; exit 0 or 2, with --here also 1
    Check {
        /// The appliance's file, TOML; `-`: standard input
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Compare it with this machine too: cores, devices, memory; exit 1 if it cannot run here
        #[arg(long)]
        here: bool,
        /// Print what is wrong, and warnings, and nothing else
        #[arg(long, short)]
        quiet: bool,
        /// Print what was found as JSON, and nothing else
        #[arg(long, conflicts_with = "quiet")]
        json: bool,
    },
    /// Turn the files of a BIG-IP, keepalived or IPVS into one for Fairlead; exit 0, or 1 if `check` refuses that
    Import(Import),
    /// Run a capture through an appliance built from a file, offline; exit 0, or 1 if what is sent is not what is expected
    Replay(Replay),
    /// Check the box and the appliance, and say what is wrong, why it is thought so and what to do; exit 0, 4 or 5
    #[command(after_help = "Example: fairlead doctor --only member-gateway --only offloads")]
    Doctor(Doctor),
    /// Write one archive of all that somebody needs who was not there; secrets are blanked
    #[command(after_help = "Example: fairlead support --output /tmp/lead-1.tar.gz")]
    Support(Support),
    /// Write the box into one file: configuration with what it includes, certificates and keys, what operators have set, history
    #[command(after_help = "Example: fairlead backup /root/lead-1.backup")]
    Backup(Backup),
    /// Put what `backup` has written back in its places, once it is found valid; what is there stays beside, as .FILE.before-restore
    #[command(after_help = "Example: fairlead restore /root/lead-1.backup --dry-run")]
    Restore(Restore),
    /// Watch it live on the whole screen: rates by port and worker, members, drops with their trend, latency, alarms; ? says the keys
    Top(Top),
    /// Everything that the appliance is asked.
    #[command(flatten)]
    Ask(Ask),
    /// What this appliance is in its pair, why, and how the last take-over went; make it active or standby; or begin a pair
    Pair(Pair),
    /// Show packets as they pass, before and after translation, with what came of them; or write them into a file
    Capture(Box<Capture>),
    /// What workers had seen last when something happened: list, freeze, save as pcapng
    Recorder(Recorder),
    /// Write admin states and exclusions that an operator has set into the appliance's file, comments kept, and reload it
    Save(Once),
    /// Print the completion script of a shell
    #[command(after_help = COMPLETION)]
    Completion {
        /// The shell: bash, elvish, fish, powershell or zsh
        #[arg(hide_possible_values = true)]
        shell: Shell,
    },
    /// Print the manual page (roff)
    Manual {
        /// That of the configuration file, fairlead.toml(5)
        #[arg(long)]
        file: bool,
    },
}

/// What the appliance is asked.
#[derive(Debug, Subcommand)]
pub enum Ask {
    /// One screen: alarms, workers, ports, virtual servers and their active members, last switchover
    Status(View),
    /// The members of all pools: state, admin state, role, reason
    Members(View),
    /// The virtual servers and their active members
    VirtualServers(View),
    /// Each monitor of each member: last result, round-trip time, counts
    Probes(View),
    /// The flow table: original and translated addresses
    #[command(args_conflicts_with_subcommands = true)]
    Flows {
        /// How it is shown.
        #[command(flatten)]
        view: View,
        /// Which are shown.
        #[command(flatten)]
        only: Only,
        /// At most so many rows, up to 100000; how many more there are is said [default: 1000]
        #[arg(long, value_name = "ROWS", value_parser = number::<u64>(1..=FLOWS_MAX as u64))]
        limit: Option<u64>,
        /// Only flows with this port at any end
        #[arg(long, value_parser = number::<u16>(1..=0xffff))]
        port: Option<u16>,
        /// Show who has opened most of them instead, among the 100000 that are listed at most: so many sources, each with member and path
        #[arg(long, value_name = "NUMBER", conflicts_with = "limit", value_parser = number::<u64>(1..=1000))]
        top: Option<u64>,
        /// What else is done with them.
        #[command(subcommand)]
        instead: Option<Flows>,
    },
    /// Say what would happen to a packet now, and why; nothing is sent, and nothing changes
    #[command(subcommand)]
    Explain(Explain),
    /// SNAT addresses and port usage
    Snat(View),
    /// ARP table
    Neighbours(View),
    /// Routing table and next-hop state
    Routes(View),
    /// The NICs: link, queues, frames, bytes, losses, RSS
    Ports(View),
    /// The interfaces, and what passes between each and the kernel
    Interfaces(View),
    /// Packet counters that are not zero, and what each means; --all for all
    Counters {
        /// How they are shown.
        #[command(flatten)]
        view: View,
        /// Include zero counters, and each worker's own
        #[arg(long)]
        all: bool,
        /// Only frames that were dropped, by reason
        #[arg(long)]
        drops: bool,
        /// Wait so many seconds, and show by how much each has grown meanwhile
        #[arg(long, value_name = "SECONDS", value_parser = number::<u64>(1..=3600))]
        during: Option<u64>,
    },
    /// What is wrong now: code, severity, since when, what to do; --check for monitoring
    #[command(args_conflicts_with_subcommands = true)]
    #[command(after_help = "Example: fairlead alarms acknowledge 17 --comment \"a disk is on its way\"")]
    Alarms {
        /// How they are shown.
        #[command(flatten)]
        view: View,
        /// Print one line and exit 0 without alarms, 1 with warnings, 2 with critical ones or without an appliance, 3 if that may not be
        /// asked, as Nagios wants it. Those that are acknowledged do not count
        #[arg(long, conflicts_with_all = ["json", "watch"])]
        check: bool,
        /// What is done with one.
        #[command(subcommand)]
        instead: Option<Alarms>,
    },
    /// What has happened: switchovers, members up and down, alarms, reloads, what operators did
    #[command(after_help = "Example: fairlead events --since 1h --event switchover --event alarm.raised --follow")]
    Events(Events),
    /// Changes of active members, newest first: cause, how long each step took, reason
    Switchovers {
        /// How they are shown.
        #[command(flatten)]
        view: View,
        /// Only those of this pool
        #[arg(long, value_name = "NAME")]
        pool: Option<String>,
        /// Only the last so many
        #[arg(long, value_name = "NUMBER", value_parser = number::<u64>(1..=u64::MAX))]
        last: Option<u64>,
    },
    /// Forwarding latency and loop times as percentiles; stalls
    Latency {
        /// How they are shown.
        #[command(flatten)]
        view: View,
        /// Start a new measurement; what is shown is the one that ends
        #[arg(long)]
        reset: bool,
    },
    /// Packets, bytes and connections by virtual server and member, in each direction: a second, and in all
    #[command(after_help = "Example: fairlead traffic --pool pair-1 --watch")]
    Traffic {
        /// How they are shown.
        #[command(flatten)]
        view: View,
        /// Only this virtual server
        #[arg(long, value_name = "NAME")]
        virtual_server: Option<String>,
        /// Only this member
        #[arg(long, value_name = "NAME")]
        member: Option<String>,
        /// Only those of this pool
        #[arg(long, value_name = "NAME")]
        pool: Option<String>,
    },
    /// SIP over UDP at service ports: methods, responses, retransmissions, response times
    Sip(View),
    /// Set a member's admin state
    #[command(subcommand)]
    Member(Member),
    /// Choose a pool's active member, or return to automatic selection
    #[command(subcommand)]
    Pool(Pool),
    /// Practise a switchover: show what it would move, or switch over, wait and switch back
    #[command(group = ArgGroup::new("what").required(true))]
    Drill {
        /// Which pool.
        #[command(flatten)]
        of: OfPool,
        /// Show what a switchover would move now; nothing is moved
        #[arg(long, group = "what")]
        shadow: bool,
        /// Switch over, wait, switch back, and report; needs --back-after
        #[arg(long, group = "what", requires = "back_after")]
        for_real: bool,
        /// Show the report of the drill that runs, or of the last one
        #[arg(long, group = "what")]
        report: bool,
        /// How long until the member before is active again: 1s to 1h
        #[arg(long, value_name = "TIME", value_parser = drill_time, conflicts_with_all = ["shadow", "report"])]
        back_after: Option<u64>,
        /// Do not ask whether to switch over
        #[arg(long, conflicts_with_all = ["shadow", "report"])]
        yes: bool,
    },
    /// SNAT exclusion groups: destinations that see the members' own addresses
    #[command(subcommand)]
    Exclude(Exclude),
    /// Probe a member on demand, or show what became known of it
    #[command(subcommand)]
    Probe(Probe),
    /// Whether this appliance is fit to be active, in one line: exit 0, 1 if not yet, 2 if not; for keepalived's track_script
    Health(Once),
    /// Announce all addresses by gratuitous ARP, as after a start
    Announce(Once),
    /// What is logged
    #[command(subcommand)]
    Log(Log),
    /// What the operator has set: kept over a restart, different from the file
    #[command(subcommand)]
    State(State),
    /// Show what a reload would change, and what it would do to the flows that stand; nothing is changed
    Diff {
        /// How it is shown.
        #[command(flatten)]
        once: Once,
        /// Compare with this file [default: the appliance's own]
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Read the file again, all or nothing; print the differences
    Reload {
        /// How the answer is shown.
        #[command(flatten)]
        once: Once,
        /// Go back to the configuration before unless `confirm` comes within this time, or if the appliance restarts before: 1s to 24h
        #[arg(long, value_name = "TIME", value_parser = confirm_time)]
        confirm: Option<u64>,
        /// Refuse if it would re-steer or cut more flows than this; `diff` says how many
        #[arg(long, value_name = "FLOWS", value_parser = number::<u64>(0..=u64::MAX))]
        max_impact: Option<u64>,
        /// Even if it takes the last member that is up away from a pool
        #[arg(long)]
        yes: bool,
    },
    /// Keep the configuration that a reload or rollback with --confirm has put in force
    Confirm(Once),
    /// The last ten configurations that were in force: since when, how they came, what they changed
    #[command(args_conflicts_with_subcommands = true)]
    History {
        /// How they are shown.
        #[command(flatten)]
        view: View,
        /// What else is shown of them.
        #[command(subcommand)]
        instead: Option<History>,
    },
    /// Put an earlier configuration in force again, as a reload does; the file is not written
    Rollback {
        /// How the answer is shown.
        #[command(flatten)]
        once: Once,
        /// Its number, as `history` has it
        #[arg(value_parser = number::<u64>(0..=u64::MAX))]
        number: u64,
        /// As of `reload`: 1s to 24h
        #[arg(long, value_name = "TIME", value_parser = confirm_time)]
        confirm: Option<u64>,
        /// As of `reload`
        #[arg(long, value_name = "FLOWS", value_parser = number::<u64>(0..=u64::MAX))]
        max_impact: Option<u64>,
        /// As of `reload`
        #[arg(long)]
        yes: bool,
    },
}

/// `flows ...`
#[derive(Debug, Subcommand)]
pub enum Flows {
    /// Clear the flows that match; all of them only with --all
    #[command(group = ArgGroup::new("which").args(["all", "client", "member", "virtual_server"]).multiple(true).required(true))]
    Clear {
        /// How the answer is shown.
        #[command(flatten)]
        once: Once,
        /// Which are cleared.
        #[command(flatten)]
        only: Only,
        /// Clear every flow: connections through the appliance have to begin anew
        #[arg(long, conflicts_with_all = ["client", "member", "virtual_server"])]
        all: bool,
    },
}

/// `history ...`
#[derive(Debug, Subcommand)]
pub enum History {
    /// Print what the file of one of them said
    Show {
        /// How the answer is shown.
        #[command(flatten)]
        once: Once,
        /// Its number
        #[arg(value_parser = number::<u64>(0..=u64::MAX))]
        number: u64,
    },
}

/// `member ...`
#[derive(Debug, Subcommand)]
pub enum Member {
    /// Return it to service: its monitors decide
    Enable(OfMember),
    /// Send it no new work once another member is up; let what it has finish
    Drain {
        /// Which.
        #[command(flatten)]
        of: OfMember,
        /// Take it offline after so long, if another member is up then, or once one is: 1s to 30d
        #[arg(long = "for", value_name = "TIME", value_parser = drain_time)]
        time: Option<u64>,
        /// Show how much it has left until that is nothing (exit 0), or it is taken offline by --for (0), or set otherwise (1);
        /// a line for each change, with --json an object
        #[arg(long)]
        wait: bool,
    },
    /// Take it out of service at once; its connections are reset
    Offline {
        /// Which.
        #[command(flatten)]
        of: OfMember,
        /// Even if it is active and no other member is up
        #[arg(long)]
        yes: bool,
    },
}

/// `pool ...`
#[derive(Debug, Subcommand)]
pub enum Pool {
    /// Make a member the active one until `pool auto`
    Force {
        /// Which.
        #[command(flatten)]
        of: OfPool,
        /// The member
        member: String,
    },
    /// Return to automatic selection
    Auto(OfPool),
}

/// `probe ...`
#[derive(Debug, Subcommand)]
pub enum Probe {
    /// Probe a member now and show the result
    Now(OfMember),
    /// What the last 32 probes of each monitor came to
    History(OfMember),
}

/// `log ...`
#[derive(Debug, Subcommand)]
pub enum Log {
    /// Show the log level, or change it at once, until a restart or until `log` changes in the file
    Level {
        /// How the answer is shown.
        #[command(flatten)]
        once: Once,
        /// error, warn, info, debug or trace
        #[arg(value_parser = PossibleValuesParser::new(LogLevel::WORDS).try_map(|word| level(&word)), hide_possible_values = true)]
        level: Option<LogLevel>,
    },
}

impl Ask {
    /// What is asked of the appliance.
    pub fn question(self) -> Question {
        match self {
            Ask::Status(view) => view.of(Request::Status {}, status::show),
            Ask::Members(view) => view.of(Request::Members {}, members::show),
            Ask::VirtualServers(view) => view.of(Request::VirtualServers {}, virtual_servers::show),
            Ask::Probes(view) => view.of(Request::Probes {}, probes::show),
            Ask::Flows { instead: Some(Flows::Clear { once, only, .. }), .. } => {
                once.of(Request::FlowsClear { filter: only.filter() }, flows::cleared)
            }
            Ask::Flows { view, only, limit, port, top, .. } => flows::question(view, only, limit, (port, top)),
            Ask::Explain(explain) => explain.question(),
            Ask::Snat(view) => view.of(Request::Snat {}, snat::show),
            Ask::Neighbours(view) => view.of(Request::Neighbours {}, neighbours::show),
            Ask::Routes(view) => view.of(Request::Routes {}, routes::show),
            Ask::Ports(view) => view.of(Request::Ports {}, ports::show),
            Ask::Interfaces(view) => view.of(Request::Interfaces {}, interfaces::show),
            Ask::Counters { view, all, drops, during } => counters::question(view, all, drops, during),
            Ask::Alarms { view, check, instead } => alarms::question(view, check, instead),
            Ask::Events(events) => events.question(),
            Ask::Switchovers { view, pool, last } => switchovers::question(view, pool, last),
            Ask::Latency { view, reset } => view.of(Request::Latency { reset }, latency::show),
            Ask::Traffic { view, virtual_server, member, pool } => {
                traffic::question(view, virtual_server, member, pool)
            }
            Ask::Sip(view) => view.of(Request::Sip {}, sip::show),
            Ask::Member(Member::Enable(of)) => of.set(AdminState::Enabled, false),
            Ask::Member(Member::Drain { of, time, wait }) => of.drain(time, wait),
            Ask::Member(Member::Offline { of, yes }) => of.set(AdminState::Offline, yes),
            Ask::Pool(Pool::Force { of: OfPool { once, pool }, member }) => {
                once.of(Request::PoolForce { pool, member }, members::forced)
            }
            Ask::Pool(Pool::Auto(OfPool { once, pool })) => once.of(Request::PoolAuto { pool }, members::show),
            Ask::Drill { of: OfPool { once, pool }, for_real: true, back_after, yes, .. } => {
                once.drill(pool, back_after.unwrap_or_default(), yes)
            }
            Ask::Drill { of, report, .. } => of.drill_told(report),
            Ask::Exclude(exclude) => exclude.question(),
            Ask::Probe(Probe::Now(OfMember { once, member })) => once.of(Request::ProbeNow { member }, probes::show),
            Ask::Probe(Probe::History(OfMember { once, member })) => {
                once.of(Request::ProbeHistory { member }, probes::history)
            }
            Ask::Health(once) => pair::health_question(once),
            Ask::Announce(once) => once.of(Request::Announce {}, announce::show),
            Ask::Log(Log::Level { once, level }) => once.of(Request::LogLevel { level }, log::show),
            Ask::State(state) => state.question(),
            Ask::Diff { once, file } => {
                Question { file, ..once.of(Request::Diff { name: None, text: None }, diff::show) }
            }
            Ask::Reload { once, confirm, max_impact, yes } => {
                once.of(Request::Reload { confirm_s: confirm, max_impact, yes }, reload::show)
            }
            Ask::History { instead: Some(History::Show { once, number }), .. } => {
                once.of(Request::HistoryShow { number }, history::text)
            }
            Ask::History { view, .. } => view.of(Request::History {}, history::show),
            Ask::Rollback { once, number, confirm, max_impact, yes } => {
                once.of(Request::Rollback { number, confirm_s: confirm, max_impact, yes }, reload::rolled_back)
            }
            Ask::Confirm(once) => once.of(Request::Confirm {}, reload::confirmed),
        }
    }
}
