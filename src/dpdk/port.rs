//! NICs: attached, configured and started together, and what they say of themselves.
//!
//! Owns how many queues a port gets and which worker has which. A port has as many receive queues as there are workers,
//! or as many as the operator or the driver allow; workers beyond those receive nothing from it and are handed frames by
//! the others. A PCI port has as many transmit queues as workers, a virtual one as many as receive queues: what there are
//! too few of is shared, in turns. Read `queue` next.

use super::attach::{Attached, attach, nobody_listens};
use super::device::{Device, PacketRing};
use super::eal::Eal;
use super::error::{DpdkError, Fault, Said, error_text};
use super::events::{DeviceEvents, Reports};
use super::interface;
use super::log;
use super::macs::MacFilter;
use super::mempool::{CACHE, Pool};
use super::nic::{Nic, PortFacts, Turns};
use super::queue::Queue;
use super::rss::{self, Hashing, Rss};
use super::vlans::VlanFilter;
use crate::io::PortStats;
use dpdk_sys::{rte_eth_conf, rte_eth_dev_info};
use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Descriptors of a ring, where the driver and the pool allow as many.
const RING: u16 = 1024;

/// Bytes that the name of a firmware may have.
const FIRMWARE: usize = 128;

/// The least that is worth starting with.
const SMALLEST_RING: u16 = 64;

/// Ethernet's header and check sequence, in bytes.
const ETHERNET_FRAMING: u32 = 18;

/// A port as the operator wants it.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// Its name in the configuration.
    pub name: String,
    /// A PCI address or a virtual device, with arguments after a comma.
    pub device: String,
    /// The largest IP packet, in bytes.
    pub mtu: u16,
    /// Receive queues; `None`: as many as workers, where the driver can.
    pub queues: Option<u16>,
    /// How frames are to be spread over the queues; `None`: as the driver likes.
    pub rss: Option<Rss>,
}

/// The cable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Whether frames can be sent.
    pub up: bool,
    /// Megabits a second, where the driver knows.
    pub mbps: Option<u32>,
    /// How often it was reported to have changed, where somebody reports it: a link that is up now, and was when it was looked at
    /// before, was away in between if this differs.
    pub changes: u64,
}

/// All ports, open. A port is named by its place in the configuration, from 0.
pub struct Ports {
    open: Vec<Arc<Nic>>,
    /// Per worker, until it takes them.
    queues: Vec<Vec<Queue>>,
    pool: Arc<Pool>,
    mbufs: u32,
}

impl Eal {
    /// Attaches, configures and starts the ports, with `mbufs` buffers shared by all of them, for `workers` workers.
    ///
    /// # Errors
    /// The first port that cannot be had, with what to do about it; the ports before it are closed again.
    pub fn open_ports(&self, wanted: &[PortConfig], workers: usize, mbufs: u32) -> Result<Ports, DpdkError> {
        let workers = u16::try_from(workers.max(1)).unwrap_or(u16::MAX);
        let drafts = wanted.iter().map(|port| Draft::new(port, workers)).collect::<Result<Vec<_>, _>>()?;
        let queues: u32 = drafts.iter().map(|draft| u32::from(draft.rx_queues) + u32::from(draft.tx_queues)).sum();
        let ring = ring_length(mbufs, queues, workers)?;
        let largest = wanted.iter().map(|port| port.mtu).max().unwrap_or(1500);
        let socket = drafts.first().map_or(-1, Draft::socket);
        let pool = Arc::new(Pool::new(self, mbufs, largest, socket)?);
        let mut ports = Ports { open: Vec::new(), queues: Vec::new(), pool, mbufs };
        for draft in drafts {
            ports.open.push(Arc::new(draft.start(&ports.pool, ring, workers)?));
        }
        let queues_of = |worker| ports.open.iter().map(|nic| Queue::new(nic, worker)).collect();
        ports.queues = (0..usize::from(workers)).map(queues_of).collect();
        Ok(ports)
    }
}

impl Ports {
    /// The queues of worker number `worker`, one per port in order, to be moved to its thread. A worker's queues can be
    /// had once; after that, and for a worker that was not opened for, there are none.
    pub fn queues_for(&mut self, worker: usize) -> Vec<Queue> {
        self.queues.get_mut(worker).map(std::mem::take).unwrap_or_default()
    }

    /// What does not change, per port in order.
    pub fn facts(&self) -> Vec<PortFacts> {
        self.open.iter().map(|nic| nic.facts.clone()).collect()
    }

    /// The state of a port's cable; down for a port that is not there.
    pub fn link(&self, port: usize) -> Link {
        let Some(nic) = self.open.get(port) else { return Link::default() };
        // Counted before it is looked at: what changes meanwhile is seen the next time.
        let carriers = nic.attached.interfaces.iter().map(interface::Interface::carrier_changes);
        let changes = carriers.fold(nic.reports.link_changes(), u64::wrapping_add);
        let mut mbps = 0;
        // SAFETY: the port is open, and the speed is a variable of ours.
        let mut up = unsafe { dpdk_sys::shim_link(nic.id(), &mut mbps) } == 1;
        // Drivers on interfaces of the kernel do not look: af_packet says up, whatever its interface does.
        for interface in &nic.attached.interfaces {
            up &= interface.look(&nic.name, nic.mtu);
        }
        if nic.was_up.swap(up, Ordering::Relaxed)
            && !up
            && let Some(argument) = nic.listens_with
        {
            let name = &nic.name;
            tracing::warn!(
                "port {name}: the program at the other end has gone, and {} does not connect again: restart Fairlead when it is \
                 back, or let this end listen ({argument})",
                nic.facts.driver
            );
        }
        Link { up, mbps: (mbps != 0 && mbps != u32::MAX).then_some(mbps), changes }
    }

    /// What happened to a port's device; nothing for a port that is not there.
    pub fn device_events(&self, port: usize) -> DeviceEvents {
        self.open.get(port).map(|nic| nic.reports.device()).unwrap_or_default()
    }

    /// Lets a port receive frames of these VLANs, untagged ones, and no others, if its driver can tell them apart. Says whether
    /// it can: one that cannot lets in all. Asking again for the same costs nothing.
    pub fn pass_vlans(&self, port: usize, tags: &[u16]) -> bool {
        self.open.get(port).is_some_and(|nic| nic.vlans.pass(&nic.name, tags))
    }

    /// Lets a port receive frames for these MACs beside its own, and for no others, if its driver can tell them apart. Says whether it can:
    /// one that cannot lets in all. Asking again for the same costs nothing.
    pub fn take_macs(&self, port: usize, macs: &[[u8; 6]]) -> bool {
        self.open.get(port).is_some_and(|nic| nic.macs.take(&nic.name, macs))
    }

    /// Lets a port receive frames to all groups: routing daemons listen to some. Asking again costs nothing.
    pub fn pass_groups(&self, port: usize) {
        if let Some(nic) = self.open.get(port) {
            nic.vlans.pass_groups();
        }
    }

    /// The counters of a port since it was opened; zeros for a port that is not there. What a driver counted between the
    /// last look and a start from zero is lost.
    pub fn stats(&self, port: usize) -> PortStats {
        let Some(nic) = self.open.get(port) else { return PortStats::default() };
        let mut raw = dpdk_sys::rte_eth_stats::default();
        // SAFETY: the port is open, and the counters are a variable of ours.
        let rc = unsafe { dpdk_sys::rte_eth_stats_get(nic.id(), &mut raw) };
        let missed = raw.imissed.saturating_add(raw.rx_nombuf);
        let now = [raw.ipackets, raw.ibytes, missed, raw.ierrors, raw.opackets, raw.obytes, raw.oerrors];
        let mut counted = nic.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = if rc < 0 { counted.last() } else { now };
        let [rx_frames, rx_bytes, rx_missed, damaged, tx_frames, tx_bytes, tx_errors] = counted.read(now);
        let rx_errors = damaged.saturating_add(nic.unusable.load(Ordering::Relaxed));
        PortStats { rx_frames, rx_bytes, rx_missed, rx_errors, tx_frames, tx_bytes, tx_errors }
    }

    /// Buffers nobody holds, and all there are.
    pub fn buffers(&self) -> (u32, u32) {
        (self.pool.available(), self.mbufs)
    }
}

/// How long every ring can be so that rings hold no more than half of the buffers.
fn ring_length(mbufs: u32, rings: u32, workers: u16) -> Result<u16, Fault> {
    let kept = u32::from(workers) * CACHE;
    let needed = |ring: u16| 2 * rings * u32::from(ring) + kept;
    let mut ring = RING;
    while ring > SMALLEST_RING && needed(ring) > mbufs {
        ring /= 2;
    }
    if needed(ring) > mbufs {
        return Err(Fault::TooFewMbufs { mbufs, needed: needed(ring) });
    }
    Ok(ring)
}

/// A port on its way: attached and configured, not yet started.
struct Draft<'a> {
    wanted: &'a PortConfig,
    reports: Reports,
    attached: Attached,
    info: rte_eth_dev_info,
    rx_queues: u16,
    tx_queues: u16,
    hashing: Hashing,
}

impl<'a> Draft<'a> {
    fn new(wanted: &'a PortConfig, workers: u16) -> Result<Draft<'a>, Fault> {
        let rx_queues = match wanted.queues {
            Some(0) => return Err(refuse(wanted, "queues = 0: a port needs one queue at least".to_owned())),
            Some(queues) if queues > workers => {
                let reason = format!(
                    "queues = {queues} is more than the {workers} workers, each of which reads one queue: \
                                      lower queues, or name more cores in [cores] workers"
                );
                return Err(refuse(wanted, reason));
            }
            Some(queues) => queues,
            None => workers,
        };
        let device = Device::parse(&wanted.device);
        let try_with = |ring| attach(&wanted.name, &device, &device.full_arguments(rx_queues, ring));
        let attached = match try_with(PacketRing::Long) {
            Err(Fault::LockedMemory { .. }) => try_with(PacketRing::Short)?,
            other => other?,
        };
        let mut info = rte_eth_dev_info::default();
        // SAFETY: the port is attached, and the facts are a variable of ours.
        let rc = unsafe { dpdk_sys::rte_eth_dev_info_get(attached.id, &mut info) };
        check(wanted, "tells nothing of itself", rc)?;
        // Virtual devices know pairs: net_tap refuses anything else, and net_memif would not send through a queue that
        // its peer does not have.
        let tx_queues = if device.is_pci() { workers } else { rx_queues };
        let reports = Reports::of(attached.id);
        let mut draft = Draft { wanted, attached, reports, info, rx_queues, tx_queues, hashing: Hashing::OneQueue };
        draft.fit(wanted.queues)?;
        draft.configure()?;
        Ok(draft)
    }

    fn driver(&self) -> String {
        if self.info.driver_name.is_null() {
            return "unknown".to_owned();
        }
        // SAFETY: a driver's name is a C string that lives as long as the driver.
        unsafe { CStr::from_ptr(self.info.driver_name) }.to_string_lossy().into_owned()
    }

    fn socket(&self) -> i32 {
        // SAFETY: the port is attached.
        unsafe { dpdk_sys::rte_eth_dev_socket_id(self.attached.id) }
    }

    /// Lowers what was left open to what the driver can; refuses what was asked for and cannot be.
    fn fit(&mut self, asked: Option<u16>) -> Result<(), Fault> {
        let (most_rx, most_tx) = (self.info.max_rx_queues, self.info.max_tx_queues);
        if most_rx == 0 || most_tx == 0 {
            return Err(refuse(self.wanted, format!("{} cannot both receive and send", self.driver())));
        }
        if let Some(queues) = asked.filter(|queues| *queues > most_rx) {
            let reason = format!("queues = {queues}, and {} has {most_rx} on this device: lower queues", self.driver());
            return Err(refuse(self.wanted, reason));
        }
        let (mtu, least_mtu, most_mtu) = (self.wanted.mtu, self.info.min_mtu, self.largest_mtu());
        if mtu < least_mtu || mtu > most_mtu {
            let reason = format!("mtu = {mtu}, and {} can do {least_mtu} to {most_mtu}: change mtu", self.driver());
            return Err(refuse(self.wanted, reason));
        }
        for interface in &self.attached.interfaces {
            if let Some(found) = interface.mtu().filter(|found| *found < u32::from(mtu)) {
                let name = interface.name();
                let reason = format!(
                    "mtu = {mtu}, and interface {name} has {found}: raise it (ip link set {name} mtu {mtu}), or lower mtu"
                );
                return Err(refuse(self.wanted, reason));
            }
            self.warn_of_joined_segments(interface);
        }
        self.rx_queues = self.rx_queues.min(most_rx);
        self.tx_queues = self.tx_queues.min(most_tx);
        Ok(())
    }

    /// XDP takes frames before the kernel can join them; packet sockets and pcap get what it has joined.
    fn warn_of_joined_segments(&self, interface: &interface::Interface) {
        let joins = interface.joins_segments();
        if joins.is_empty() || self.driver() == "net_af_xdp" {
            return;
        }
        let (port, name) = (&self.wanted.name, interface.name());
        let off: Vec<String> = joins.iter().map(|what| format!("{what} off")).collect();
        tracing::warn!(
            "port {port}: the kernel joins TCP segments that interface {name} receives ({}), and what it joins is lost: \
             `ethtool -K {name} {}`",
            joins.join(", "),
            off.join(" ")
        );
    }

    /// The largest MTU, reckoned as DPDK does: drivers give the longest frame, and some the MTU as well.
    fn largest_mtu(&self) -> u16 {
        let (frame, mtu) = (self.info.max_rx_pktlen, self.info.max_mtu);
        let knows_mtu = mtu != 0 && mtu != u16::MAX && frame > u32::from(mtu);
        let framing = if knows_mtu { frame - u32::from(mtu) } else { ETHERNET_FRAMING };
        u16::try_from(frame.saturating_sub(framing)).unwrap_or(u16::MAX)
    }

    /// With the key that is wanted, or where the driver does not take it, with its own.
    fn configure(&mut self) -> Result<(), Fault> {
        let mut conf = rte_eth_conf::default();
        conf.rxmode.mtu = u32::from(self.wanted.mtu);
        conf.rxmode.offloads = self.info.rx_offload_capa & dpdk_sys::SHIM_RX_VLAN_FILTER;
        conf.txmode.offloads = self.info.tx_offload_capa & dpdk_sys::SHIM_TX_FAST_FREE;
        self.hashing = rss::prepare(&self.info, self.rx_queues, self.wanted.rss.as_ref(), &mut conf);
        let mut rc = self.configure_as(&mut conf);
        if rc < 0 && self.hashing == Hashing::AsAsked {
            self.hashing = rss::prepare(&self.info, self.rx_queues, None, &mut conf);
            rc = self.configure_as(&mut conf);
        }
        let (rx, tx, driver) = (self.rx_queues, self.tx_queues, self.driver());
        check(self.wanted, &format!("{driver} refuses {rx} receive and {tx} transmit queues: lower queues"), rc)
    }

    /// With what the driver says it reports by itself; without where it has no interrupt for that.
    fn configure_as(&self, conf: &mut rte_eth_conf) -> i32 {
        // SAFETY: a driver that knows of its device points to flags that live as long as the port, or nowhere.
        let flags = unsafe { self.info.dev_flags.as_ref() }.copied().unwrap_or(0);
        let [link, removal] = [dpdk_sys::SHIM_REPORTS_LINK, dpdk_sys::SHIM_REPORTS_REMOVAL].map(|of| flags & of != 0);
        conf.intr_conf.set_lsc(u32::from(link));
        conf.intr_conf.set_rmv(u32::from(removal));
        let rc = self.try_configure(conf);
        if rc >= 0 || !(link || removal) {
            return rc;
        }
        conf.intr_conf.set_lsc(0);
        conf.intr_conf.set_rmv(0);
        self.try_configure(conf)
    }

    fn try_configure(&self, conf: &rte_eth_conf) -> i32 {
        log::forget();
        // SAFETY: the port is attached and not started; the configuration is copied, and a key in it, which is of the
        // port's wanted configuration, is read only.
        unsafe { dpdk_sys::rte_eth_dev_configure(self.attached.id, self.rx_queues, self.tx_queues, conf) }
    }

    /// Sets up the queues and starts the port.
    fn start(mut self, pool: &Arc<Pool>, ring: u16, workers: u16) -> Result<Nic, Fault> {
        let id = self.attached.id;
        let node = u32::try_from(self.socket()).unwrap_or(u32::MAX);
        let (mut received, mut sent) = (ring, ring);
        log::forget();
        // SAFETY: the port is configured; both lengths are variables of ours.
        let rc = unsafe { dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(id, &mut received, &mut sent) };
        check(self.wanted, "its rings cannot be sized", rc)?;
        for queue in 0..self.rx_queues {
            // SAFETY: the port is configured with this queue; a null configuration is the driver's default; the pool
            // outlives the port, which holds it.
            let rc =
                unsafe { dpdk_sys::rte_eth_rx_queue_setup(id, queue, received, node, std::ptr::null(), pool.as_ptr()) };
            check(self.wanted, &format!("receive queue {queue} cannot be set up"), rc)?;
        }
        for queue in 0..self.tx_queues {
            // SAFETY: as above.
            let rc = unsafe { dpdk_sys::rte_eth_tx_queue_setup(id, queue, sent, node, std::ptr::null()) };
            check(self.wanted, &format!("transmit queue {queue} cannot be set up"), rc)?;
        }
        // SAFETY: every queue is set up.
        check(self.wanted, "it does not start", unsafe { dpdk_sys::rte_eth_dev_start(id) })?;
        if let (Hashing::AsAsked, Some(wanted)) = (self.hashing, &self.wanted.rss) {
            self.hashing = rss::settle(id, self.rx_queues, wanted);
        }
        self.finish(pool, workers)
    }

    fn finish(self, pool: &Arc<Pool>, workers: u16) -> Result<Nic, Fault> {
        let mut mac = dpdk_sys::rte_ether_addr::default();
        // SAFETY: the port is open, and the address is a variable of ours.
        let rc = unsafe { dpdk_sys::rte_eth_macaddr_get(self.attached.id, &mut mac) };
        check(self.wanted, "it has no MAC address", rc)?;
        let device = Device::parse(&self.wanted.device);
        if device.is("net_tap") && device.argument("remote").is_none() {
            self.separate_kernel_end(mac.addr_bytes);
        }
        let facts = PortFacts {
            driver: self.driver(),
            firmware: self.firmware(),
            mac: mac.addr_bytes,
            rx_queues: self.rx_queues,
            tx_queues: self.tx_queues,
            tx_shared: self.tx_queues < workers,
            hashing: self.hashing,
        };
        let turns = (0..self.tx_queues).map(|_| Turns::default()).collect();
        let filters = self.info.rx_offload_capa & dpdk_sys::SHIM_RX_VLAN_FILTER != 0;
        let vlans = VlanFilter::new(self.attached.id, filters);
        let macs = MacFilter::new(self.attached.id);
        let (unusable, counted) = (AtomicU64::new(0), Mutex::default());
        let (name, mtu, pool) = (self.wanted.name.clone(), self.wanted.mtu, Arc::clone(pool));
        let (attached, reports) = (self.attached, self.reports);
        let (listens_with, was_up) = (device.listens_with(), AtomicBool::new(false));
        Ok(Nic {
            reports,
            listens_with,
            was_up,
            name,
            mtu,
            attached,
            facts,
            turns,
            unusable,
            counted,
            pool,
            vlans,
            macs,
        })
    }

    /// What the firmware calls itself, if its driver asks it.
    fn firmware(&self) -> Option<String> {
        let mut text: [c_char; FIRMWARE] = [0; FIRMWARE];
        // SAFETY: the port is open, and the text is a variable of ours of that length.
        let rc = unsafe { dpdk_sys::rte_eth_dev_fw_version_get(self.attached.id, text.as_mut_ptr(), FIRMWARE) };
        // More than there is room for: it is not closed by a zero then in every release.
        let bytes = text[..FIRMWARE - 1].iter().map(|c| c.cast_unsigned()).take_while(|byte| *byte != 0).collect();
        (rc == 0).then(|| String::from_utf8(bytes).ok()).flatten().filter(|text| !text.trim().is_empty())
    }

    /// Gives the kernel's end of a tap a MAC of its own. The driver gives both ends one, and whoever has our MAC is no
    /// neighbour: neither the kernel nor what is bridged to it.
    fn separate_kernel_end(&self, ours: [u8; 6]) {
        if let Err(error) = interface::set_mac(self.info.if_index, interface::other_end(ours)) {
            let name = &self.wanted.name;
            tracing::warn!(
                "port {name}: the kernel's end of the tap keeps our MAC ({error}): give it another (ip link set DEVICE address)"
            );
        }
    }
}

fn refuse(wanted: &PortConfig, reason: String) -> Fault {
    Fault::Port { port: wanted.name.clone(), reason, said: Said::default() }
}

/// Turns DPDK's negative number into an error about the port.
fn check(wanted: &PortConfig, doing: &str, rc: i32) -> Result<(), Fault> {
    if rc >= 0 {
        return Ok(());
    }
    let (device, said) = (Device::parse(&wanted.device), log::said());
    let why = nobody_listens(&device, &said).unwrap_or_else(|| format!("{doing} ({})", error_text(rc)));
    Err(Fault::Port { port: wanted.name.clone(), reason: format!("{}: {why}", device.name), said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_leave_half_of_the_buffers() {
        assert_eq!(ring_length(65_535, 8, 2), Ok(1024));
        assert_eq!(ring_length(2048, 4, 1), Ok(128));
        let refused = ring_length(600, 4, 1).expect_err("too few").to_string();
        let expected = "mbufs = 600 is too few: the ports' rings and the workers hold up to 768; raise mbufs in [dpdk]";
        assert_eq!(refused, expected);
    }
}
