//! The alarms: a code, how grave it is, what it means, and what to do.

use crate::policy::words::words;

words! {
    /// How grave an alarm is.
    #[derive(PartialOrd, Ord)]
    Severity {
        /// Something is not served, or less than that may be at any moment without anybody's doing.
        Warning = "warning",
        /// Something is not served now, or an appliance does not work.
        Critical = "critical",
    }
}

macro_rules! alarms {
    ($($variant:ident = $text:literal, $severity:ident, $note:literal, $remedy:literal;)*) => {
        words! {
            /// What is wrong.
            #[derive(Hash, PartialOrd, Ord)]
            AlarmCode { $(#[doc = $note] $variant = $text,)* }
        }

        impl AlarmCode {
            /// All of them, in the order of the reference.
            pub const ALL: &'static [AlarmCode] = &[$(AlarmCode::$variant),*];

            /// How grave it is.
            pub fn severity(self) -> Severity {
                match self { $(AlarmCode::$variant => Severity::$severity,)* }
            }

            /// What it means, a sentence.
            pub fn note(self) -> &'static str {
                match self { $(AlarmCode::$variant => $note,)* }
            }

            /// What to do, a sentence.
            pub fn remedy(self) -> &'static str {
                match self { $(AlarmCode::$variant => $remedy,)* }
            }
        }
    };
}

alarms! {
    PoolNoMember = "pool.no-member", Critical, "No member of a pool can take its work.",
        "See `fairlead members` for why each is down; start a SIP Server, or correct its monitor.";
    PoolActiveDown = "pool.active-down", Critical, "A pool's active member is down, and keeps the role because it was forced or nobody else is up.",
        "See `fairlead members` for why it is down; start a SIP Server of the pool, or correct its monitor.";
    PoolActiveUnfit = "pool.active-unfit", Warning, "A pool's active member is drained or not known to be up, and keeps the role.",
        "See `fairlead members`: enable a member, or bring another one up.";
    PoolRoles = "pool.roles", Warning, "Members of a pair do not agree on who is primary.",
        "Find out at the SIP Servers which is primary, and take the other one offline or correct its role.";
    PoolMemberMissing = "pool.member-missing", Warning, "Members of a pool that share its work are missing.",
        "See `fairlead members` for why each is down.";
    PoolForcedPending = "pool.forced-pending", Warning, "The member that was forced before the restart does not answer: the choice is free until it does.",
        "Bring it up, or end this with `fairlead pool auto POOL`.";
    MemberUnreachable = "member.unreachable", Warning, "A member's host does not answer ARP.",
        "Look at the host, its cable and its VLAN.";
    MemberHeldBack = "member.held-back", Warning, "A member that is up is not chosen while another is: it goes up and down, or waits to be enabled.",
        "Find out why it went down; `fairlead member enable NAME` lets it be chosen again.";
    MemberDrainOverdue = "member.drain-overdue", Warning, "A drain's time is up, but no other member is.",
        "Bring another member up, or take it offline with `fairlead member offline NAME --yes`.";
    MemberOneWay = "member.one-way", Warning, "A member answers probes, but nothing it sends to those who ask at its virtual address passes Fairlead.",
        "`fairlead doctor --only member-gateway` says more: mostly its default gateway is another host, or its firewall drops the answers.";
    NextHopUnreachable = "next-hop.unreachable", Critical, "The next hop of a route does not answer ARP.",
        "Look at the router and the link to it; clients behind it cannot be reached.";
    PortDown = "port.down", Critical, "The link of a port is down.",
        "Look at the cable, the module and the switch port.";
    PortReset = "port.reset", Critical, "A NIC was reset and receives and sends nothing.",
        "Restart Fairlead: `systemctl restart fairlead`.";
    PortRemoved = "port.removed", Critical, "A NIC was taken away.",
        "Put it back and restart Fairlead.";
    HostDevice = "host.device", Warning, "The kernel's device of an interface is missing, or is not as it is to be: what speaks over it, such as a routing daemon or keepalived, does not.",
        "See `ip address show dev NAME` and what the alarm says; Fairlead tries again each second.";
    PairSplit = "pair.split", Critical, "Both appliances of a pair are active: each answers for the floating addresses.",
        "See why they do not hear each other: keepalived's log on both, the links and VLANs between them; `fairlead pair standby` on one ends it.";
    PairKeepalived = "pair.keepalived", Critical, "keepalived cannot be heard: who of the pair is active is not known here.",
        "Do what the alarm says about the FIFO; Fairlead tries again each second. `fairlead pair active` and `pair standby` say it by hand.";
    PairUnsynchronised = "pair.unsynchronised", Warning, "The standby of a pair does not have what the active appliance knows: a take-over would lose connections.",
        "See `fairlead pair` on both for why there is no connection: the address and port in [pair] peer, a filter between them, the certificates.";
    PairConfiguration = "pair.configuration", Warning, "The configurations of the two appliances of a pair differ in what should be the same.",
        "Write the same into both files, or send the active one's to the standby with `fairlead pair push` and confirm it there.";
    AddressDuplicate = "address.duplicate", Warning, "Another host claims an address of ours, or has within five minutes.",
        "Find the host with that MAC (the switch's MAC table names its port) and remove the address from it.";
    AddressProxyArp = "address.proxy-arp", Warning, "A router answers ARP for an address of ours.",
        "Switch proxy ARP off at the router's interface towards us.";
    NeighbourClaimed = "neighbour.claimed", Warning, "Another MAC claims to be a member or a next hop, or has within five minutes, and is not believed.",
        "Find the host with that MAC, or correct [[neighbour]] in the file.";
    WorkerSilent = "worker.silent", Critical, "A worker does not come back from a turn: it forwards nothing.",
        "See what takes its core away from it; if nothing does, report a bug.";
    SnatPorts = "snat.ports", Warning, "Most ports of a SNAT address are in use.",
        "Exclude destinations that need no translation, or find out who opens so many connections (`fairlead flows`).";
    FlowsFull = "flows.full", Warning, "A worker's flow table is nearly full.",
        "See who has so many with `fairlead flows --top 10`; raise flows_per_worker under [limits], or limit what a client may have.";
    FlowsGiveWay = "flows.give-way", Warning, "A flow table is full: half-open connections, those that are over, visitors and UDP peers give way to new flows, the one idle longest first.",
        "See who has so many with `fairlead flows --top 10`; raise flows_per_worker under [limits], or set half_open_limit and the limits of each client.";
    FragmentsFull = "fragments.full", Warning, "A worker's table of fragments is nearly full, or the oldest were dropped for new ones within a minute.",
        "See which datagrams come in pieces with `fairlead capture`; raise fragments_per_worker under [limits], or have their sender send smaller ones.";
    NeighboursFull = "neighbours.full", Warning, "The ARP table is nearly full.",
        "See `fairlead neighbours`: somebody scans a network of an interface, or the network is too large for one link.";
    ConnectionLimit = "connection-limit.met", Warning, "A connection limit is met: new connections go elsewhere or are refused, or half-open ones give way to them.",
        "See who connects with `fairlead flows --top 10`, or raise the limit that the alarm names.";
    ConnectionLimits = "connection-limit.others", Warning, "More connection limits are met than have an alarm of their own.",
        "See `fairlead members` and `fairlead virtual-servers`.";
    DirectAccessOpen = "direct-access.open", Warning, "The file does not say who may reach the members at their own addresses, so everybody may.",
        "Write [direct_access] with allow.";
    ProgramsHung = "programs.hung", Warning, "Programs of external monitors were killed and have not ended.",
        "See what they wait for (`ps`, state D): mostly a network file system or a device.";
    ProgramsWaiting = "programs.waiting", Warning, "Too many programs of external monitors wait to be run.",
        "Write longer intervals.";
    ProgramsLate = "programs.late", Warning, "Programs of external monitors wait for longer than their intervals.",
        "Write longer intervals or shorter timeouts.";
    ProgramsNotRun = "programs.not-run", Warning, "Fairlead could not run the program of an external monitor.",
        "The alarm's text says what is missing.";
    StateUnread = "state.unread", Warning, "What operators had set before the restart cannot be read.",
        "Set it again where it is needed; the file is kept beside the new one, with the ending .unread.";
    StateUnsaved = "state.unsaved", Warning, "What operators set cannot be saved and would be lost by a restart.",
        "Free the disk or mend the folder that `state` under [appliance] names.";
    ConfigurationsUnread = "configurations.unread", Warning, "The configurations that were in force before cannot be read.",
        "Nothing, unless they are wanted back: the file is kept beside the new one, with the ending .unread.";
    ConfigurationsUnsaved = "configurations.unsaved", Warning, "The configuration in force cannot be kept for a restart.",
        "Free the disk or mend the folder that `state` under [appliance] names.";
    ConfigurationDiffers = "configuration.differs", Warning, "The file is not what is in force.",
        "`fairlead diff` compares them; `fairlead reload` applies the file.";
    EventsUnread = "events.unread", Warning, "The events and switchovers of before the restart cannot be read.",
        "Nothing, unless they are wanted: the file is kept beside the new one, with the ending .unread.";
    EventsUnsaved = "events.unsaved", Warning, "Events and switchovers cannot be saved and would be lost by a restart.",
        "Free the disk or mend the folder that `state` under [appliance] names.";
    ClockStepped = "clock.stepped", Warning, "The clock of the box was set while Fairlead ran: times before and after do not agree.",
        "Find out what sets it (`chronyc tracking`, `timedatectl`, the host of a virtual machine): it should slew the clock.";
    MetricsUnserved = "metrics.unserved", Warning, "Metrics cannot be served.",
        "Free the address that `metrics` under [appliance] names, or write another one.";
    RoutesUnadvertised = "routes.unadvertised", Critical, "The kernel does not hold the virtual addresses that are to be advertised, or still holds others.",
        "The alarm's text says what is missing: mostly CAP_NET_ADMIN, or the kernel's module dummy.";
    RoutesUnread = "routes.unread", Critical, "The kernel's routes cannot be followed: those that are known are kept for stale_time.",
        "The alarm's text says why; Fairlead tries again each second.";
    RoutesLimit = "routes.limit", Warning, "The kernel has more routes than are taken: what they lead to is not reached, or by another route.",
        "Have the routing daemon learn fewer, narrow `protocols` under [routes], or raise `limit` there.";
    NotifyFailing = "notify.failing", Warning, "The program of [notify] fails: nobody is told what happens.",
        "Run it by hand with one line of `fairlead events --follow --since 1h --json | head -n 1` on its standard input, as the user nobody.";
    NotifyOverflow = "notify.overflow", Warning, "Events were not passed on to the program of [notify], as too many waited.",
        "Name fewer events in [notify], or make the program faster.";
}

#[cfg(test)]
mod tests {
    use super::super::names::EventName;
    use super::*;
    use crate::policy::words::Word;
    use std::collections::BTreeSet;

    /// Whoever has written one into a script finds it, whatever comes later.
    #[test]
    fn names_are_short_words_with_dots_and_all_are_different() {
        let events: BTreeSet<&str> = EventName::WORDS.iter().copied().collect();
        let alarms: BTreeSet<&str> = AlarmCode::WORDS.iter().copied().collect();
        assert_eq!((events.len(), alarms.len()), (EventName::ALL.len(), AlarmCode::ALL.len()));
        for name in events.iter().chain(&alarms) {
            assert!(name.len() <= 32 && name.bytes().all(|c| c.is_ascii_lowercase() || b".-".contains(&c)), "{name}");
        }
        for text in EventName::ALL.iter().map(|one| one.note()).chain(AlarmCode::ALL.iter().map(|one| one.remedy())) {
            assert!(text.ends_with('.') && !text.contains('\n'), "{text}");
        }
    }
}
