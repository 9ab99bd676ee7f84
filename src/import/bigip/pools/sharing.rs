//! How the members of a pool share the work: modes, ratios, priority groups and slow ramp.
//!
//! Owns which pools are pairs here, of which one member is active, and which keys say the same of all others. A mode that Fairlead does
//! not have becomes the one nearest to it, and is a finding.

use super::listed::{Listed, Member};
use crate::import::bigip::objects::{Object, Objects};
use crate::import::draft::Entry;
use crate::import::findings::Findings;
use crate::import::findings::Severity::{Check, Note};
use crate::import::syntax::word;
use crate::policy::sharing::common_divisor;
use std::net::Ipv4Addr;

/// Seconds, unless the pool says otherwise: BIG-IP's own default.
const SLOW_RAMP: &str = "10";
/// The mode, unless the pool says otherwise.
const MODE: &str = "round-robin";
/// The most that a Fairlead file takes.
const LONGEST: u64 = 3_600;
/// The greatest weight of a Fairlead file.
const HEAVIEST: u64 = 100;
/// The greatest `min_active`.
const MOST: u64 = 64;

/// How a pool's members share the work.
pub struct Sharing {
    /// As the file calls it; `None`: one member is active.
    mode: Option<&'static str>,
    /// By member: its weight and priority.
    pub each: Vec<(u32, u32)>,
    /// So many of the higher priorities are enough, where there are several.
    min_active: Option<u64>,
    /// Why it is one, if one is active.
    pair: Option<Pair>,
}

/// Why one member is active.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pair {
    /// There is no other.
    Alone,
    /// One of the priority groups is enough: the preferred one takes over again.
    Grouped,
    /// Nothing says that both work at once.
    Guessed,
}

impl Sharing {
    /// Several members are active at a time.
    pub fn is_shared(&self) -> bool {
        self.mode.is_some()
    }

    /// One is, as nothing says that both of them work at once.
    pub fn is_guessed(&self) -> bool {
        self.pair == Some(Pair::Guessed)
    }

    /// Says where a limit of connections is, by the keys of the members, that it makes no lower group needed.
    pub fn report_limits<'k>(
        &self,
        pool: &Object,
        mut limited: impl Iterator<Item = &'k str>,
        findings: &mut Findings,
    ) {
        if self.min_active.is_some() && limited.any(|key| key == "connection_limit") {
            let message = "a member at its `connection-limit` does not count for `min-active-members` on BIG-IP; here it counts for min_active \
                           all the same, and no lower priority takes part because of it";
            let remedy = "raise min_active or connection_limit if the others cannot take what is left";
            findings.add(Check, pool.title(), message, remedy);
        }
    }

    /// Writes it, but for the members.
    pub fn write(&self, pool: &Object, entry: &mut Entry, findings: &mut Findings) {
        if self.pair == Some(Pair::Grouped) {
            entry.set_because("fail_back", "immediate", "as priority groups do; \"never\" breaks fewer calls");
        }
        let Some(mode) = self.mode else {
            if pool.word("slow-ramp-time").is_some_and(|time| time != "0" && time != SLOW_RAMP) {
                let message = "`slow-ramp-time` has no meaning where one member has all the work";
                findings.add(Note, pool.title(), message, "");
            }
            return;
        };
        entry.set("mode", mode);
        if let Some(least) = self.min_active {
            entry.set("min_active", i64::try_from(least).unwrap_or(1));
        }
        slow_start(pool, entry, findings);
    }
}

/// How the members of these pools, which are one here, share the work: as those of the first.
pub fn decide(group: &[Listed<'_>], objects: &Objects, findings: &mut Findings) -> Sharing {
    let one =
        |count: usize, pair| Sharing { mode: None, each: vec![(1, 0); count], min_active: None, pair: Some(pair) };
    let [(pool, members), others @ ..] = group else { return one(0, Pair::Alone) };
    if members.len() < 2 {
        return one(members.len(), Pair::Alone);
    }
    let pair = pair(group, findings);
    others.iter().for_each(|other| compare(&group[0], other, pair.is_some(), findings));
    if let Some(pair) = pair {
        return one(members.len(), pair);
    }
    let nearest = nearest(pool.word("load-balancing-mode").unwrap_or(MODE));
    let has_groups = differ(members) && least(pool) > 0;
    said(pool, (members.len(), has_groups), &nearest, findings);
    let weights = weights(pool, members, &nearest, objects, findings);
    if differ(members) && !has_groups {
        findings.add(
            Note,
            pool.title(),
            "its priority groups are off (min-active-members 0), and not carried over",
            "",
        );
    }
    let priority = |member: &Member<'_>| if has_groups { member.priority } else { 0 };
    Sharing {
        mode: Some(nearest.mode),
        each: weights.into_iter().zip(members.iter().map(priority)).collect(),
        min_active: has_groups.then_some(least(pool).min(MOST)),
        pair: None,
    }
}

/// Why one of its several members is active. `None`: more are.
fn pair(group: &[Listed<'_>], findings: &mut Findings) -> Option<Pair> {
    let (pool, members) = group.first()?;
    match members.len() {
        2 if differ(members) && least(pool) == 1 => {
            let message = "priority groups return to the preferred member as soon as it is up, and so does `fail_back = \"immediate\"`";
            findings.add(Check, pool.title(), message, "remove fail_back to stay where the calls are");
            Some(Pair::Grouped)
        }
        2 if may_be_pair(group) => {
            let seen = match group.iter().any(|(_, members)| is_one_up(members)) {
                true => {
                    "one of its two members was up and the other down when this was saved, as of a pair whose standby does not answer"
                }
                false => {
                    "its two members are taken for a pair whose standby does not answer, as BIG-IP's own mode is not written"
                }
            };
            let message = format!("{seen}: this file sends the work to one of them, the active one");
            let remedy = "for servers that all work at once, add mode = \"round-robin\", as it was on BIG-IP";
            findings.add(Check, pool.title(), message, remedy);
            Some(Pair::Guessed)
        }
        _ => None,
    }
}

/// Nobody has written a mode, and nothing says that both work at once: neither does a port that both answer, where on another one of
/// them does not.
fn may_be_pair(group: &[Listed<'_>]) -> bool {
    let is_written = |(pool, _): &Listed<'_>| pool.word("load-balancing-mode").is_some() || least(pool) > 1;
    let any = |are: fn(&[Member<'_>]) -> bool| group.iter().any(|(_, members)| are(members));
    !group.iter().any(is_written) && (any(is_one_up) || !any(are_both_up))
}

fn differ(members: &[Member<'_>]) -> bool {
    members.windows(2).any(|pair| pair[0].priority != pair[1].priority)
}

/// So many members of the higher groups are enough; 0: there are no groups.
fn least(pool: &Object) -> u64 {
    number(pool.word("min-active-members")).unwrap_or(0)
}

/// The members of `other` share its work otherwise than those of `first`, as which they do here; of a pair the shares do not matter.
fn compare((first, members): &Listed<'_>, (other, of_it): &Listed<'_>, is_pair: bool, findings: &mut Findings) {
    let keys = [("load-balancing-mode", MODE), ("min-active-members", "0"), ("slow-ramp-time", SLOW_RAMP)];
    let of = |pool: &Object, (key, default): (&str, &str)| pool.word(key).unwrap_or(default).to_owned();
    let is_unlike = |key: &(&str, &str)| of(first, *key) != of(other, *key);
    let mut unlike: Vec<&str> = keys.into_iter().filter(is_unlike).map(|(key, _)| key).collect();
    unlike.retain(|key| !is_pair || *key != "slow-ramp-time");
    let priority = |member: &Member<'_>| u64::from(member.priority);
    let has_groups = least(first) > 0 || least(other) > 0;
    if has_groups && by_address(members, priority) != by_address(of_it, priority) {
        unlike.push("priority-group of a member");
    }
    let ratio = |member: &Member<'_>| number(own(member, "ratio")).unwrap_or(1);
    if !is_pair && by_address(members, ratio) != by_address(of_it, ratio) {
        unlike.push("ratio of a member");
    }
    if !unlike.is_empty() {
        let message = format!("not as in {}, by which the joined pool goes: {}", first.title(), unlike.join(", "));
        findings.add(Check, other.title(), message, "see that it is right for both");
    }
}

/// What is of each member, in one order for all pools of the same members.
fn by_address(members: &[Member<'_>], of: impl Fn(&Member<'_>) -> u64) -> Vec<(Ipv4Addr, u64)> {
    let mut all: Vec<_> = members.iter().map(|member| (member.address, of(member))).collect();
    all.sort_unstable();
    all
}

/// By their monitors one of two was up when the file was saved, and the other was down.
fn is_one_up(members: &[Member<'_>]) -> bool {
    matches!(states(members)[..], ["up", "down"] | ["down", "up"])
}

/// Both were up.
fn are_both_up(members: &[Member<'_>]) -> bool {
    states(members) == ["up", "up"]
}

fn states<'m>(members: &[Member<'m>]) -> Vec<&'m str> {
    members.iter().filter_map(|member| own(member, "state")).collect()
}

/// A mode of BIG-IP in Fairlead's terms.
struct Nearest<'m> {
    theirs: &'m str,
    mode: &'static str,
    /// What says a member's weight, and whether the node has it.
    by: Option<(&'static str, bool)>,
    /// It does what theirs does.
    is_same: bool,
}

fn nearest(theirs: &str) -> Nearest<'_> {
    let (turns, least) = ("round-robin", "least-connections");
    let (mode, by, is_same) = match theirs {
        "round-robin" => (turns, None, true),
        "ratio-member" | "ratio-session" => (turns, Some(("ratio", false)), true),
        "ratio-node" => (turns, Some(("ratio", true)), true),
        "least-connections-member" | "least-connections-node" => (least, None, true),
        "ratio-least-connections-member" => (least, Some(("ratio", false)), true),
        "ratio-least-connections-node" => (least, Some(("ratio", true)), true),
        "weighted-least-connections-member" => (least, Some(("connection-limit", false)), true),
        "weighted-least-connections-node" => (least, Some(("connection-limit", true)), true),
        "dynamic-ratio-member" | "dynamic-ratio-node" => (turns, None, false),
        // By how they answer, or by how many connections or sessions they had for some time.
        _ => (least, None, false),
    };
    Nearest { theirs, mode, by, is_same }
}

/// Says what the mode has become.
fn said(pool: &Object, (count, has_groups): (usize, bool), nearest: &Nearest<'_>, findings: &mut Findings) {
    let Nearest { theirs, mode, is_same, .. } = nearest;
    if !is_same {
        let message = format!("Fairlead does not share the work by `{theirs}`: mode = \"{mode}\" is nearest to it");
        return findings.add(Check, pool.title(), message, "see whether that is right for these servers");
    }
    let (whom, keys) = match has_groups {
        true => ("the members of the priority groups that are needed", "priority, min_active, "),
        false => ("all members that are up", ""),
    };
    let message = format!("BIG-IP shares the work between {whom} ({theirs}), and so does this file: mode = \"{mode}\"");
    match count {
        2 => {
            let remedy = format!(
                "for a pair of SIP Servers, whose standby does not answer, remove mode, and {keys}weight, slow_start and persistence \
                 if they are there: one is active, and all peers are switched over at once"
            );
            findings.add(Check, pool.title(), message, remedy);
        }
        _ => findings.add(Note, pool.title(), message, ""),
    }
}

/// The members' weights, in the proportions that BIG-IP has.
fn weights(
    pool: &Object,
    members: &[Member<'_>],
    nearest: &Nearest<'_>,
    objects: &Objects,
    findings: &mut Findings,
) -> Vec<u32> {
    let Some((key, of_node)) = nearest.by else { return vec![1; members.len()] };
    let text = |member: &Member<'_>| -> Option<String> {
        match of_node {
            true => objects.find("ltm node", &member.node).and_then(|node| node.word(key)).map(str::to_owned),
            false => own(member, key).map(str::to_owned),
        }
    };
    let none = if key == "ratio" { 1 } else { 0 };
    let parts: Vec<u64> = members.iter().map(|member| number(text(member).as_deref()).unwrap_or(none)).collect();
    if parts.contains(&0) {
        let message =
            format!("a member has no `{key}`, by which `{}` weighs them: all have the same weight", nearest.theirs);
        findings.add(Check, pool.title(), message, "write their weights into the [[pool]]");
        return vec![1; members.len()];
    }
    let (weights, is_exact) = scaled(&parts);
    if !is_exact {
        let message = format!("its members' weights are rounded: the greatest `{key}` is {HEAVIEST} here");
        findings.add(Check, pool.title(), message, "see whether the proportions are right");
    }
    weights
}

/// The same proportions in weights of a Fairlead file, and whether they are exact. All parts are at least one.
fn scaled(parts: &[u64]) -> (Vec<u32>, bool) {
    let divisor = common_divisor(parts.iter().copied());
    let most = parts.iter().max().map_or(1, |most| most / divisor);
    let weight = |part: &u64| match most <= HEAVIEST {
        true => part / divisor,
        false => (part / divisor).saturating_mul(HEAVIEST).saturating_add(most / 2) / most,
    };
    let weights = parts.iter().map(|part| u32::try_from(weight(part).max(1)).unwrap_or(1));
    (weights.collect(), most <= HEAVIEST)
}

/// What BIG-IP calls slow ramp. Its default stands in no file.
fn slow_start(pool: &Object, entry: &mut Entry, findings: &mut Findings) {
    match (pool.word("slow-ramp-time"), number(pool.word("slow-ramp-time"))) {
        (None, _) => _ = entry.set_because("slow_start", format!("{SLOW_RAMP}s"), "slow ramp: BIG-IP's default"),
        (_, Some(0)) => {}
        (_, Some(seconds)) if seconds <= LONGEST => _ = entry.set("slow_start", format!("{seconds}s")),
        (Some(text), _) => {
            entry.set("slow_start", format!("{LONGEST}s"));
            let message = format!("`slow-ramp-time {text}` is more than the {LONGEST} s that Fairlead takes at most");
            findings.add(Check, pool.title(), message, "see whether slow_start is long enough");
        }
    }
}

fn own<'m>(member: &Member<'m>, key: &str) -> Option<&'m str> {
    word(&member.item.block, key)
}

fn number(text: Option<&str>) -> Option<u64> {
    text.and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_are_kept_as_far_as_weights_go() {
        for (parts, weights, is_exact) in [
            (&[1, 1, 1][..], &[1, 1, 1][..], true),
            (&[10, 20, 30], &[1, 2, 3], true),
            (&[300, 100], &[3, 1], true),
            (&[1, 101], &[1, 100], false),
            (&[1, 1_000, 500], &[1, 100, 50], false),
            (&[7], &[1], true),
            (&[u64::MAX, 1], &[1, 1], false),
        ] {
            let (got, exact) = scaled(parts);
            assert_eq!(exact, is_exact, "{parts:?}");
            if parts[0] < u64::MAX {
                assert_eq!(got, weights, "{parts:?}");
            }
            assert!(got.iter().all(|weight| (1..=100).contains(weight)), "{parts:?}: {got:?}");
        }
    }
}
