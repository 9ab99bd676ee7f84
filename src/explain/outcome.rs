//! How it ends, in words.

use super::exit::hop_words;
use super::names::{Names, span};
use super::trial::Trial;
use crate::engine::{DropReason, Verdict};
use crate::wire::reply::{IcmpError, Reply};

/// What it is called, what it is counted as, and what it means.
pub(super) fn of(trial: &Trial, names: Names) -> (&'static str, Option<String>, String) {
    let counted = |reason: DropReason| Some(reason.name().to_owned());
    match trial.verdict {
        Verdict::Forward(_) | Verdict::ForwardError { .. } => {
            ("forward", None, format!("It leaves{}.", as_what(trial)))
        }
        Verdict::Answer(reply) => ("answer", None, format!("The appliance answers it: {}.", words_of(reply))),
        Verdict::Reject { with, reason } => {
            let text = format!("{} Its sender gets: {}.", why(trial, names, reason), words_of(with));
            ("reject", counted(reason), text)
        }
        Verdict::Hold(hop) => {
            ("hold", None, format!("It waits until its next hop {} answers ARP.", hop_words(trial, names, hop)))
        }
        Verdict::Reassemble => ("reassemble", None, "It waits until all fragments of its datagram are there.".into()),
        Verdict::Defer => {
            let text = "Nobody takes it: its sender is refused in six seconds, unless a member opens the same connection by then (RFC 5382 \
                        REQ-4).";
            ("defer", None, text.into())
        }
        Verdict::Withhold(what) => {
            let (member, gap) = (names.member(what.member), span(what.patience));
            let text = format!(
                "It waits for {gap} at most, until it is known whether another member takes over from {member}."
            );
            ("withhold", None, text)
        }
        Verdict::Punt(reason) => {
            let to = if reason.is_for_host() { "the kernel" } else { "management" };
            ("punt", Some(reason.name().into()), format!("It goes to {to}. {}", reason.explanation()))
        }
        Verdict::Drop(reason) => ("drop", counted(reason), format!("{} In silence.", why(trial, names, reason))),
        Verdict::Ignore(reason) => ("ignore", Some(reason.name().into()), reason.explanation().into()),
    }
}

/// What the reason means, and who does not answer ARP, if that is why.
fn why(trial: &Trial, names: Names, reason: DropReason) -> String {
    match (trial.failed_hop().map(|hop| hop_words(trial, names, hop)), reason) {
        (Some(hop), DropReason::HostUnreachable) => format!("The next hop does not answer ARP: {hop}."),
        (Some(hop), _) => format!("{} The next hop does not answer ARP: {hop}.", reason.explanation()),
        (None, _) => reason.explanation().into(),
    }
}

fn as_what(trial: &Trial) -> String {
    match trial.became {
        Some(became) if became == trial.case.tuple => " unchanged".into(),
        Some(became) => format!(" as {became}"),
        None => String::new(),
    }
}

fn words_of(reply: Reply) -> String {
    match reply {
        Reply::Arp { mac } => format!("ARP reply, {mac}"),
        Reply::Echo => "echo reply".into(),
        Reply::Reset => "TCP reset".into(),
        Reply::IcmpError { error, from } => format!("ICMP {} from {from}", error_name(error)),
    }
}

fn error_name(error: IcmpError) -> String {
    match error {
        IcmpError::NetUnreachable => "network unreachable".into(),
        IcmpError::HostUnreachable => "host unreachable".into(),
        IcmpError::ProtocolUnreachable => "protocol unreachable".into(),
        IcmpError::PortUnreachable => "port unreachable".into(),
        IcmpError::FragmentationNeeded { mtu } => format!("fragmentation needed, MTU {mtu}"),
        IcmpError::Prohibited => "communication administratively prohibited".into(),
        IcmpError::TtlExceeded => "time exceeded".into(),
    }
}
