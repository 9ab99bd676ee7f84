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
use crate::doctor::{COUNTERS_BEFORE, Device, Facts, File, Host, Offloads, Tables, history_of};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the appliance's file is unless said otherwise.
const USUAL_FILE: &str = "/etc/fairlead/fairlead.toml";
/// Between two looks at the counters.
const APART: Duration = Duration::from_secs(1);
/// Flows that are read at most.
const FLOWS: usize = 10_000;
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
        let lacks = configuration.filter(|_| tables.nobody.is_some()).map(|it| Machine::this().lacks(it));
        Ok(Facts { host, file, tables, lacks, offloads })
    }

    fn named(&self, path: &Path) -> Result<(String, String), String> {
        let bytes = config::bytes_of(path).map_err(|errors| errors.to_string())?;
        Ok((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// One question.
    pub fn ask(&self, request: &Request) -> Result<Value, Failure> {
        client::ask(self.socket, request, self.patience)
    }

    fn tables(&self, said: &mut dyn FnMut(&str)) -> Tables {
        let mut tables = Tables::default();
        match self.ask(&Request::Status {}) {
            Err(failure @ (Failure::Unreachable(_) | Failure::Silent(_))) => {
                tables.nobody = Some(failure.to_string());
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
            ("switchovers", Request::Switchovers {}),
            ("latency", Request::Latency { reset: false }),
            ("sip", Request::Sip {}),
            ("history", Request::History {}),
            ("state-show", Request::StateShow {}),
            ("save-plan", Request::SavePlan {}),
        ] {
            keep(&mut tables, name, self.ask(&request));
        }
        self.of_members(&mut tables);
        self.in_force(&mut tables);
        said("waiting a second for the counters");
        std::thread::sleep(APART.saturating_sub(begun.elapsed()));
        keep(&mut tables, "counters", self.ask(&Request::Counters { all: true }));
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

    fn joined(&self, interface: &str) -> Result<Vec<String>, String> {
        match (self.joins)(interface) {
            Some(joined) => Ok(joined.into_iter().map(str::to_owned).collect()),
            None => ethtool(interface),
        }
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

    #[test]
    fn what_ethtool_prints_is_read() {
        let text = "Features for eth0:\nrx-checksumming: on\ngeneric-receive-offload: on\nlarge-receive-offload: off [fixed]\n";
        assert_eq!(joined_by(text), ["gro"]);
        assert_eq!(joined_by("large-receive-offload: on\n"), ["lro"]);
        assert_eq!(joined_by(""), [""; 0]);
    }
}
