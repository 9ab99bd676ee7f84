//! The commands: one ordered table, from which parsing, help, completion, the manual and the admin verbs fall out.
//!
//! Owns the names an operator types. A command that asks the appliance sends its words joined by a hyphen, with its
//! arguments under their own names: `fairlead pool force P M` sends `pool-force` with `{"pool":"P","member":"M"}`.
//! To add a command, add a row here; if it asks, add its verb to `admin::request` and its table to `show`.

use super::show::Table;

/// A row of the table.
#[derive(Debug)]
pub struct Command {
    /// What is typed: one word, or two with a space between.
    pub words: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// What it takes.
    pub args: &'static [Arg],
    /// What it does.
    pub does: Does,
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Becomes the appliance.
    Run,
    /// Validates a file.
    Check,
    /// Prints the completion script of a shell.
    Completion,
    /// Prints the manual page.
    Manual,
    /// Asks the appliance for something to look at, again and again if wanted.
    Look(Table),
    /// Asks the appliance to do something.
    Tell(Table),
}

/// What a command takes.
#[derive(Debug)]
pub struct Arg {
    /// Its name, on the command line and in the admin protocol alike.
    pub name: &'static str,
    /// How it is written.
    pub kind: Kind,
    /// One line of help.
    pub about: &'static str,
}

/// How an argument is written, and what it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name, written as the placeholder says.
    Name(&'static str),
    /// `PREFIX`
    Prefix,
    /// `FILE`
    File,
    /// `bash`, `zsh`, `fish`
    Shell,
    /// `--arg FILE`, required.
    FileOption,
    /// `--arg ADDRESS`
    AddressOption,
    /// `--arg NAME`
    NameOption,
    /// `--arg ROWS`
    RowsOption,
    /// `--arg`
    Flag,
}

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
    Group { word: "member", about: "Say what a member shall do" },
    Group { word: "pool", about: "Choose the active member of a pool, or give the choice back" },
    Group { word: "exclude", about: "The destinations that see the members' own addresses (SNAT exclusion group)" },
    Group { word: "probe", about: "Ask a member whether it is alive" },
];

const POOL: Arg = Arg { name: "pool", kind: Kind::Name("POOL"), about: "The pool" };
const MEMBER: Arg = Arg { name: "member", kind: Kind::Name("MEMBER"), about: "The member" };
const PREFIX: Arg =
    Arg { name: "prefix", kind: Kind::Prefix, about: "Destinations, such as 172.16.2.0/24, or one address" };
const BY_CLIENT: Arg = Arg { name: "client", kind: Kind::AddressOption, about: "Only flows with this address outside" };
const BY_MEMBER: Arg =
    Arg { name: "member", kind: Kind::NameOption, about: "Only flows of this member, or opened by it" };
const BY_SERVICE: Arg = Arg { name: "service", kind: Kind::NameOption, about: "Only flows of this virtual server" };
const LIMIT: Arg = Arg { name: "limit", kind: Kind::RowsOption, about: "At most so many rows [default: 1000]" };
const ALL: Arg = Arg { name: "all", kind: Kind::Flag, about: "Also counters that stand at zero" };
const RESET: Arg =
    Arg { name: "reset", kind: Kind::Flag, about: "Measure anew from now on; shown is what was measured until now" };
const CONFIG: Arg = Arg { name: "config", kind: Kind::FileOption, about: "The appliance's file, TOML" };
const FILE: Arg = Arg { name: "file", kind: Kind::File, about: "The appliance's file, TOML" };
const SHELL: Arg = Arg { name: "shell", kind: Kind::Shell, about: "The shell" };

const fn row(words: &'static str, args: &'static [Arg], does: Does, about: &'static str) -> Command {
    Command { words, about, args, does }
}

/// All commands, in the order of the help.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    row("run", &[CONFIG], Does::Run, "Be the appliance: stay in the foreground, log to stderr, tell systemd when ready"),
    row("check", &[FILE], Does::Check, "Validate a file and print what would be built; exit 0 or 2"),
    row("status", &[], Does::Look(Table::Status), "One screen: workers, ports, services with their active member and why, last switchover"),
    row("members", &[], Does::Look(Table::Members), "The members of all pools: state, role, reason, probes"),
    row("services", &[], Does::Look(Table::Services), "The virtual servers and their active members"),
    row("probes", &[], Does::Look(Table::Probes), "Each monitor of each member: last answer, round-trip time, counts"),
    row("flows", &[BY_CLIENT, BY_MEMBER, BY_SERVICE, LIMIT], Does::Look(Table::Flows), "The flows, and what each was translated to"),
    row("flows clear", &[BY_CLIENT, BY_MEMBER, BY_SERVICE], Does::Tell(Table::Cleared), "Forget the flows that match, or all; says how many"),
    row("snat", &[], Does::Look(Table::Snat), "The addresses that members wear outside, and their ports in use"),
    row("neighbours", &[], Does::Look(Table::Neighbours), "Who is on the link, and at which MAC"),
    row("routes", &[], Does::Look(Table::Routes), "Where packets go"),
    row("ports", &[], Does::Look(Table::Ports), "The NICs: link, queues, frames, bytes, losses"),
    row("counters", &[ALL], Does::Look(Table::Counters), "The counters that moved, with what each means"),
    row("switchovers", &[], Does::Look(Table::Switchovers), "The changes of active members: who, why, and how long each step took"),
    row("latency", &[RESET], Does::Look(Table::Latency), "Time in the box: receive to transmit, turns, stalls; without the time in NIC rings"),
    row("member enable", &[MEMBER], Does::Tell(Table::Members), "Let its monitors decide again"),
    row("member drain", &[MEMBER], Does::Tell(Table::Members), "Give it no new work; what it has may finish"),
    row("member offline", &[MEMBER], Does::Tell(Table::Members), "Take it away at once"),
    row("pool force", &[POOL, MEMBER], Does::Tell(Table::Members), "Make a member the active one until told otherwise"),
    row("pool auto", &[POOL], Does::Tell(Table::Members), "Give the choice back to the monitors"),
    row("exclude list", &[POOL], Does::Tell(Table::Excluded), "List the exclusion group"),
    row("exclude add", &[POOL, PREFIX], Does::Tell(Table::Excluded), "Put a prefix into the exclusion group, live, for new flows"),
    row("exclude remove", &[POOL, PREFIX], Does::Tell(Table::Excluded), "Take a prefix out of the exclusion group, live, for new flows"),
    row("probe now", &[MEMBER], Does::Tell(Table::Probes), "Probe at once and show the answer"),
    row("reload", &[], Does::Tell(Table::Reloaded), "Read the file again, all or nothing; print the difference"),
    row("completion", &[SHELL], Does::Completion, "Print the completion script of a shell"),
    row("manual", &[], Does::Manual, "Print the manual page (roff)"),
];

impl Command {
    /// The word in `command` of the admin protocol.
    pub fn verb(&self) -> String {
        self.words.replace(' ', "-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::request;

    #[test]
    fn what_can_be_typed_is_what_can_be_asked() {
        let typed: Vec<String> = COMMANDS
            .iter()
            .filter(|command| matches!(command.does, Does::Look(_) | Does::Tell(_)))
            .map(Command::verb)
            .collect();
        assert_eq!(typed, request::COMMANDS);
    }

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
