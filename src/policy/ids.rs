//! A thing keeps its identity through a reload.
//!
//! Owns who is who when a file takes the place of another: the ids of members, pools, interfaces, monitors and virtual servers, and since
//! when each of them, and each virtual address, has been there without a break. A member is known by its address, an interface by its
//! port and tag, a pool by its name, else by the addresses of its members, a virtual server by its name, else by where it listens, a
//! monitor by its name, else by what it asks and how. Where names and contents disagree the name wins. Never says what happens to what is
//! gone: nobody finds it any more.

use super::Intent;
use super::intent::{Monitor, MonitorKind, POOLS};
use super::slots::{Id, Life, Lives, Slots};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::net::Ipv4Addr;

/// Ids of pools that there can be: those of a file, and of the one before, which are not given again at once.
pub const POOL_IDS: usize = 2 * POOLS;

/// `file` as the one that follows `before`: with the ids of that one, wherever things are in it now, and new ones for
/// what is new. Ids that `before` does not use any more are given again; what it uses and `file` does not, is not until
/// the next file: whoever drops what belongs to vanished ids never meets another thing by the same one.
pub fn carry_over(before: &Intent, mut file: Intent) -> Intent {
    let life = Life(before.lives.now.0 + 1);
    let pool_of = |intent: &Intent, members: &[super::intent::MemberId]| -> BTreeSet<Ipv4Addr> {
        members.iter().map(|id| intent.members[*id].address).collect()
    };
    let interfaces = Heirs::new(&before.interfaces, &file.interfaces).by(|one| (one.port, one.vlan)).ids();
    let members = Heirs::new(&before.members, &file.members).by(|one| one.address).ids();
    let pools = Heirs::new(&before.pools, &file.pools)
        .by(|one| one.name.clone())
        .by_either(|old| pool_of(before, &old.members), |new| pool_of(&file, &new.members))
        .ids();
    let monitors = Heirs::new(&before.monitors, &file.monitors)
        .by(|one| (one.name.clone(), format!("{:?}", one.kind)))
        .by(|one| (one.name.clone(), port_of(&one.kind)))
        .by(|one| one.name.clone())
        .by(|one| format!("{:?}", Monitor { name: String::new(), ..one.clone() }))
        .ids();
    for pool in file.pools.iter_mut() {
        pool.members.iter_mut().for_each(|id| *id = members[id.index()]);
        pool.monitors.iter_mut().for_each(|id| *id = monitors[id.index()]);
    }
    for member in file.members.iter_mut() {
        (member.pool, member.interface) = (pools[member.pool.index()], interfaces[member.interface.index()]);
    }
    file.routes.iter_mut().for_each(|route| route.interface = interfaces[route.interface.index()]);
    file.neighbours.iter_mut().for_each(|host| host.interface = interfaces[host.interface.index()]);
    file.virtual_servers.iter_mut().for_each(|server| server.pool = pools[server.pool.index()]);
    let servers = Heirs::new(&before.virtual_servers, &file.virtual_servers)
        .by(|one| one.name.clone())
        .by(|one| (one.address, one.listen.iter().copied().collect::<BTreeSet<_>>()))
        .ids();
    file.snats.iter_mut().for_each(|snat| snat.pool = pools[snat.pool.index()]);
    let known: HashSet<Ipv4Addr> = before.translated_addresses().collect();
    let since = |address| if known.contains(&address) { before.lives.of(address) } else { life };
    let addresses = file.translated_addresses().map(|address| (address, since(address))).collect();
    Intent {
        interfaces: numbered(file.interfaces, interfaces, &before.interfaces, life),
        members: numbered(file.members, members, &before.members, life),
        pools: numbered(file.pools, pools, &before.pools, life),
        monitors: numbered(file.monitors, monitors, &before.monitors, life),
        virtual_servers: numbered(file.virtual_servers, servers, &before.virtual_servers, life),
        lives: Lives { now: life, addresses },
        ..file
    }
}

fn numbered<K: Id, T>(list: Slots<K, T>, ids: Vec<K>, before: &Slots<K, T>, life: Life) -> Slots<K, T> {
    let since = |id| if before.contains(id) { before.since(id) } else { life };
    Slots::numbered(list.into_iter().zip(ids).map(|(value, id)| (id, since(id), value)))
}

fn port_of(kind: &MonitorKind) -> Option<u16> {
    match kind {
        MonitorKind::Icmp => None,
        MonitorKind::Tcp { port } | MonitorKind::TcpHalfOpen { port } | MonitorKind::Udp { port, .. } => Some(*port),
        MonitorKind::Sip(probe) => Some(probe.port),
        MonitorKind::Http(probe) => Some(probe.port),
        MonitorKind::External(probe) => probe.port,
    }
}

/// Who of one file is who of the one before.
struct Heirs<'a, K, T> {
    before: &'a Slots<K, T>,
    file: &'a Slots<K, T>,
    /// By place in the file.
    ids: Vec<Option<K>>,
}

impl<'a, K: Id, T> Heirs<'a, K, T> {
    fn new(before: &'a Slots<K, T>, file: &'a Slots<K, T>) -> Heirs<'a, K, T> {
        Heirs { before, file, ids: vec![None; file.len()] }
    }

    /// Whoever has no id yet has that of the one before with the same `key`, if nobody has that one.
    fn by<Q: Eq + Hash>(self, key: impl Fn(&T) -> Q) -> Self {
        self.by_either(&key, &key)
    }

    fn by_either<Q: Eq + Hash>(mut self, old_key: impl Fn(&T) -> Q, new_key: impl Fn(&T) -> Q) -> Self {
        let taken: BTreeSet<K> = self.ids.iter().flatten().copied().collect();
        let mut known: HashMap<Q, VecDeque<K>> = HashMap::new();
        for (id, old) in self.before.entries().filter(|(id, _)| !taken.contains(id)) {
            known.entry(old_key(old)).or_default().push_back(id);
        }
        for (id, new) in self.ids.iter_mut().zip(self.file.iter()).filter(|(id, _)| id.is_none()) {
            *id = known.get_mut(&new_key(new)).and_then(VecDeque::pop_front);
        }
        self
    }

    /// All ids, by place in the file; who is new has the lowest that nobody had.
    fn ids(self) -> Vec<K> {
        let mut vacant = (0..).map(K::of).filter(|id| !self.before.contains(*id));
        self.ids.into_iter().filter_map(|id| id.or_else(|| vacant.next())).collect()
    }
}

#[cfg(test)]
mod tests;
