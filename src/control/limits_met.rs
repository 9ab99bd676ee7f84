//! Alarms about members and virtual servers that are at a connection limit.
//!
//! Owns which of these stand. A limit that was met lately is one alarm, however many connections it has turned away, and ends when it has
//! not been met for [`LASTS`]. More than [`MOST`] at a time are told together: what strangers begin must not fill the list.

use super::outbox::Outbox;
use crate::admin::events::Subject;
use crate::events::AlarmCode;
use crate::policy::Intent;
use crate::policy::connection_limits::{ConnectionLimit, ConnectionLimits, Exceeded};
use crate::policy::intent::{MemberId, VirtualServerId};
use crate::time::{Duration, Instant};
use std::collections::{BTreeMap, BTreeSet};

/// For so long after it was last met, a limit is said to be met.
const LASTS: Duration = Duration::from_secs(10);
/// Alarms with a name of their own, at a time.
const MOST: usize = 16;
/// The one alarm of all others.
const OTHERS: &str = "connection limits";

/// What each client may have, by the key of the file.
const CLIENT_KEYS: [(Exceeded, &str); 3] = [
    (Exceeded::Connections, "client_connection_limit"),
    (Exceeded::Rate, "client_connection_rate_limit"),
    (Exceeded::HalfOpen, "client_half_open_limit"),
];

/// Whose limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Member(MemberId),
    VirtualServer(VirtualServerId),
    /// All virtual servers together.
    All,
}

type Met = (Of, Exceeded);

/// The limits that are met.
#[derive(Default)]
pub(super) struct LimitsMet {
    /// With an alarm of their own, and what they are called in it.
    named: BTreeMap<Met, String>,
}

impl LimitsMet {
    /// Looks at all limits.
    pub(super) fn poll(&mut self, limits: &ConnectionLimits, intent: &Intent, out: &mut Outbox, now: Instant) {
        if limits.is_empty() && self.named.is_empty() {
            return;
        }
        let mut met = met(limits, now);
        self.end(&met, out);
        met.retain(|one| !self.named.contains_key(one));
        self.rename(limits, intent, out, now);
        for one in met.iter().take(MOST.saturating_sub(self.named.len())) {
            if let Some((name, message)) = words(*one, limits, intent) {
                out.raise(&key(*one), (AlarmCode::ConnectionLimit, Subject::object(&name)), message, now);
                self.named.insert(*one, name);
            }
        }
        met.retain(|one| !self.named.contains_key(one));
        match met.len() {
            0 => _ = out.clear(OTHERS, || "no others are at their connection limits any more".into()),
            number => {
                let message = format!("{number} more connection limits are met: see members and virtual-servers");
                out.raise(OTHERS, (AlarmCode::ConnectionLimits, Subject::none()), message, now);
            }
        }
    }

    /// A limit that a reload has changed is told as it is now.
    fn rename(&mut self, limits: &ConnectionLimits, intent: &Intent, out: &mut Outbox, now: Instant) {
        for (one, known) in &mut self.named {
            let Some((name, message)) = words(*one, limits, intent) else { continue };
            if name == *known {
                // Of clients it may be another one by now: the alarm says so, and nothing has happened.
                if one.1 == Exceeded::Client {
                    out.raise(&key(*one), (AlarmCode::ConnectionLimit, Subject::object(&name)), message, now);
                }
            } else {
                out.clear(&key(*one), || format!("{known} is another limit now"));
                out.raise(&key(*one), (AlarmCode::ConnectionLimit, Subject::object(&name)), message, now);
                *known = name;
            }
        }
    }

    /// Those that are met no more are no alarm.
    fn end(&mut self, met: &BTreeSet<Met>, out: &mut Outbox) {
        self.named.retain(|one, name| {
            let stands = met.contains(one);
            if !stands {
                out.clear(&key(*one), || format!("{name} was not met for {} seconds", LASTS.as_secs()));
            }
            stands
        });
    }
}

fn met(limits: &ConnectionLimits, now: Instant) -> BTreeSet<Met> {
    let all = limits.members().map(|(id, limit)| (Of::Member(id), limit));
    let all = all.chain(limits.servers().map(|(id, limit)| (Of::VirtualServer(id), limit)));
    let all = all.chain(limits.all().map(|limit| (Of::All, limit)));
    let lately = |limit: &ConnectionLimit, what: Exceeded| {
        limit.of(what) > 0 && limit.exceeded(what).is_some_and(|at| now.since(Instant::from_nanos(at)) < LASTS)
    };
    let of = |(of, limit): (Of, &'_ ConnectionLimit)| {
        Exceeded::ALL.into_iter().filter(|what| lately(limit, *what)).map(|what| (of, what)).collect::<Vec<_>>()
    };
    all.flat_map(of).collect()
}

/// What the limit is called, and the alarm.
fn words((of, what): Met, limits: &ConnectionLimits, intent: &Intent) -> Option<(String, String)> {
    let (whose, limit, where_to) = match of {
        Of::Member(id) => {
            let member = intent.members.get(id)?;
            let is_shared = intent.pools.get(member.pool)?.is_shared();
            let others = if is_shared { "go to other members, or are refused if none has room" } else { "are refused" };
            (format!("member {}", member.name), limits.member(id)?, others)
        }
        Of::VirtualServer(id) => {
            let server = intent.virtual_servers.get(id)?;
            (format!("virtual server {}", server.name), limits.server(id)?, "are refused")
        }
        Of::All => ("all virtual servers together".into(), limits.all()?, "are refused"),
    };
    let name = match what {
        Exceeded::Connections => format!("{whose}: connection_limit = {}", limit.most),
        Exceeded::Rate => format!("{whose}: connection_rate_limit = {}", limit.per_second),
        Exceeded::HalfOpen => format!("{whose}: half_open_limit = {}", limit.half_open),
        Exceeded::Client => {
            let set = CLIENT_KEYS.iter().filter(|(what, _)| limit.of_client(*what) > 0);
            let set: Vec<String> = set.map(|(what, key)| format!("{key} = {}", limit.of_client(*what))).collect();
            format!("{whose}: {}", set.join(", "))
        }
    };
    let message = match what {
        Exceeded::HalfOpen => format!("{name} is met: half-open connections give way to new ones, the oldest first"),
        Exceeded::Client => client_words(&whose, limit),
        Exceeded::Connections | Exceeded::Rate => format!("{name} is met: new connections {where_to}"),
    };
    Some((name, message))
}

/// Which client it is of those that are at their limits, the last one, and at which.
fn client_words(whose: &str, limit: &ConnectionLimit) -> String {
    let Some((client, what)) = limit.client_at_its_limit() else {
        return format!("clients have reached what each may have of {whose}: new connections of these are refused");
    };
    let key = CLIENT_KEYS.iter().find(|(of, _)| *of == what).map_or("client_connection_limit", |(_, key)| key);
    let then = match what {
        Exceeded::HalfOpen => "its half-open connections give way to new ones, the oldest first",
        Exceeded::Connections | Exceeded::Rate | Exceeded::Client => "new connections of it are refused",
    };
    format!("client {client} has reached {key} = {} of {whose}: {then}", limit.of_client(what))
}

fn key((of, what): Met) -> String {
    format!("connection limit {of:?} {what:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::harness::two_arm;
    use crate::policy::client_counts::ClientChange;
    use std::net::Ipv4Addr;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn standing(out: &Outbox) -> Vec<String> {
        out.alarms.iter().map(|(_, message)| message.to_owned()).collect()
    }

    fn logged(out: &mut Outbox) -> usize {
        std::iter::from_fn(|| out.pop()).count()
    }

    #[test]
    fn a_limit_is_one_alarm_while_it_is_met_however_often() {
        let mut intent = two_arm();
        intent.members[1].connection_limit = 100;
        intent.virtual_servers[0].connection_rate_limit = 50;
        let limits = ConnectionLimits::new(&intent, None);
        let (mut alarms, mut out) = (LimitsMet::default(), Outbox::default());
        alarms.poll(&limits, &intent, &mut out, at(0));
        assert_eq!(standing(&out), [""; 0]);
        let of_b = limits.member(MemberId(1)).unwrap();
        of_b.add(100);
        for ms in [1_000, 5_000, 9_000] {
            (0..1_000).for_each(|_| assert!(of_b.room(0, at(ms).nanos()).is_err()));
            alarms.poll(&limits, &intent, &mut out, at(ms));
            let expected = "member sip-b: connection_limit = 100 is met: new connections are refused";
            assert_eq!(standing(&out), [expected]);
        }
        assert_eq!(logged(&mut out), 1, "once, when it begins");
        let of_server = limits.server(VirtualServerId(0)).unwrap();
        (0..51).for_each(|_| of_server.begin(at(18_000).nanos()));
        assert!(of_server.room(0, at(18_000).nanos()).is_err());
        alarms.poll(&limits, &intent, &mut out, at(18_999));
        assert!(
            standing(&out)[1].starts_with("virtual server sip-1: connection_rate_limit = 50 is met"),
            "{out:?}",
            out = standing(&out)
        );
        alarms.poll(&limits, &intent, &mut out, at(19_000));
        assert_eq!(standing(&out).len(), 1, "ten seconds later");
        alarms.poll(&ConnectionLimits::default(), &intent, &mut out, at(19_001));
        assert_eq!(standing(&out), [""; 0], "a file without it has been taken over");
    }

    #[test]
    fn s195_the_alarm_of_a_client_names_it_and_the_limit_it_has_reached() {
        let mut intent = two_arm();
        intent.virtual_servers[0].client_connection_limit = 4;
        intent.virtual_servers[0].client_connection_rate_limit = 100;
        let limits = ConnectionLimits::new(&intent, None);
        let (mut alarms, mut out, server) = (LimitsMet::default(), Outbox::default(), VirtualServerId(0));
        for (client, ms) in [([172, 16, 5, 5], 1_000), ([172, 16, 5, 9], 2_000)] {
            for _ in 0..4 {
                assert!(limits.client_room(server, client.into(), (0, 0), true, at(ms).nanos()).is_ok());
                limits.count_client(server, client.into(), ClientChange::Comes, at(ms).nanos());
            }
            alarms.poll(&limits, &intent, &mut out, at(ms));
            let refused = limits.client_room(server, client.into(), (0, 0), true, at(ms).nanos());
            assert_eq!(refused, Err(Exceeded::Connections));
            alarms.poll(&limits, &intent, &mut out, at(ms));
            let client = Ipv4Addr::from(client);
            let expected = format!(
                "client {client} has reached client_connection_limit = 4 of virtual server sip-1: new connections of it are refused"
            );
            assert_eq!(standing(&out), [expected]);
        }
        assert_eq!(logged(&mut out), 1, "that another one has reached it is told, and nothing that has happened");
        alarms.poll(&limits, &intent, &mut out, at(12_000));
        assert_eq!(standing(&out), [""; 0]);
    }

    #[test]
    fn very_many_are_told_together() {
        let mut intent = two_arm();
        let server = intent.virtual_servers[0].clone();
        for at in 0..40 {
            let name = format!("other-{at}");
            let server = crate::policy::intent::VirtualServer { name, connection_limit: 1, ..server.clone() };
            intent.virtual_servers.push(server);
        }
        let limits = ConnectionLimits::new(&intent, None);
        let (mut alarms, mut out) = (LimitsMet::default(), Outbox::default());
        limits.servers().for_each(|(_, limit)| {
            limit.add(1);
            assert!(limit.room(0, at(1_000).nanos()).is_err());
        });
        (1..5).for_each(|second| alarms.poll(&limits, &intent, &mut out, at(1_000 * second)));
        let shown = standing(&out);
        assert_eq!(shown.len(), MOST + 1);
        assert!(shown.iter().any(|message| message.starts_with("24 more connection limits are met")), "{shown:?}");
        assert_eq!(logged(&mut out), MOST + 1);
        alarms.poll(&limits, &intent, &mut out, at(11_000));
        assert_eq!(standing(&out), [""; 0]);
    }
}
