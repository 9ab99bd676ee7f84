//! What the operator has set, as it is kept over a restart.
//!
//! Owns the text in which it is kept: JSON with a header that tells whose it is and of which format. Members are known by their
//! address, pools by their name, else by their members, as everywhere (`policy/ids.rs`). Reads and writes no file.

use crate::admin::events::{AcknowledgedRow, Subject};
use crate::admin::rows::{AdminState, Wall};
use crate::events::AlarmCode;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The format that is written. One with a higher number is not read.
const FORMAT: u32 = 1;

/// Where the operator's state is kept, and what was found there at the start.
#[derive(Clone, Debug)]
pub struct SavedState {
    /// The file, for messages.
    pub place: String,
    /// What it held; `None`: there was none; else why it cannot be used.
    pub found: Result<Option<OperatorState>, String>,
}

/// Everything that an operator has set and not taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatorState {
    /// Members that are not as the file has them.
    pub members: Vec<SavedMember>,
    /// Pools with a forced choice or a changed exclusion group.
    pub pools: Vec<SavedPool>,
    /// Alarms that somebody knows of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<SavedAcknowledgement>,
}

impl OperatorState {
    /// What of it is not in `left`: what a configuration has taken away with the members and pools it is about.
    pub fn without(mut self, left: &OperatorState) -> OperatorState {
        // No configuration takes one away.
        self.acknowledged.clear();
        self.members.retain(|member| left.members.iter().all(|other| other.address != member.address));
        for pool in &mut self.pools {
            let Some(other) = left.pools.iter().find(|other| other.name == pool.name) else { continue };
            pool.forced.take_if(|_| other.forced.is_some());
            pool.added.retain(|prefix, _| !other.added.contains_key(prefix));
            pool.removed.retain(|prefix, _| !other.removed.contains_key(prefix));
        }
        self.pools.retain(|pool| !pool.is_empty());
        self
    }

    /// What an operator types to have it so, but for the end of a drain.
    pub fn commands(&self) -> BTreeSet<String> {
        let members = self.members.iter().map(|SavedMember { name, admin, .. }| {
            let verb = match admin {
                AdminState::Enabled => "enable",
                AdminState::Draining => "drain",
                AdminState::Offline => "offline",
            };
            format!("fairlead member {verb} {name}")
        });
        let pools = self.pools.iter().flat_map(|SavedPool { name, forced, added, removed, .. }| {
            let forced = forced.iter().map(move |choice| format!("fairlead pool force {name} {}", choice.name));
            let added = added.keys().map(move |prefix| format!("fairlead exclude add {name} {prefix}"));
            let removed = removed.keys().map(move |prefix| format!("fairlead exclude remove {name} {prefix}"));
            forced.chain(added).chain(removed)
        });
        members.chain(pools).collect()
    }

    /// The same, and of `more` what it says nothing of.
    pub fn with(mut self, more: &OperatorState) -> OperatorState {
        let unknown = more.clone().without(&self);
        self.members.extend(unknown.members);
        for pool in unknown.pools {
            match self.pools.iter_mut().find(|known| known.name == pool.name) {
                Some(known) => {
                    known.forced = known.forced.take().or(pool.forced);
                    known.added.extend(pool.added);
                    known.removed.extend(pool.removed);
                }
                None => self.pools.push(pool),
            }
        }
        self
    }
}

/// A member that is not as the file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedMember {
    /// Who it is.
    pub address: Ipv4Addr,
    /// What it was called.
    pub name: String,
    /// As it was set.
    pub admin: AdminState,
    /// Since when.
    pub since: Wall,
    /// When it is taken offline, if it is drained for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Wall>,
}

/// An alarm that somebody knows of: by what it is about, as its number is another one after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedAcknowledgement {
    /// Its code.
    pub alarm: String,
    /// What it is about.
    #[serde(flatten)]
    pub about: Subject,
    /// Who knows of it, and since when.
    pub acknowledged: AcknowledgedRow,
}

impl SavedAcknowledgement {
    /// As it is kept.
    pub fn new(((code, about), acknowledged): ((AlarmCode, Subject), AcknowledgedRow)) -> SavedAcknowledgement {
        SavedAcknowledgement { alarm: code.to_string(), about, acknowledged }
    }

    /// What it says; `None`: its alarm is not known in this version.
    pub fn parts(&self) -> Option<((AlarmCode, Subject), AcknowledgedRow)> {
        Some(((self.alarm.parse().ok()?, self.about.clone()), self.acknowledged.clone()))
    }
}

/// A pool of which something was set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPool {
    /// Which.
    pub name: String,
    /// Its members, by which it is known if its name is not.
    pub members: Vec<Ipv4Addr>,
    /// Who was forced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<SavedChoice>,
    /// Prefixes added to the exclusion group of the file, each with the moment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub added: BTreeMap<Ipv4Net, Wall>,
    /// Prefixes of the file's that were removed from it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub removed: BTreeMap<Ipv4Net, Wall>,
}

impl SavedPool {
    /// Nothing was set of it.
    pub fn is_empty(&self) -> bool {
        self.forced.is_none() && self.added.is_empty() && self.removed.is_empty()
    }
}

/// A forced choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedChoice {
    /// Who it is.
    pub address: Ipv4Addr,
    /// What it was called.
    pub name: String,
    /// Since when.
    pub since: Wall,
}

#[derive(Serialize)]
struct Written<'a> {
    fairlead_operator_state: u32,
    written_by: &'static str,
    #[serde(flatten)]
    state: &'a OperatorState,
}

#[derive(Deserialize)]
struct Header {
    fairlead_operator_state: u32,
    #[serde(default)]
    written_by: String,
}

impl OperatorState {
    /// The text in which it is kept.
    pub fn text(&self) -> String {
        let written = Written { fairlead_operator_state: FORMAT, written_by: env!("CARGO_PKG_VERSION"), state: self };
        // Nothing in it can fail to be written: keys are texts, numbers are whole.
        serde_json::to_string_pretty(&written).unwrap_or_default() + "\n"
    }

    /// Reads such a text.
    ///
    /// # Errors
    /// Why it cannot be used, in words for an operator.
    pub fn parse(bytes: &[u8]) -> Result<OperatorState, String> {
        let header: Header = serde_json::from_slice(bytes).map_err(|why| match why.classify() {
            serde_json::error::Category::Data => "it is not a state of Fairlead's".to_owned(),
            _ => format!("it is damaged: {why}"),
        })?;
        if header.fairlead_operator_state > FORMAT {
            return Err(format!(
                "it is of format {}, written by Fairlead {}; this is {}, which knows format {FORMAT}",
                header.fairlead_operator_state,
                header.written_by.escape_debug(),
                env!("CARGO_PKG_VERSION")
            ));
        }
        serde_json::from_slice(bytes).map_err(|why| format!("it is damaged: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_away_is_known_and_what_is_left_counts() {
        let net = |text: &str| text.parse::<Ipv4Net>().unwrap();
        let member = |last: u8, admin| {
            let (address, name) = (Ipv4Addr::new(10, 20, 0, last), format!("sip-{last}"));
            SavedMember { address, name, admin, since: Wall(1), until: None }
        };
        let pool = |name: &str, forced: bool, added: &[&str]| SavedPool {
            name: name.into(),
            members: Vec::new(),
            forced: forced.then(|| SavedChoice {
                address: Ipv4Addr::new(10, 20, 0, 11),
                name: "sip-11".into(),
                since: Wall(1),
            }),
            added: added.iter().map(|prefix| (net(prefix), Wall(1))).collect(),
            removed: BTreeMap::new(),
        };
        let state = |members: &[SavedMember], pools: &[SavedPool]| OperatorState {
            members: members.to_vec(),
            pools: pools.to_vec(),
            acknowledged: Vec::new(),
        };
        let before = state(
            &[member(11, AdminState::Draining), member(12, AdminState::Offline)],
            &[pool("pair-1", true, &["10.1.0.0/16", "10.2.0.0/16"]), pool("pair-2", false, &["10.3.0.0/16"])],
        );
        let after = state(&[member(11, AdminState::Offline)], &[pool("pair-1", false, &["10.1.0.0/16"])]);
        let lost = before.clone().without(&after);
        let expected = state(
            &[member(12, AdminState::Offline)],
            &[pool("pair-1", true, &["10.2.0.0/16"]), pool("pair-2", false, &["10.3.0.0/16"])],
        );
        assert_eq!(lost, expected);
        assert_eq!(before.clone().without(&before), OperatorState::default());
        let mut whole = before;
        whole.members.swap(0, 1);
        whole.members[1].admin = AdminState::Offline;
        whole.members.swap(0, 1);
        assert_eq!(after.clone().with(&lost), whole);
        assert_eq!(after.clone().with(&OperatorState::default()), after);
    }

    fn state() -> OperatorState {
        let address = Ipv4Addr::new(10, 20, 0, 11);
        let since = Wall(1_795_352_645_000_000);
        let prefix = |text: &str| (text.parse().unwrap(), since);
        OperatorState {
            members: vec![
                SavedMember { address, name: "sip-a".into(), admin: AdminState::Offline, since, until: None },
                SavedMember {
                    address: Ipv4Addr::new(10, 20, 0, 12),
                    name: "sip-b".into(),
                    admin: AdminState::Draining,
                    since,
                    until: Some(Wall(1_795_354_445_000_000)),
                },
            ],
            pools: vec![SavedPool {
                name: "pair-1".into(),
                members: vec![address, Ipv4Addr::new(10, 20, 0, 12)],
                forced: Some(SavedChoice { address, name: "sip-a".into(), since }),
                added: BTreeMap::from([prefix("172.16.5.0/24")]),
                removed: BTreeMap::from([prefix("172.16.2.0/24"), prefix("172.16.1.20/32")]),
            }],
            acknowledged: vec![SavedAcknowledgement::new((
                (AlarmCode::MemberUnreachable, Subject::member("sip-b", "pair-1")),
                AcknowledgedRow { since, by_uid: Some(0), comment: Some("known".into()) },
            ))],
        }
    }

    #[test]
    fn what_was_set_is_what_an_operator_can_type() {
        let lines = [
            "fairlead exclude add pair-1 172.16.5.0/24",
            "fairlead exclude remove pair-1 172.16.1.20/32",
            "fairlead exclude remove pair-1 172.16.2.0/24",
            "fairlead member drain sip-b",
            "fairlead member offline sip-a",
            "fairlead pool force pair-1 sip-a",
        ];
        assert_eq!(state().commands().into_iter().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        for state in [OperatorState::default(), state()] {
            assert_eq!(OperatorState::parse(state.text().as_bytes()), Ok(state));
        }
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let text = state().text();
        let newer = text.replacen("\"fairlead_operator_state\": 1", "\"fairlead_operator_state\": 2", 1);
        let wrong = text.replacen("offline", "gone", 1);
        let rows: [(&[u8], &str); 8] = [
            (b"", "it is damaged: EOF"),
            (b"\0\0\0\0\0\0\0\0", "it is damaged: expected value at line 1"),
            (&text.as_bytes()[..text.len() / 2], "it is damaged: EOF"),
            (b"[]", "it is not a state of Fairlead's"),
            (b"{}", "it is not a state of Fairlead's"),
            (br#"{"version": 3, "servers": []}"#, "it is not a state of Fairlead's"),
            (newer.as_bytes(), "it is of format 2, written by Fairlead 0.1.0; this is 0.1.0, which knows format 1"),
            (wrong.as_bytes(), "it is damaged: unknown variant `gone`"),
        ];
        for (bytes, expected) in rows {
            let why = OperatorState::parse(bytes).unwrap_err();
            assert!(why.starts_with(expected), "{why}");
        }
    }

    /// However a text is cut or a byte of it changed, it is read or refused, never anything else.
    #[test]
    fn no_damage_does_more_than_be_refused() {
        let text = state().text().into_bytes();
        for length in 0..text.len() - 1 {
            assert!(OperatorState::parse(&text[..length]).is_err(), "cut at {length}");
        }
        for at in 0..text.len() {
            for byte in [0, b'"', 0xff, b'9'] {
                let mut damaged = text.clone();
                damaged[at] = byte;
                _ = OperatorState::parse(&damaged);
            }
        }
    }
}
