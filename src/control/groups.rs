//! Priority groups: which members of a pool take new work, of those that could.
//!
//! Owns the rule: the highest priority does, and while too few members count, the next lower one as well. Who could, and who counts, is
//! [`super::sharing`]'s to say.

use crate::policy::intent::MemberId;

/// A member that could take new work.
#[derive(Clone, Copy, Debug)]
pub struct Eligible {
    /// Who.
    pub member: MemberId,
    /// Its group.
    pub priority: u16,
    /// It is one of those of whom there must be enough.
    pub counts: bool,
}

/// The groups that take new work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// Their priorities, the highest first.
    pub active: Vec<u16>,
    /// Members that count, but for those of the lowest of several groups.
    counted: usize,
}

impl Groups {
    /// Those of these members that are needed for `min_active` of them, or all.
    pub fn choose(eligible: &[Eligible], min_active: usize) -> Groups {
        let mut priorities: Vec<u16> = eligible.iter().map(|one| one.priority).collect();
        priorities.sort_unstable_by_key(|priority| std::cmp::Reverse(*priority));
        priorities.dedup();
        let above = |lowest: u16| eligible.iter().filter(|one| one.counts && one.priority > lowest).count();
        // Of each group it is the higher ones that make it needed.
        priorities.truncate(priorities.iter().take_while(|priority| above(**priority) < min_active).count().max(1));
        let counted = match priorities[..] {
            [.., lowest] if priorities.len() > 1 => above(lowest),
            _ => eligible.iter().filter(|one| one.counts && priorities.contains(&one.priority)).count(),
        };
        Groups { active: priorities, counted }
    }

    /// The member takes part.
    pub fn hold(&self, one: &Eligible) -> bool {
        self.active.contains(&one.priority)
    }

    /// Which groups they are, and why.
    pub fn reason(&self, min_active: usize) -> String {
        let counted = self.counted;
        match &self.active[..] {
            [] => String::from("no priority"),
            [one] => format!("priority {one} (counted: {counted}, min_active: {min_active})"),
            [higher @ .., lowest] => {
                let higher = higher.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
                format!(
                    "priorities {higher} and {lowest} (counted above {lowest}: {counted}, min_active: {min_active})"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eligible(rows: &[(u16, bool)]) -> Vec<Eligible> {
        let one = |(at, (priority, counts)): (usize, &(u16, bool))| Eligible {
            member: MemberId(at as u16),
            priority: *priority,
            counts: *counts,
        };
        rows.iter().enumerate().map(one).collect()
    }

    #[test]
    fn lower_groups_take_part_while_too_few_of_the_higher_ones_count() {
        const THREE: [(u16, bool); 5] = [(5, true), (10, true), (0, true), (10, true), (5, true)];
        for (min_active, active) in
            [(1, &[10][..]), (2, &[10]), (3, &[10, 5]), (4, &[10, 5]), (5, &[10, 5, 0]), (64, &[10, 5, 0])]
        {
            assert_eq!(Groups::choose(&eligible(&THREE), min_active).active, active, "{min_active}");
        }
        let slow = [(10, true), (10, false), (5, true)];
        assert_eq!(Groups::choose(&eligible(&slow), 1).active, [10]);
        assert_eq!(Groups::choose(&eligible(&slow), 2).active, [10, 5], "who does not count takes part all the same");
        assert_eq!(Groups::choose(&eligible(&[(10, false), (5, false), (0, false)]), 1).active, [10, 5, 0]);
        assert_eq!(Groups::choose(&eligible(&[(7, false)]), 3).active, [7]);
        let groups = Groups::choose(&eligible(&slow), 2);
        assert_eq!(eligible(&slow).iter().map(|one| groups.hold(one)).collect::<Vec<_>>(), [true; 3]);
        assert_eq!(Groups::choose(&[], 1).active, [0; 0]);
    }

    #[test]
    fn which_they_are_and_why_is_said() {
        for (rows, min_active, reason) in [
            (&[(10, true), (10, true), (5, true)][..], 2, "priority 10 (counted: 2, min_active: 2)"),
            (&[(10, true), (5, true)], 2, "priorities 10 and 5 (counted above 5: 1, min_active: 2)"),
            (&[(10, false), (5, false), (0, true)], 1, "priorities 10, 5 and 0 (counted above 0: 0, min_active: 1)"),
            (&[(10, false)], 1, "priority 10 (counted: 0, min_active: 1)"),
            (&[], 1, "no priority"),
        ] {
            assert_eq!(Groups::choose(&eligible(rows), min_active).reason(min_active), reason);
        }
    }
}
