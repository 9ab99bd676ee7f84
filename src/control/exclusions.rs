//! The operator's changes to exclusion groups, laid over what the file says.
//!
//! Owns what was added and removed by hand, by pool, so that it outlives a reload. The file is never written.

use crate::admin::rows::Wall;
use crate::policy::Intent;
use crate::policy::intent::{PoolId, Snat};
use ipnet::Ipv4Net;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Prefixes added by hand to one group, at most.
pub const MOST_ADDED: usize = 65_536;

/// All changes.
#[derive(Clone, Debug, Default)]
pub struct Exclusions {
    pools: BTreeMap<PoolId, Override>,
    /// Pools whose group has lost a prefix since the start.
    narrowed: BTreeSet<PoolId>,
}

#[derive(Clone, Debug, Default)]
struct Override {
    added: BTreeMap<Ipv4Net, Wall>,
    removed: BTreeMap<Ipv4Net, Wall>,
}

/// Why a group cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It does not hold the prefix.
    NotHeld,
    /// It has [`MOST_ADDED`] prefixes added by hand.
    Full,
}

impl Exclusions {
    /// The intent with the changes laid over.
    pub fn laid_over(&self, file: &Intent) -> Intent {
        let mut intent = file.clone();
        for snat in &mut intent.snats {
            if let Some(change) = self.pools.get(&snat.pool) {
                snat.exclude.retain(|net| !change.removed.contains_key(net));
                let held: HashSet<Ipv4Net> = snat.exclude.iter().copied().collect();
                snat.exclude.extend(change.added.keys().filter(|net| !held.contains(net)));
            }
        }
        intent
    }

    /// `after` takes the place of `before`: pools whose group has lost a prefix, now or earlier, resume nothing.
    pub fn settle(&mut self, before: &Intent, after: &mut Intent) {
        let heirs: HashMap<PoolId, &Snat> = after.snats.iter().map(|snat| (snat.pool, snat)).collect();
        for snat in &before.snats {
            let heir = heirs.get(&snat.pool);
            if heir.is_some_and(|heir| heir.exclude == snat.exclude) {
                continue;
            }
            let kept: BTreeSet<_> = heir.iter().flat_map(|heir| &heir.exclude).collect();
            if snat.exclude.iter().any(|net| !kept.contains(net)) {
                self.narrowed.insert(snat.pool);
            }
        }
        self.narrowed.retain(|pool| after.pools.contains(*pool));
        after.snats.iter_mut().for_each(|snat| snat.resumes = !self.narrowed.contains(&snat.pool));
    }

    /// Puts a prefix into the group of a SNAT of the file, at `since`. `false`: it was there already.
    pub fn add(&mut self, snat: &Snat, prefix: Ipv4Net, since: Wall) -> Result<bool, Refused> {
        let in_file = snat.exclude.contains(&prefix);
        let change = self.pools.entry(snat.pool).or_default();
        if change.removed.remove(&prefix).is_some() {
            return Ok(true);
        }
        if in_file || change.added.contains_key(&prefix) {
            return Ok(false);
        }
        if change.added.len() >= MOST_ADDED {
            return Err(Refused::Full);
        }
        Ok(change.added.insert(prefix, since).is_none())
    }

    /// Takes a prefix out of the group of a SNAT of the file, at `since`; never `false`.
    pub fn remove(&mut self, snat: &Snat, prefix: Ipv4Net, since: Wall) -> Result<bool, Refused> {
        let in_file = snat.exclude.contains(&prefix);
        let change = self.pools.entry(snat.pool).or_default();
        let was_added = change.added.remove(&prefix).is_some();
        let is_removed = in_file && !change.removed.contains_key(&prefix);
        if is_removed {
            change.removed.insert(prefix, since);
        }
        if was_added || is_removed { Ok(true) } else { Err(Refused::NotHeld) }
    }

    /// Lays over the group of a SNAT of the file what was added to it, or removed, before the restart, as far as the file does
    /// not say so by now. Returns those prefixes.
    pub fn restore(&mut self, snat: &Snat, prefixes: &BTreeMap<Ipv4Net, Wall>, add: bool) -> Vec<Ipv4Net> {
        let mut restored = Vec::new();
        for (prefix, since) in prefixes {
            let prefix = prefix.trunc();
            let done = if add { self.add(snat, prefix, *since) } else { self.remove(snat, prefix, *since) };
            restored.extend((done == Ok(true)).then_some(prefix));
        }
        restored
    }

    /// What was added to the group of a SNAT of the file, and removed, is this from now on, as far as the file does not say so itself.
    pub fn follow(&mut self, snat: &Snat, added: &BTreeMap<Ipv4Net, Wall>, removed: &BTreeMap<Ipv4Net, Wall>) {
        self.pools.remove(&snat.pool);
        self.restore(snat, added, true);
        self.restore(snat, removed, false);
    }

    /// What was added to the group of a pool by hand, and what was removed, each with the moment.
    pub fn of(&self, pool: PoolId) -> (BTreeMap<Ipv4Net, Wall>, BTreeMap<Ipv4Net, Wall>) {
        self.pools.get(&pool).map(|change| (change.added.clone(), change.removed.clone())).unwrap_or_default()
    }

    /// How many prefixes that are.
    pub fn count(&self, pool: PoolId) -> usize {
        self.pools.get(&pool).map_or(0, |change| change.added.len() + change.removed.len())
    }

    /// The prefix was put there by hand.
    pub fn is_added(&self, pool: PoolId, prefix: &Ipv4Net) -> bool {
        self.pools.get(&pool).is_some_and(|change| change.added.contains_key(prefix))
    }

    /// The file's prefixes that were removed by hand.
    pub fn removed(&self, pool: PoolId) -> impl Iterator<Item = &Ipv4Net> {
        self.pools.get(&pool).into_iter().flat_map(|change| change.removed.keys())
    }

    /// The groups are the file's again.
    pub fn clear(&mut self) {
        self.pools.clear();
    }

    /// A new file: changes to pools it does not have are forgotten, and so are those it makes itself.
    pub fn renew(&mut self, file: &Intent) {
        let snats: HashMap<PoolId, &Snat> = file.snats.iter().map(|snat| (snat.pool, snat)).collect();
        self.pools.retain(|pool, change| {
            let Some(snat) = snats.get(pool) else { return false };
            let held: HashSet<Ipv4Net> = snat.exclude.iter().copied().collect();
            change.added.retain(|net, _| !held.contains(net));
            change.removed.retain(|net, _| held.contains(net));
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::harness;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn s50_what_is_added_can_be_removed_and_the_reverse() {
        let file = harness::two_arm();
        let snat = &file.snats[0];
        let mut exclusions = Exclusions::default();
        let new = net("10.99.0.0/16");
        assert_eq!(exclusions.add(snat, new, Wall(0)), Ok(true));
        assert_eq!(exclusions.add(snat, new, Wall(0)), Ok(false));
        assert_eq!(exclusions.laid_over(&file).snats[0].exclude.last(), Some(&new));
        assert!(exclusions.is_added(PoolId(0), &new));
        assert_eq!(exclusions.remove(snat, new, Wall(0)), Ok(true));
        assert_eq!(exclusions.laid_over(&file), file);
        assert_eq!(exclusions.remove(snat, new, Wall(0)), Err(Refused::NotHeld));
        let old = net("172.16.2.0/24");
        assert_eq!(exclusions.remove(snat, old, Wall(0)), Ok(true));
        assert_eq!(exclusions.remove(snat, old, Wall(0)), Err(Refused::NotHeld));
        assert!(!exclusions.laid_over(&file).snats[0].exclude.contains(&old));
        assert_eq!(exclusions.add(snat, old, Wall(0)), Ok(true));
        assert_eq!(exclusions.laid_over(&file), file);
    }

    #[test]
    fn s50_a_group_that_has_lost_a_prefix_resumes_nothing_any_more() {
        let file = harness::two_arm();
        let mut exclusions = Exclusions::default();
        let settled = |exclusions: &mut Exclusions, before: &Intent, mut after: Intent| {
            exclusions.settle(before, &mut after);
            after.snats[0].resumes
        };
        let mut more = file.clone();
        more.snats[0].exclude.push(net("10.99.0.0/16"));
        assert!(settled(&mut exclusions, &file, more.clone()), "a prefix more");
        assert!(!settled(&mut exclusions, &more, file.clone()), "and one less");
        assert!(!settled(&mut exclusions, &file, more.clone()), "it is remembered");
    }

    #[test]
    fn changes_outlive_a_reload_with_the_pool() {
        let file = harness::two_arm();
        let mut exclusions = Exclusions::default();
        let new = net("10.99.0.0/16");
        exclusions.add(&file.snats[0], new, Wall(0)).unwrap();
        exclusions.renew(&file);
        assert!(exclusions.is_added(PoolId(0), &new));
        let mut taken_up = file.clone();
        taken_up.snats[0].exclude.push(new);
        exclusions.renew(&taken_up);
        assert!(!exclusions.is_added(PoolId(0), &new), "it is the file's now");
        exclusions.add(&file.snats[0], new, Wall(0)).unwrap();
        let mut gone = file.clone();
        gone.snats.clear();
        exclusions.renew(&gone);
        assert_eq!(exclusions.laid_over(&file), file);
    }
}
