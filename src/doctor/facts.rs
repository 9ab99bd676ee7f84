//! What checks look at.
//!
//! Owns the facts as they were gathered: the box, the file, and what the appliance answered. Each that is missing says why.

use super::device::Device;
use super::found::LeftOut;
use super::host::Host;
use crate::admin::rows::CounterRow;
use crate::config::Configuration;
use crate::policy::intent::{Intent, PortIntent};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything that was gathered.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What the kernel tells.
    pub host: Host,
    /// The configuration, if there is one.
    pub file: Option<File>,
    /// What the appliance answered.
    pub tables: Tables,
    /// What keeps the appliance from running here, as `check --here` says it; `None`: it runs, or there is no file.
    pub lacks: Option<Vec<String>>,
    /// By interface beneath a port.
    pub offloads: Offloads,
    /// The appliance that was asked is in another network namespace than whoever asks, or must be: what the kernel says here of links,
    /// addresses and forwarding is not said of it.
    pub elsewhere: Option<Elsewhere>,
    /// keepalived's own file, or why it could not be read; `None`: this appliance is of no pair, or hears no keepalived and there is none.
    pub keepalived: Option<Result<PairFile, LeftOut>>,
}

/// Where the appliance is, if not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// In the network namespace of this process, which is another one.
    Process(u32),
    /// Where this interface is, on which one of its ports stands.
    Interface(String),
}

impl Elsewhere {
    /// How that is known, and how to ask there.
    pub fn shown(&self) -> String {
        const THEN: &str = "so that what the kernel says here of links and addresses is not said of it. There it is";
        match self {
            Elsewhere::Process(id) => {
                format!(
                    "the appliance, process {id}, is in another network namespace, {THEN}: sudo nsenter -t {id} -n fairlead doctor"
                )
            }
            Elsewhere::Interface(name) => format!(
                "there is no interface {name} here, on which a port of the appliance stands: that is in another network namespace, {THEN}: \
                 ip netns exec NAMESPACE fairlead doctor"
            ),
        }
    }
}

/// Why a check of the kernel's network is left out then.
pub const ELSEWHERE: &str = "the appliance is in another network namespace";

/// A file of keepalived's.
#[derive(Clone, Debug)]
pub struct PairFile {
    /// As messages call it.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// What joins segments that an interface receives, in ethtool's words, or why that is not known.
pub type Offloads = BTreeMap<String, Result<Vec<String>, String>>;

/// A configuration file.
#[derive(Clone, Debug)]
pub struct File {
    /// As messages call it.
    pub name: String,
    /// What it says.
    pub text: String,
    /// It is the one in force.
    pub in_force: bool,
    /// What it means, or all that is wrong with it.
    pub read: Result<Box<Configuration>, String>,
}

/// The answers of the appliance, by command.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Why there is none at all.
    pub nobody: Option<String>,
    /// An appliance may run all the same, or runs and does not answer any more.
    pub unheard: Option<Unheard>,
    /// What each was answered.
    pub answers: BTreeMap<String, Result<Value, String>>,
}

/// Why an appliance that is there, or may be, is not heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unheard {
    /// It takes the question and says nothing; otherwise it may not be asked.
    pub is_silent: bool,
    /// Where, and why.
    pub why: String,
    /// What to do.
    pub remedy: String,
}

impl Unheard {
    /// In few words, for each thing that is not known because of it.
    pub fn shown(&self) -> String {
        match self.is_silent {
            true => "the appliance does not answer".into(),
            false => format!("you may not ask the appliance: {}", self.remedy),
        }
    }
}

/// The counters before those under `counters`, taken a second earlier.
pub const COUNTERS_BEFORE: &str = "counters-before";

/// Under which the latest probes of a member are found.
pub fn history_of(member: &str) -> String {
    format!("probe-history {member}")
}

impl Tables {
    /// The answer to a command.
    ///
    /// # Errors
    /// That nobody answered, that the appliance refused, or that this version cannot read the answer.
    pub fn get<T: DeserializeOwned>(&self, command: &str) -> Result<T, LeftOut> {
        let because = |why: &str| LeftOut::because(format!("the appliance did not say `{command}`: {why}"));
        match (self.answers.get(command), &self.nobody) {
            (Some(Ok(answer)), _) => T::deserialize(answer).map_err(|why| because(&why.to_string())),
            (Some(Err(why)), _) => Err(because(why)),
            (None, Some(_)) => Err(match &self.unheard {
                Some(unheard) => LeftOut::because(unheard.shown()),
                None => LeftOut::because("no appliance answers"),
            }),
            (None, None) => Err(because("it was not asked")),
        }
    }

    /// Why there is none, if that is all that is to be said of it.
    pub fn absent(&self) -> Option<&str> {
        self.nobody.as_deref().filter(|_| self.unheard.is_none())
    }

    /// The rows of a list that may be shortened.
    ///
    /// # Errors
    /// As [`Tables::get`].
    pub fn rows<T: DeserializeOwned>(&self, command: &str) -> Result<Vec<T>, LeftOut> {
        #[derive(serde::Deserialize)]
        struct Listed<T> {
            rows: Vec<T>,
        }
        self.get::<Listed<T>>(command).map(|listed| listed.rows)
    }

    /// The sums of the counters.
    ///
    /// # Errors
    /// As [`Tables::get`].
    pub fn counters(&self) -> Result<Counted, LeftOut> {
        let sums = |command| -> Result<BTreeMap<String, u64>, LeftOut> {
            let rows: Vec<CounterRow> = self.get(command)?;
            Ok(rows.into_iter().filter(|row| row.worker.is_none()).map(|row| (row.name, row.value)).collect())
        };
        let now = sums("counters")?;
        Ok(Counted { before: sums(COUNTERS_BEFORE).unwrap_or_else(|_| now.clone()), now })
    }
}

/// Counters, and what they were a second before.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    before: BTreeMap<String, u64>,
    now: BTreeMap<String, u64>,
}

impl Counted {
    /// Since the start.
    pub fn of(&self, name: &str) -> u64 {
        self.now.get(name).copied().unwrap_or(0)
    }

    /// In the last second.
    pub fn rise(&self, name: &str) -> u64 {
        self.of(name).saturating_sub(self.before.get(name).copied().unwrap_or(0))
    }

    /// As evidence: `drop_too_big 120, 3 of them in the last second`.
    pub fn shown(&self, name: &str) -> String {
        match self.rise(name) {
            0 => format!("counter {name} = {}, none of it in the last second", self.of(name)),
            rise => format!("counter {name} = {}, {rise} of it in the last second", self.of(name)),
        }
    }
}

impl Facts {
    /// What the file means.
    ///
    /// # Errors
    /// That there is none, or that it is refused.
    pub fn configuration(&self) -> Result<&Configuration, LeftOut> {
        match &self.file {
            None => Err(LeftOut::because("there is no configuration to compare with: name one with --config")),
            Some(File { read: Err(_), name, .. }) => Err(LeftOut::because(format!("{name} has errors"))),
            Some(File { read: Ok(configuration), .. }) => Ok(configuration),
        }
    }

    /// What the file says of traffic.
    ///
    /// # Errors
    /// As [`Facts::configuration`].
    pub fn intent(&self) -> Result<&Intent, LeftOut> {
        self.configuration().map(|configuration| &configuration.intent)
    }

    /// The cores that workers are pinned to.
    ///
    /// # Errors
    /// As [`Facts::configuration`].
    pub fn worker_cores(&self) -> Result<&[usize], LeftOut> {
        self.configuration().map(|configuration| configuration.settings.cores.workers.as_slice())
    }

    /// Ports with the interfaces of the kernel that they stand on.
    ///
    /// # Errors
    /// As [`Facts::configuration`].
    pub fn kernel_ports(&self) -> Result<Vec<(&PortIntent, &str)>, LeftOut> {
        let ports = self.intent()?.ports.iter();
        Ok(ports
            .filter_map(|port| match Device::of(&port.device) {
                Device::Kernel { interface, .. } => Some((port, interface)),
                _ => None,
            })
            .collect())
    }

    /// What the kernel says of its network here is said of where the appliance is.
    ///
    /// # Errors
    /// That it is not.
    pub fn is_here(&self) -> Result<(), LeftOut> {
        self.elsewhere.as_ref().map_or(Ok(()), |_| Err(LeftOut::because(ELSEWHERE)))
    }

    /// An appliance answers.
    pub fn is_running(&self) -> bool {
        self.tables.nobody.is_none() && !self.tables.answers.is_empty()
    }

    /// One answers, or there may be one that does not.
    pub fn may_run(&self) -> bool {
        self.is_running() || self.tables.unheard.is_some()
    }
}
