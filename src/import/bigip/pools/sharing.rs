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

/// Seconds, unless the pool says otherwise: BIG-IP's own default.
const SLOW_RAMP: u64 = 10;
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
    /// The preferred one of a pair takes over again.
    fails_back: bool,
}

impl Sharing {
    /// Several members are active at a time.
    pub fn is_shared(&self) -> bool {
        self.mode.is_some()
    }

    /// Writes it, but for the members.
    pub fn write(&self, pool: &Object, entry: &mut Entry, findings: &mut Findings) {
        if self.fails_back {
            entry.set_because("fail_back", "immediate", "as priority groups do; \"never\" breaks fewer calls");
        }
        let Some(mode) = self.mode else {
            if pool.word("slow-ramp-time").is_some_and(|time| time != "0" && time != "10") {
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
    let pair =
        |count: usize, fails_back| Sharing { mode: None, each: vec![(1, 0); count], min_active: None, fails_back };
    let [(pool, members), others @ ..] = group else { return pair(0, false) };
    if let Some(fails_back) = is_pair(group, findings) {
        return pair(members.len(), fails_back);
    }
    others.iter().for_each(|other| compare(&group[0], other, findings));
    let nearest = nearest(pool.word("load-balancing-mode").unwrap_or("round-robin"));
    said(pool, members.len(), &nearest, findings);
    let weights = weights(pool, members, &nearest, objects, findings);
    let has_groups = differ(members) && least(pool) > 0;
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
        fails_back: false,
    }
}

/// One of its members is active, and whether the preferred one takes over again. `None`: several are.
fn is_pair(group: &[Listed<'_>], findings: &mut Findings) -> Option<bool> {
    let (pool, members) = group.first()?;
    let mode = pool.word("load-balancing-mode");
    match members.len() {
        0 | 1 => Some(false),
        2 if differ(members) && least(pool) == 1 => {
            let message = "priority groups return to the preferred member as soon as it is up, and so does `fail_back = \"immediate\"`";
            findings.add(Check, pool.title(), message, "remove fail_back to stay where the calls are");
            Some(true)
        }
        // Nobody has written a mode, and nothing says that both work at once.
        2 if mode.is_none() && least(pool) < 2 && !group.iter().any(|(_, members)| are_both_up(members)) => {
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
            Some(false)
        }
        _ => None,
    }
}

fn differ(members: &[Member<'_>]) -> bool {
    members.windows(2).any(|pair| pair[0].priority != pair[1].priority)
}

/// So many members of the higher groups are enough; 0: there are no groups.
fn least(pool: &Object) -> u64 {
    number(pool.word("min-active-members")).unwrap_or(0)
}

/// The members of `other` share its work otherwise than those of `first`, as which they do here.
fn compare((first, members): &Listed<'_>, (other, of_it): &Listed<'_>, findings: &mut Findings) {
    let keys = ["load-balancing-mode", "min-active-members", "slow-ramp-time"];
    let mut unlike: Vec<&str> = keys.into_iter().filter(|key| other.word(key) != first.word(key)).collect();
    let by_address = |members: &[Member<'_>]| {
        let key = |member: &Member<'_>| (member.address, member.priority, number(own(member, "ratio")).unwrap_or(1));
        let mut all: Vec<_> = members.iter().map(key).collect();
        all.sort_unstable();
        all
    };
    if by_address(members) != by_address(of_it) {
        unlike.push("priority-group or ratio of a member");
    }
    if !unlike.is_empty() {
        let message = format!("not as in {}, by which the joined pool goes: {}", first.title(), unlike.join(", "));
        findings.add(Check, other.title(), message, "see that it is right for both");
    }
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
fn said(pool: &Object, count: usize, nearest: &Nearest<'_>, findings: &mut Findings) {
    let Nearest { theirs, mode, is_same, .. } = nearest;
    if !is_same {
        let message = format!("Fairlead does not share the work by `{theirs}`: mode = \"{mode}\" is nearest to it");
        return findings.add(Check, pool.title(), message, "see whether that is right for these servers");
    }
    let message = format!(
        "BIG-IP shares the work between all members that are up ({theirs}), and so does this file: mode = \"{mode}\""
    );
    match count {
        2 => {
            let remedy = "for a pair of SIP Servers, whose standby does not answer, remove mode, and weight, slow_start and persistence \
                          if they are there: one is active, and all peers are switched over at once";
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
    let divisor = parts.iter().fold(0, |divisor, part| common_divisor(divisor, *part)).max(1);
    let most = parts.iter().max().map_or(1, |most| most / divisor);
    let weight = |part: &u64| match most <= HEAVIEST {
        true => part / divisor,
        false => (part / divisor).saturating_mul(HEAVIEST).saturating_add(most / 2) / most,
    };
    let weights = parts.iter().map(|part| u32::try_from(weight(part).max(1)).unwrap_or(1));
    (weights.collect(), most <= HEAVIEST)
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
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
