//! Who of what is remembered is who of the file now.
//!
//! Owns [`Who`]. A pool is found by its name, else by the addresses of its members, as everywhere (`policy/ids.rs`); a member by its address
//! in the pool that it was in. Where they stand in the file says nothing. What is found by neither is there no more.

use super::remembered::{Remembered, RememberedPool};
use crate::policy::intent::{Intent, MemberId, PoolId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;

/// Pools and members that are still there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// Of each that is remembered, in that order, which one it is now.
    pub pools: Vec<Option<PoolId>>,
    /// By address.
    pub members: HashMap<Ipv4Addr, MemberId>,
}

impl Who {
    /// Those of `intent`.
    pub fn of(remembered: &Remembered, intent: &Intent) -> Who {
        let pools = pools(&remembered.pools, intent);
        let of_pool = |(pool, id): (&RememberedPool, &Option<PoolId>)| {
            let there = id.map(|id| intent.pools[id].members.clone()).unwrap_or_default();
            let there = there.into_iter().map(|id| (intent.members[id].address, id));
            let known: BTreeSet<Ipv4Addr> = pool.members.iter().map(|member| member.address).collect();
            there.filter(|(address, _)| known.contains(address)).collect::<Vec<_>>()
        };
        let members = remembered.pools.iter().zip(&pools).flat_map(of_pool).collect();
        Who { pools, members }
    }
}

fn pools(known: &[RememberedPool], intent: &Intent) -> Vec<Option<PoolId>> {
    let mut by_name: BTreeMap<&str, PoolId> =
        intent.pools.entries().map(|(id, pool)| (pool.name.as_str(), id)).collect();
    let named: Vec<Option<PoolId>> = known.iter().map(|one| by_name.remove(one.name.as_str())).collect();
    let addresses =
        |id: PoolId| intent.pools[id].members.iter().map(|member| intent.members[*member].address).collect();
    let mut by_members: HashMap<BTreeSet<Ipv4Addr>, PoolId> =
        by_name.into_values().map(|id| (addresses(id), id)).collect();
    let of = |one: &RememberedPool| one.members.iter().map(|member| member.address).collect::<BTreeSet<_>>();
    known.iter().zip(named).map(|(one, id)| id.or_else(|| by_members.remove(&of(one)))).collect()
}
