//! Why a replay cannot begin or ends early, in words that say what to do.
//!
//! Owns the words.

use crate::capture_file::ReadError;
use crate::time::Duration;
use std::io;
use thiserror::Error;

/// Why.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The capture cannot be read on.
    #[error("{file}: {why}")]
    Read {
        /// Which file.
        file: String,
        /// Where and why.
        why: ReadError,
    },
    /// The other one cannot be written.
    #[error("cannot write {file}: {why}")]
    Write {
        /// Which file.
        file: String,
        /// Why.
        why: io::Error,
    },
    /// A file that cannot be opened, or read twice.
    #[error("cannot read {file}: {why}")]
    Open {
        /// Which file.
        file: String,
        /// Why.
        why: String,
    },
    /// The file has no packet.
    #[error("{0} holds no packet: there is nothing to replay")]
    NoPacket(String),
    /// `--interface` names something that the configuration does not have.
    #[error("--interface {given}: the configuration has no interface or port `{name}`: it has {choices}")]
    NoInterface {
        /// As it was typed.
        given: String,
        /// What is not there.
        name: String,
        /// What is.
        choices: String,
    },
    /// `--interface` names an interface that the capture does not have.
    #[error("--interface {given}: {file} has no interface `{name}`: it has {choices}")]
    NoCaptured {
        /// As it was typed.
        given: String,
        /// The capture.
        file: String,
        /// What is not there.
        name: String,
        /// What is.
        choices: String,
    },
    /// `--mac` names something that the configuration does not have.
    #[error("--mac {name}=..: the configuration has no interface or port `{name}`: it has {choices}")]
    NoPort {
        /// What is not there.
        name: String,
        /// What is.
        choices: String,
    },
    /// A member that the configuration does not have.
    #[error("{option} {name}: the configuration has no member `{name}`: it has {choices}")]
    NoMember {
        /// `--active`, `--down`, `--switchover`.
        option: &'static str,
        /// Who is not there.
        name: String,
        /// Who is.
        choices: String,
    },
    /// A member of a pool in which nobody is *the* active one.
    #[error("{option} {name}: in pool {pool} all members that are up are active; say who is not by --down")]
    Shared {
        /// `--active` or `--switchover`.
        option: &'static str,
        /// The member.
        name: String,
        /// Its pool.
        pool: String,
    },
    /// Who is active is not up.
    #[error("member {0} cannot be active and down: leave out --active or --down")]
    ActiveAndDown(String),
    /// Two members of a pool are to be the active one.
    #[error("--active {first} and --active {second}: both are of pool {pool}, which has one active member")]
    TwoActive {
        /// One.
        first: String,
        /// The other.
        second: String,
        /// Their pool.
        pool: String,
    },
    /// A switchover after which nothing comes.
    #[error(
        "--switchover ..={member}: at {} s it would be behind the end of the capture, which is {} s long: TIME counts from its first \
         packet, or is RFC 3339", .after.as_secs_f64(), .span.as_secs_f64()
    )]
    TooLate {
        /// Who was to take over.
        member: String,
        /// When, from the first packet on.
        after: Duration,
        /// From the first packet to the last.
        span: Duration,
    },
    /// Nothing says where a frame came in.
    #[error(
        "{file}: frame {number} from {src}: nothing says on which interface it came in, as no network and no route leads back \
         to {src}: name it by --interface {captured}=NAME, where NAME is one of {choices}"
    )]
    Unplaced {
        /// The capture.
        file: String,
        /// Counted from 1.
        number: u64,
        /// Its source address.
        src: std::net::Ipv4Addr,
        /// Where it was captured.
        captured: String,
        /// What the configuration has.
        choices: String,
    },
    /// Nothing can be compared.
    #[error(
        "--expect {file}: none of its {frames} frames is one that the appliance sends: it is outbound by its flag, or its source is \
         {macs}. Our MAC in that file is named by --mac NAME=MAC"
    )]
    NothingExpected {
        /// The capture.
        file: String,
        /// How many it has.
        frames: u64,
        /// Our MACs.
        macs: String,
    },
    /// The captures differ too much in their order.
    #[error(
        "--expect {0}: frames of one interface are more than {MOST_AHEAD} ahead of another's: sort it with `reordercap IN OUT`"
    )]
    TooFarApart(String),
}

/// How many frames of the expected capture are kept until their turn comes.
pub(super) const MOST_AHEAD: usize = 4_096;
