//! The commands: a file each, collected in one ordered table.
//!
//! Owns what an operator types and reads: of each command the words, the help, the arguments, what is asked of the
//! appliance and the columns of its answer. Parsing, help, completion, the manual page and `--json` follow from the
//! table. A new command is a file here and a line in [`COMMANDS`]; `ARCHITECTURE.md` shows one as a diff.

mod args;
mod counters;
mod exclude;
mod flows;
mod here;
mod kit;
mod latency;
mod member;
mod members;
mod neighbours;
mod pool;
mod ports;
mod probe_now;
mod probes;
mod reload;
mod routes;
mod snat;
mod status;
mod switchovers;
mod virtual_servers;

pub use kit::{Command, Does, Shown};

/// A first word that has others behind it.
#[derive(Debug)]
pub struct Group {
    /// The word.
    pub word: &'static str,
    /// One line of help.
    pub about: &'static str,
}

/// The groups. A word that is a command of its own as well (`flows`) is not among them.
pub const GROUPS: &[Group] = &[
    Group { word: "member", about: "Set a member's admin state" },
    Group { word: "pool", about: "Choose a pool's active member, or return to automatic selection" },
    Group { word: "exclude", about: "SNAT exclusion groups: destinations that see the members' own addresses" },
    Group { word: "probe", about: "Probe a member on demand" },
];

/// All commands, in the order of the help.
pub const COMMANDS: &[Command] = &[
    here::RUN,
    here::CHECK,
    status::STATUS,
    members::MEMBERS,
    virtual_servers::VIRTUAL_SERVERS,
    probes::PROBES,
    flows::FLOWS,
    flows::CLEAR,
    snat::SNAT,
    neighbours::NEIGHBOURS,
    routes::ROUTES,
    ports::PORTS,
    counters::COUNTERS,
    switchovers::SWITCHOVERS,
    latency::LATENCY,
    member::ENABLE,
    member::DRAIN,
    member::OFFLINE,
    pool::FORCE,
    pool::AUTO,
    exclude::LIST,
    exclude::ADD,
    exclude::REMOVE,
    probe_now::PROBE_NOW,
    reload::RELOAD,
    here::COMPLETION,
    here::MANUAL,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_word_is_a_group_or_a_command() {
        for command in COMMANDS {
            if let Some((first, _)) = command.words.split_once(' ') {
                let group = GROUPS.iter().any(|group| group.word == first);
                let own = COMMANDS.iter().any(|other| other.words == first);
                assert!(group != own, "{first}");
            }
        }
    }
}
