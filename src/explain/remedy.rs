//! What an operator can do about a packet that is not forwarded.

use super::exit::hop_words;
use super::names::Names;
use super::trial::Trial;
use crate::engine::{DropReason, Verdict};

/// Nothing where the packet is forwarded, or where there is nothing to be done.
pub(super) fn of(trial: &Trial, names: Names) -> Option<String> {
    if let Some(hop) = trial.failed_hop() {
        let hop = hop_words(trial, names, hop);
        return Some(format!(
            "check that {hop} is up, its address, VLAN and cable: `fairlead neighbours` shows it as failed until it answers"
        ));
    }
    let text = match trial.verdict {
        Verdict::Drop(reason) | Verdict::Reject { reason, .. } => of_reason(reason)?,
        Verdict::Hold(hop) => {
            let hop = hop_words(trial, names, hop);
            return Some(format!(
                "`fairlead neighbours` says whether {hop} answers; check its address, VLAN and cable if not"
            ));
        }
        Verdict::Withhold(_) => {
            "`fairlead members` says why the active member does not answer; `[[pool]] gap` is how long this waits"
        }
        Verdict::Defer => {
            "`unmatched = \"reject-now\"` of the virtual server refuses it at once; a virtual server that listens there takes it"
        }
        _ => return None,
    };
    Some(text.into())
}

/// The same for all packets that are dropped for the reason of this name; nothing where there is nothing to be done, or no such reason.
pub fn remedy_for_drop(name: &str) -> Option<String> {
    let text = of_reason(*DropReason::ALL.iter().find(|reason| reason.name() == name)?)?;
    // What is meant for whoever types `explain` stands in parentheses.
    Some(match text.split_once(" (--") {
        Some((before, rest)) => format!("{before}{}", rest.split_once(')').map_or("", |(_, after)| after)),
        None => text.into(),
    })
}

fn of_reason(reason: DropReason) -> Option<&'static str> {
    use DropReason::*;
    Some(match reason {
        SpoofedSource => {
            "check where it comes in (--interface, --from): an address of ours is nobody else's, and a member's belongs to its own interface"
        }
        MartianSource | MartianDestination => "no host may use this address: check what was typed, or who sends it",
        UnknownInterface | NotForUs => {
            "check port and VLAN tag of [[interface]], and the sender's route to the appliance"
        }
        PairStandby => "ask the other appliance, which is active: `fairlead pair` says why this one is not",
        PairSettling => "try again when the time of `[pair] settle` is over",
        NoRoute => "add a [[route]] that holds the destination, and `fairlead reload`",
        HostUnreachable => {
            "`fairlead neighbours` shows the next hop as failed: check that the host is up, its address, VLAN and cable"
        }
        TooBig => "the sender has set DF: lower its MTU, or raise `mtu` of the interface it leaves by",
        TtlExceeded => "look for a routing loop in front of the appliance",
        MemberUndecided => "wait until the probes have decided: `fairlead probes`",
        NoActiveMember => {
            "`fairlead members` says why none is up; `fairlead pool force POOL MEMBER` makes one active all the same"
        }
        VirtualServerDisabled => "set `enabled = true` of the virtual server, and `fairlead reload`",
        ConnectionLimit | ConnectionRateLimit => {
            "`fairlead virtual-servers` and `fairlead members` show the limits and what stands: raise `connection_limit` or `connection_rate_limit`"
        }
        MemberLost => "its sender has to begin anew; `[[pool]] on_down` says what happens to what a lost member had",
        NotListening => "add the port to `listen` of a virtual server, or correct what the sender calls",
        NoFlow => {
            "the connection is not known: it was begun elsewhere, or its time was over; whoever opened it has to open it again (--flags syn)"
        }
        OutwardNoFlow => "the connection is not known: the member has to open it again (--flags syn)",
        FlowTableFull => "raise `[limits] flows_per_worker`; `fairlead flows` shows who has them",
        PortsExhausted => {
            "`fairlead snat` shows the use of ports; exclude destinations that need no SNAT, or give pools addresses of their own"
        }
        NoSnat => "add a [[snat]] for the pool of the member that calls",
        RateLimited => "raise `[limits] rejects_per_second`, or look for what causes so many: `fairlead counters`",
        ProtocolUnsupported | ProtocolUntranslated => {
            "the exclusion group lets a member's own address pass: `fairlead exclude add POOL PREFIX`"
        }
        VirtualServerDenied => "add the source to `allow` of the virtual server, and `fairlead reload`",
        DirectAccessDenied => {
            "add the source to `[direct_access] allow` or to a rule there, or to the exclusion group of the pool"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_stands_without_a_packet() {
        let text = remedy_for_drop("spoofed_source").unwrap();
        assert!(text.starts_with("check where it comes in: an address of ours"), "{text}");
        assert!(remedy_for_drop("no_flow").unwrap().ends_with("has to open it again"));
        assert_eq!((remedy_for_drop("stopping"), remedy_for_drop("no_such_reason")), (None, None));
        assert!(
            DropReason::ALL.iter().all(|reason| !remedy_for_drop(reason.name()).unwrap_or_default().contains("--f"))
        );
    }
}
