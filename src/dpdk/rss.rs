//! How a NIC spreads what it receives over its queues.
//!
//! Owns the asking: a key and a table of queues, given to the driver, and read back, because drivers take things in
//! silence. Knows nothing of what the key makes the NIC look at. A driver that does not take both spreads as it likes,
//! which is never an error: the workers hand on what arrives at the wrong one.

use dpdk_sys::{rte_eth_conf, rte_eth_dev_info, rte_eth_rss_conf, rte_eth_rss_reta_entry64};

/// Length of a key where the driver does not say, in bytes.
const USUAL_KEY: usize = 40;

/// Entries of a table that are given at once.
const GROUP: usize = 64;

/// What a NIC is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rss {
    /// Longer than any driver wants; each takes its part from the front.
    pub key: Vec<u8>,
    /// For the lowest bits of the hash, the worker. As long as a power of two; longer tables of NICs repeat it.
    pub owners: Vec<u16>,
}

/// How a NIC spreads what it receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hashing {
    /// There is one queue only.
    #[default]
    OneQueue,
    /// It has no hash, or none over addresses and ports.
    Cannot,
    /// By addresses and ports, with a key or a table of its own.
    OwnWay,
    /// With the key and the table it was given.
    AsAsked,
}

/// Writes into `conf` what the driver can of what is wanted, and says what that is.
pub(super) fn prepare(info: &rte_eth_dev_info, queues: u16, wanted: Option<&Rss>, conf: &mut rte_eth_conf) -> Hashing {
    let hash = info.flow_type_rss_offloads & dpdk_sys::SHIM_RSS_IP_TCP_UDP;
    conf.rx_adv_conf.rss_conf = rte_eth_rss_conf::default();
    if queues <= 1 {
        return Hashing::OneQueue;
    }
    if hash == 0 {
        return Hashing::Cannot;
    }
    conf.rxmode.mq_mode = dpdk_sys::RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = hash;
    let knows_ports = hash & dpdk_sys::SHIM_RSS_PORTS == dpdk_sys::SHIM_RSS_PORTS;
    match wanted.and_then(|wanted| key_of_length(wanted, info.hash_key_size)) {
        Some(key) if knows_ports => {
            // DPDK declares the key mutable and does not write here.
            conf.rx_adv_conf.rss_conf.rss_key = key.as_ptr().cast_mut();
            conf.rx_adv_conf.rss_conf.rss_key_len = key.len() as u8;
            Hashing::AsAsked
        }
        _ => Hashing::OwnWay,
    }
}

/// As much of the key as the driver wants.
fn key_of_length(wanted: &Rss, size: u8) -> Option<&[u8]> {
    let length = if size == 0 { USUAL_KEY } else { usize::from(size) };
    wanted.key.get(..length)
}

/// Gives a started port its table, and makes sure of its key.
pub(super) fn settle(id: u16, queues: u16, wanted: &Rss) -> Hashing {
    let mut info = rte_eth_dev_info::default();
    // SAFETY: the port is open, and the facts are a variable of ours. Some drivers size the table when configured.
    let known = unsafe { dpdk_sys::rte_eth_dev_info_get(id, &mut info) } == 0;
    if known && set_table(id, info.reta_size, queues, wanted) && key_is_set(id, &info, wanted) {
        Hashing::AsAsked
    } else {
        Hashing::OwnWay
    }
}

/// Tries the lengths of table that can be: the driver's, and where that is too short for us, ours, which mlx5 grows to.
fn set_table(id: u16, size: u16, queues: u16, wanted: &Rss) -> bool {
    let Some(table) = table(usize::from(size), queues, &wanted.owners) else { return false };
    let mut entries = grouped(&table);
    // SAFETY: the port is started, and the entries are as many groups as the length says. DPDK checks both.
    let given = unsafe { dpdk_sys::rte_eth_dev_rss_reta_update(id, entries.as_mut_ptr(), table.len() as u16) } == 0;
    if !given {
        return false;
    }
    entries.iter_mut().for_each(|group| group.reta = [u16::MAX; GROUP]);
    // SAFETY: as above.
    let read = unsafe { dpdk_sys::rte_eth_dev_rss_reta_query(id, entries.as_mut_ptr(), table.len() as u16) };
    // A driver that cannot tell is believed: what arrives where will show it.
    read == -libc::ENOTSUP || (read == 0 && entries.iter().flat_map(|group| group.reta).take(table.len()).eq(table))
}

/// The queue for each entry of a table of the driver's length; `None` when it has none, or one that does not go with
/// the lowest bits of the hash. Workers without a queue on the port are fed by the others.
fn table(size: usize, queues: u16, owners: &[u16]) -> Option<Vec<u16>> {
    if size == 0 || !size.is_power_of_two() || owners.is_empty() {
        return None;
    }
    let length = size.max(owners.len());
    Some((0..length).map(|at| owners[at % owners.len()] % queues).collect())
}

fn grouped(table: &[u16]) -> Vec<rte_eth_rss_reta_entry64> {
    let group = |queues: &[u16]| {
        let mut group = rte_eth_rss_reta_entry64 { mask: u64::MAX >> (GROUP - queues.len()), reta: [0; GROUP] };
        group.reta[..queues.len()].copy_from_slice(queues);
        group
    };
    table.chunks(GROUP).map(group).collect()
}

/// Some drivers take the key when configured, some only later.
fn key_is_set(id: u16, info: &rte_eth_dev_info, wanted: &Rss) -> bool {
    let Some(key) = key_of_length(wanted, info.hash_key_size) else { return false };
    match key_reads_as(id, key) {
        Ok(true) => return true,
        // As with the table.
        Err(code) if code == -libc::ENOTSUP => return true,
        _ => {}
    }
    let mut copy = key.to_vec();
    let (rss_key, rss_key_len) = (copy.as_mut_ptr(), copy.len() as u8);
    let rss_hf = info.flow_type_rss_offloads & dpdk_sys::SHIM_RSS_IP_TCP_UDP;
    // Later releases have more fields.
    let mut conf = rte_eth_rss_conf::default();
    (conf.rss_key, conf.rss_key_len, conf.rss_hf) = (rss_key, rss_key_len, rss_hf);
    // SAFETY: the port is started, and the key outlives the call.
    let given = unsafe { dpdk_sys::rte_eth_dev_rss_hash_update(id, &mut conf) } == 0;
    given && key_reads_as(id, key) == Ok(true)
}

/// Whether the driver says that it hashes with this key.
fn key_reads_as(id: u16, key: &[u8]) -> Result<bool, i32> {
    // Drivers that do not say how long their key is, and do not look at ours, have room for the longest there can be.
    let mut read = [0; u8::MAX as usize];
    let (rss_key, rss_key_len) = (read.as_mut_ptr(), key.len() as u8);
    let mut conf = rte_eth_rss_conf { rss_key, rss_key_len, ..Default::default() };
    // SAFETY: the port is started; the driver writes its key where there is room, and the rest into a variable.
    match unsafe { dpdk_sys::rte_eth_dev_rss_hash_conf_get(id, &mut conf) } {
        0 => Ok(read.starts_with(key)),
        code => Err(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rss() -> Rss {
        Rss { key: (0..64).collect(), owners: vec![0, 2, 1, 3] }
    }

    fn info(offloads: u64, key: u8) -> rte_eth_dev_info {
        rte_eth_dev_info { flow_type_rss_offloads: offloads, hash_key_size: key, ..Default::default() }
    }

    #[test]
    fn a_driver_is_asked_for_what_it_says_it_can() {
        let (all, wanted) = (dpdk_sys::SHIM_RSS_IP_TCP_UDP, rss());
        let addresses_only = all & !dpdk_sys::SHIM_RSS_PORTS;
        let rows = [
            ("one queue", info(all, 40), 1, Some(&wanted), Hashing::OneQueue, 0),
            ("no hash", info(0, 40), 4, Some(&wanted), Hashing::Cannot, 0),
            ("nothing asked", info(all, 40), 4, None, Hashing::OwnWay, 0),
            ("no ports", info(addresses_only, 40), 4, Some(&wanted), Hashing::OwnWay, 0),
            ("a key too long", info(all, 65), 4, Some(&wanted), Hashing::OwnWay, 0),
            ("ixgbe", info(all, 40), 4, Some(&wanted), Hashing::AsAsked, 40),
            ("ice", info(all, 52), 4, Some(&wanted), Hashing::AsAsked, 52),
            ("does not say", info(all, 0), 4, Some(&wanted), Hashing::AsAsked, 40),
        ];
        for (what, info, queues, wanted, expected, length) in rows {
            let mut conf = rte_eth_conf::default();
            assert_eq!(prepare(&info, queues, wanted, &mut conf), expected, "{what}");
            assert_eq!(conf.rx_adv_conf.rss_conf.rss_key_len, length, "{what}");
            assert_eq!(conf.rx_adv_conf.rss_conf.rss_key.is_null(), length == 0, "{what}");
            assert_eq!(conf.rx_adv_conf.rss_conf.rss_hf != 0, queues > 1 && info.flow_type_rss_offloads != 0, "{what}");
        }
    }

    #[test]
    fn a_table_repeats_the_owners_and_names_queues_that_there_are() {
        let owners = rss().owners;
        assert_eq!(table(8, 4, &owners), Some(vec![0, 2, 1, 3, 0, 2, 1, 3]));
        assert_eq!(table(2, 4, &owners), Some(owners.clone()), "a table shorter than that of owners is asked to grow");
        assert_eq!(table(4, 3, &owners), Some(vec![0, 2, 1, 0]), "the fourth worker has no queue here");
        assert_eq!((table(0, 4, &owners), table(12, 4, &owners)), (None, None));
    }

    #[test]
    fn groups_hold_sixty_four_and_the_last_the_rest() {
        let groups = grouped(&(0..130).collect::<Vec<u16>>());
        let masks: Vec<u64> = groups.iter().map(|group| group.mask).collect();
        assert_eq!(masks, [u64::MAX, u64::MAX, 3]);
        assert_eq!((groups[1].reta[0], groups[2].reta[1]), (64, 129));
    }
}
