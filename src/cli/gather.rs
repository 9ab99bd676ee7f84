//! Facts for `doctor` and `support`: read from the box, asked of the appliance.
//!
//! Owns what is asked, in what order, and for how long. Changes nothing, and goes on without whatever does not answer.

use super::client::{self, Failure};
use super::here::Machine;
use crate::admin::Request;
use crate::admin::configurations::{HistoryRow, HistoryText};
use crate::admin::request::FlowSelection;
use crate::admin::rows::MemberRow;
use crate::admin::save::SavePlan;
use crate::config::{self, Configuration};
use crate::doctor::{
    COUNTERS_BEFORE, Device, Elsewhere, Facts, File, Host, LeftOut, Offloads, PairFile, Reading, Tables, Unheard,
    history_of,
};
use serde_json::Value;
use std::cell::Cell;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the appliance's file is unless said otherwise.
pub(super) const USUAL_FILE: &str = "/etc/fairlead/fairlead.toml";
/// Between two looks at the counters.
const APART: Duration = Duration::from_secs(1);
/// Flows that are read at most.
const FLOWS: usize = 10_000;
/// Bytes that are read of another program's file, at most.
const LARGEST_OTHER: u64 = 1 << 20;
/// Members whose latest probes are asked for, at most.
const HISTORIES: usize = 64;

/// What a kernel is asked that only the program itself may ask: what joins segments that an interface receives; `None`: not known.
pub type Joins = fn(&str) -> Option<Vec<&'static str>>;

/// Whom to ask.
pub struct Sources<'a> {
    /// The admin socket.
    pub socket: &'a Path,
    /// How long an answer may take.
    pub patience: Duration,
    /// The file that was named.
    pub config: Option<&'a Path>,
    /// See [`Joins`].
    pub joins: Joins,
    /// It has left a question without an answer.
    pub silent: Cell<bool>,
}

impl Sources<'_> {
    /// All facts. `said` hears what is being done.
    ///
    /// # Errors
    /// That the file which was named cannot be read.
    pub fn facts(&self, said: &mut dyn FnMut(&str)) -> Result<Facts, String> {
        let named = self.config.map(|path| self.named(path)).transpose()?;
        said("asking the appliance");
        let tables = self.tables(said);
        let running = running(&tables);
        let file = match (named, running) {
            (Some((name, text)), running) => {
                let in_force = running.is_some_and(|(_, in_force)| *in_force == *text);
                Some(read(name, text, in_force))
            }
            (None, Some((name, text))) => Some(read(name, text.to_string(), true)),
            (None, None) => self.named(Path::new(USUAL_FILE)).ok().map(|(name, text)| read(name, text, false)),
        };
        said("reading what the kernel tells of this box");
        let configuration = file.as_ref().and_then(|file| file.read.as_ref().ok());
        let (host, offloads) = self.host(configuration.map(|it| &**it));
        let lacks = configuration.filter(|_| tables.absent().is_some()).map(|it| Machine::this().lacks(it));
        let keepalived = configuration.and_then(|it| keepalived(it));
        let elsewhere = self.elsewhere(&tables, configuration.map(|it| &**it), &host);
        Ok(Facts { host, file, tables, lacks, offloads, elsewhere, keepalived })
    }

    fn named(&self, path: &Path) -> Result<(String, String), String> {
        let bytes = config::bytes_of(path).map_err(|errors| errors.to_string())?;
        Ok((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// One question; none any more once there was no answer to one, so that nobody waits for each.
    pub fn ask(&self, request: &Request) -> Result<Value, Failure> {
        if self.silent.get() {
            let socket = self.socket.display();
            return Err(Failure::Silent(format!(
                "{socket}: it was not asked, as it has left another question unanswered"
            )));
        }
        let answer = client::ask(self.socket, request, self.patience);
        self.silent.set(matches!(answer, Err(Failure::Silent(_))));
        answer
    }

    fn tables(&self, said: &mut dyn FnMut(&str)) -> Tables {
        let mut tables = Tables::default();
        match self.ask(&Request::Status {}) {
            Err(failure @ (Failure::Unreachable(_) | Failure::Forbidden { .. } | Failure::Silent(_))) => {
                tables.nobody = Some(failure.to_string());
                tables.unheard = unheard(&failure);
                return tables;
            }
            answer => keep(&mut tables, "status", answer),
        }
        let begun = Instant::now();
        keep(&mut tables, COUNTERS_BEFORE, self.ask(&Request::Counters { all: true }));
        let flows = Request::Flows { filter: FlowSelection::default(), limit: FLOWS };
        for (name, request) in [
            ("members", Request::Members {}),
            ("virtual-servers", Request::VirtualServers {}),
            ("probes", Request::Probes {}),
            ("flows", flows),
            ("snat", Request::Snat {}),
            ("neighbours", Request::Neighbours {}),
            ("routes", Request::Routes {}),
            ("ports", Request::Ports {}),
            ("interfaces", Request::Interfaces {}),
            ("switchovers", Request::Switchovers {}),
            ("recorder", Request::RecorderList {}),
            ("latency", Request::Latency { reset: false }),
            ("traffic", Request::Traffic {}),
            ("sip", Request::Sip {}),
            ("history", Request::History {}),
            ("state-show", Request::StateShow {}),
            ("save-plan", Request::SavePlan {}),
        ] {
            keep(&mut tables, name, self.ask(&request));
        }
        self.of_members(&mut tables);
        self.in_force(&mut tables);
        if !self.silent.get() {
            said("waiting a second for the counters");
            std::thread::sleep(APART.saturating_sub(begun.elapsed()));
        }
        keep(&mut tables, "counters", self.ask(&Request::Counters { all: true }));
        if self.silent.get() {
            said("the appliance has stopped answering: the rest was not asked");
            tables.unheard = unheard(&Failure::Silent(client::silent(self.socket, self.patience)));
        }
        tables
    }

    fn of_members(&self, tables: &mut Tables) {
        let members: Vec<MemberRow> = tables.get("members").unwrap_or_default();
        for member in members.into_iter().take(HISTORIES) {
            let name = history_of(&member.name);
            keep(tables, &name, self.ask(&Request::ProbeHistory { member: member.name }));
        }
    }

    /// What the configuration in force says, if the appliance does not say what would be saved.
    fn in_force(&self, tables: &mut Tables) {
        let history: Vec<HistoryRow> = tables.get("history").unwrap_or_default();
        if let Some(row) = history.iter().find(|row| row.in_force) {
            keep(tables, "history-show", self.ask(&Request::HistoryShow { number: row.number }));
        }
    }

    fn host(&self, file: Option<&Configuration>) -> (Host, Offloads) {
        let cores = file.map(|it| it.settings.cores.workers.clone()).unwrap_or_default();
        let devices: Vec<Device<'_>> =
            file.iter().flat_map(|it| &it.intent.ports).map(|it| Device::of(&it.device)).collect();
        let host = Host::read(Path::new("/"), &cores, &devices);
        let beneath = devices.iter().filter_map(|device| match device {
            Device::Kernel { interface, .. } => Some((*interface).to_owned()),
            _ => None,
        });
        (host, beneath.map(|interface| (interface.clone(), self.joined(&interface))).collect())
    }

    /// Whether the appliance is in another network namespace: the kernel knows it of the process, or an interface of its is not here.
    fn elsewhere(&self, tables: &Tables, file: Option<&Configuration>, host: &Host) -> Option<Elsewhere> {
        if tables.absent().is_some() {
            return None;
        }
        let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/net")).ok();
        let process = if tables.nobody.is_none() { client::listener(self.socket) } else { None };
        if let Some((id, there)) = process.and_then(|id| Some((id, namespace(&id.to_string())?))) {
            return (namespace("self")? != there).then_some(Elsewhere::Process(id));
        }
        let devices = file.into_iter().flat_map(|file| &file.intent.ports).map(|port| Device::of(&port.device));
        let is_absent = |interface: &str| *host.reading(&format!("sys/class/net/{interface}/mtu")) == Reading::Absent;
        let mut absent = devices.filter_map(|device| match device {
            Device::Kernel { interface, .. } if is_absent(interface) => Some(interface.to_owned()),
            _ => None,
        });
        absent.next().map(Elsewhere::Interface)
    }

    fn joined(&self, interface: &str) -> Result<Vec<String>, String> {
        match (self.joins)(interface) {
            Some(joined) => Ok(joined.into_iter().map(str::to_owned).collect()),
            None => ethtool(interface),
        }
    }
}

/// The file of the keepalived that says who of the pair is active. Where none is heard, there may be none.
fn keepalived(file: &Configuration) -> Option<Result<PairFile, LeftOut>> {
    let pair = file.intent.pair.as_ref()?;
    let name = pair.keepalived_config.clone();
    match whole(Path::new(&name)) {
        Ok(bytes) => Some(Ok(PairFile { name, text: String::from_utf8_lossy(&bytes).into_owned() })),
        Err(error) if pair.keepalived.is_none() && error.kind() != io::ErrorKind::FileTooLarge => None,
        Err(error) => Some(Err(LeftOut::because(format!("{name} cannot be read ([pair] keepalived_config): {error}")))),
    }
}

/// All of another program's file: a part of one says things that the whole does not.
fn whole(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(LARGEST_OTHER + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_OTHER {
        let why = format!("it is larger than {} MiB", LARGEST_OTHER >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// It is there, or may be.
fn unheard(failure: &Failure) -> Option<Unheard> {
    match failure {
        Failure::Forbidden { socket, why, remedy } => Some(Unheard {
            is_silent: false,
            why: format!("{socket}: you may not open it{why}"),
            remedy: remedy.clone(),
        }),
        Failure::Silent(why) => {
            let remedy =
                "see its log (journalctl -u fairlead) and systemctl status fairlead; or wait longer with --timeout";
            Some(Unheard { is_silent: true, why: why.clone(), remedy: remedy.into() })
        }
        _ => None,
    }
}

fn keep(tables: &mut Tables, name: &str, answer: Result<Value, Failure>) {
    tables.answers.insert(name.into(), answer.map_err(|failure| failure.to_string()));
}

/// The configuration in force, and what its file is called.
fn running(tables: &Tables) -> Option<(String, Arc<str>)> {
    let plan = tables.get::<SavePlan>("save-plan").ok();
    let text = tables.get::<HistoryText>("history-show").ok().map(|row| row.text);
    match (plan, text) {
        (Some(plan), text) => Some((plan.file, text.unwrap_or(plan.text))),
        (None, Some(text)) => Some(("the configuration in force".into(), text)),
        (None, None) => None,
    }
}

fn read(name: String, text: String, in_force: bool) -> File {
    let read = config::parse(&name, &text).map(Box::new).map_err(|errors| errors.to_string());
    File { name, text, in_force, read }
}

/// What the file that the appliance reads says now, and where it is.
pub fn on_disk(facts: &Facts, config: Option<&Path>) -> (PathBuf, Result<String, String>) {
    let plan = facts.tables.get::<SavePlan>("save-plan").ok();
    let path = plan.map(|plan| PathBuf::from(plan.file));
    let path = config.map(Path::to_owned).or(path).unwrap_or_else(|| USUAL_FILE.into());
    let read = config::bytes_of(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (path, read.map_err(|errors| errors.errors.first().map_or_else(String::new, |error| error.message.clone())))
}

/// The last resort.
fn ethtool(interface: &str) -> Result<Vec<String>, String> {
    let because = |why: &str| format!("whether the kernel joins its segments is not known: {why}");
    let mut command = Command::new("ethtool");
    let run = command.args(["-k", interface]).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = run.map_err(|why| because(&format!("ethtool: {why}")))?;
    if !output.status.success() {
        return Err(because(
            "ethtool knows no such interface here: ask where the appliance runs, in its network namespace",
        ));
    }
    Ok(joined_by(&String::from_utf8_lossy(&output.stdout)))
}

fn joined_by(features: &str) -> Vec<String> {
    let rows = [("gro", "generic-receive-offload:"), ("lro", "large-receive-offload:")];
    let is_on = |label: &str| {
        features.lines().any(|line| line.trim().strip_prefix(label).is_some_and(|rest| rest.trim().starts_with("on")))
    };
    rows.iter().filter(|(_, label)| is_on(label)).map(|(name, _)| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;

    /// An appliance that answers so many questions and is silent then.
    fn answering(times: usize) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("admin.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for (at, stream) in listener.incoming().flatten().enumerate() {
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                if at < times {
                    (&stream).write_all(b"{\"id\":1,\"ok\":true,\"data\":[]}\n").unwrap();
                }
                open.push(stream);
            }
        });
        (folder, socket)
    }

    fn sources(socket: &Path) -> Sources<'_> {
        let patience = Duration::from_millis(300);
        Sources { socket, patience, config: None, joins: |_| None, silent: Cell::default() }
    }

    #[test]
    fn after_one_silence_nothing_is_asked_any_more() {
        let (_folder, socket) = answering(3);
        let begun = Instant::now();
        let tables = sources(&socket).tables(&mut |_| {});
        assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
        assert!(tables.nobody.is_none() && tables.answers["members"].is_ok());
        let why = tables.answers["flows"].as_ref().unwrap_err();
        assert!(why.contains("it was not asked"), "{why}");
        assert!(tables.unheard.unwrap().is_silent);
    }

    #[test]
    fn one_that_may_not_be_asked_is_not_one_that_does_not_run() {
        let forbidden = client::unconnected(Path::new("/etc/shadow"), &std::io::ErrorKind::PermissionDenied.into());
        let unheard = unheard(&forbidden).unwrap();
        assert!(!unheard.is_silent && unheard.remedy.contains("ask as root"), "{unheard:?}");
        let tables = sources(Path::new("/nowhere/admin.sock")).tables(&mut |_| {});
        assert_eq!((tables.unheard.is_none(), tables.absent().is_some()), (true, true));
        let (_folder, socket) = answering(0);
        let tables = sources(&socket).tables(&mut |_| {});
        assert!(tables.unheard.is_some_and(|it| it.is_silent) && tables.nobody.is_some());
    }

    #[test]
    fn a_file_that_is_too_large_is_left_out_and_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keepalived.conf");
        let largest = vec![b'\n'; LARGEST_OTHER as usize];
        fs::write(&path, &largest).unwrap();
        assert_eq!(whole(&path).unwrap().len(), largest.len());
        fs::write(&path, [largest, vec![b'}']].concat()).unwrap();
        let error = whole(&path).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (io::ErrorKind::FileTooLarge, "it is larger than 1 MiB")
        );
    }

    #[test]
    fn what_ethtool_prints_is_read() {
        let text = "Features for eth0:\nrx-checksumming: on\ngeneric-receive-offload: on\nlarge-receive-offload: off [fixed]\n";
        assert_eq!(joined_by(text), ["gro"]);
        assert_eq!(joined_by("large-receive-offload: on\n"), ["lro"]);
        assert_eq!(joined_by(""), [""; 0]);
    }
}
