//! The thread that serves the devices.
//!
//! Owns the loop: what workers have goes to the kernel, what the kernel sends goes to workers, and once a second each device is looked at.
//! It waits for the kernel's side alone: a worker makes no system call to wake it.

use super::age::Age;
use super::device::Device;
use super::kept::{self, Kept, LONGEST};
use super::state::{Board, Counts, HostState};
use super::virtual_routers::{self, VirtualRouters};
use super::wanted::Wanted;
use crate::netlink::Netlink;
use crate::time::Instant as Moment;
use crate::worker::host::{HostEnd, HostFrame, KernelFrame};
use ipnet::Ipv4Net;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

/// Frames of one device, and of one worker, that are moved at once.
const AT_ONCE: usize = 256;
/// The workers' rings are looked at so often while frames come, and while none do.
const BUSY: Duration = Duration::from_micros(100);
const IDLE: Duration = Duration::from_millis(1);
/// So many looks in vain make it idle.
const LOOKS: u32 = 50;
/// How often each device is looked at.
const ROUND: Duration = Duration::from_secs(1);
/// A link that is down for less is not passed on: a moment without a carrier costs a routing daemon its neighbours.
const LINK_PATIENCE: Duration = Duration::from_secs(3);

/// The devices, and what moves between them and the workers.
pub(super) struct Service {
    ends: Vec<HostEnd>,
    orders: Receiver<Vec<Wanted>>,
    board: Arc<Board>,
    served: Vec<Served>,
    routers: VirtualRouters,
    kept: Kept,
    buffer: Box<[u8]>,
    /// The time that workers go by.
    clock: Box<dyn Fn() -> Moment + Send>,
}

/// A device that is to be there.
struct Served {
    wanted: Wanted,
    /// `None`: it could not be made, or is gone.
    device: Option<Device>,
    /// How old what it holds may be.
    age: Age,
    trouble: Option<String>,
    /// The same of what keepalived has above it.
    above: Option<String>,
    /// From when on the kernel sees no carrier, as the port's link is down.
    dark_from: Option<Instant>,
    /// The kernel is shown one.
    carrier: bool,
    counts: Arc<Counts>,
}

impl Service {
    pub(super) fn new(
        ends: Vec<HostEnd>,
        orders: Receiver<Vec<Wanted>>,
        board: Arc<Board>,
        kept: Kept,
        clock: Box<dyn Fn() -> Moment + Send>,
    ) -> Service {
        let routers = VirtualRouters::default();
        Service { ends, orders, board, served: Vec::new(), routers, kept, buffer: vec![0; LONGEST].into(), clock }
    }

    /// Serves until nobody can order anything any more; says when the first devices have been tried.
    pub(super) fn run(mut self, first: Vec<Wanted>, begun: &Sender<()>) {
        self.follow(first);
        _ = begun.send(());
        let (mut looked, mut in_vain) = (Instant::now(), 0);
        loop {
            match self.next_order() {
                Ok(wanted) => self.follow(wanted),
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {}
            }
            if looked.elapsed() >= ROUND {
                looked = Instant::now();
                self.look();
            } else if self.routers.are_due() {
                self.look_above();
            }
            let moved = self.move_frames();
            in_vain = if moved { 0 } else { LOOKS.min(in_vain + 1) };
            self.wait(if in_vain == LOOKS { IDLE } else { BUSY });
        }
    }

    /// Where there is no device, nothing moves: then the thread sleeps until there is to be one.
    fn next_order(&self) -> Result<Vec<Wanted>, TryRecvError> {
        match self.served.is_empty() {
            true => self.orders.recv().map_err(|_| TryRecvError::Disconnected),
            false => self.orders.try_recv(),
        }
    }

    /// The devices are to be these from now on.
    fn follow(&mut self, wanted: Vec<Wanted>) {
        let mut before = std::mem::take(&mut self.served);
        for wanted in wanted {
            let same = |served: &Served| served.wanted.name == wanted.name;
            let served = match before.iter().position(same) {
                Some(at) => before.swap_remove(at).follow(wanted),
                None => Served::new(wanted, (self.clock)()),
            };
            self.served.push(served);
        }
        // What is not wanted any more is closed here, before the next look makes what has taken its place.
        before.iter().for_each(|served| kept::forget(&served.wanted.name));
        drop(before);
        self.look();
    }

    /// Each device is made as it is to be.
    fn look(&mut self) {
        self.kept.close_others(self.served.iter().map(|served| served.wanted.name.as_str()));
        match Netlink::open() {
            Ok(mut netlink) => {
                let Service { served, kept, clock, .. } = &mut *self;
                served.iter_mut().for_each(|served| served.look(kept, &mut netlink, clock));
            }
            Err(error) => self.served.iter_mut().for_each(|served| served.trouble = Some(error.to_string())),
        }
        self.look_above();
    }

    /// What keepalived has above each device is as silent as the device.
    fn look_above(&mut self) {
        let outcome = self.routers.read();
        for served in &mut self.served {
            let Some(device) = &served.device else { continue };
            served.above = match &outcome {
                Ok(()) => virtual_routers::tend(self.routers.above(device.index()), &served.wanted).err(),
                Err(error) => Some(error.to_string()),
            };
        }
        self.board.publish(self.served.iter().map(Served::state).collect());
    }

    /// Moves what is there, a bounded part of it. Says whether anything was.
    fn move_frames(&mut self) -> bool {
        let mut moved = false;
        for end in &mut self.ends {
            for _ in 0..AT_ONCE {
                let Ok(HostFrame { interface, bytes }) = end.from_worker.pop() else { break };
                moved = true;
                match self.served.iter_mut().find(|served| served.wanted.interface == interface) {
                    Some(served) => served.give(&bytes),
                    None => self.board.add_unclaimed(),
                }
            }
        }
        for served in &mut self.served {
            // Always the same worker, so that nothing overtakes.
            let to = served.wanted.interface.index() % self.ends.len();
            moved |= served.take(&mut self.buffer, &mut self.ends[to], (self.clock)());
        }
        moved
    }

    /// Until the kernel sends something, or tells of a link, or so long.
    fn wait(&mut self, span: Duration) {
        let devices = self.served.iter().filter_map(|served| served.device.as_ref());
        let told = self.routers.waits().into_iter().map(|monitor| PollFd::from_borrowed_fd(monitor, PollFlags::IN));
        let mut fds: Vec<PollFd<'_>> = told.chain(devices.map(|device| PollFd::new(device, PollFlags::IN))).collect();
        let span = Timespec { tv_sec: 0, tv_nsec: span.subsec_nanos().into() };
        // An interruption is a look that comes early.
        _ = poll(&mut fds, Some(&span));
        let is_told = self.routers.waits().is_some() && fds.first().is_some_and(|fd| !fd.revents().is_empty());
        if is_told {
            self.routers.hear();
        }
    }
}

impl Served {
    fn new(wanted: Wanted, now: Moment) -> Served {
        let (counts, age) = (Arc::default(), Age::new(now));
        Served { wanted, device: None, age, trouble: None, above: None, dark_from: None, carrier: true, counts }
    }

    /// The same device for what its interface is now.
    fn follow(mut self, wanted: Wanted) -> Served {
        let stays = |net: &Ipv4Net| wanted.addresses.contains(net);
        let gone: Vec<Ipv4Net> = self.wanted.addresses.iter().filter(|net| !stays(net)).copied().collect();
        if !gone.is_empty()
            && let Some(device) = &self.device
            && let Ok(mut netlink) = Netlink::open()
        {
            self.trouble = device.take_addresses(&gone, &mut netlink).err();
        }
        self.wanted = wanted;
        self
    }

    fn look(&mut self, kept: &mut Kept, netlink: &mut Netlink, clock: &dyn Fn() -> Moment) {
        self.above = None;
        self.trouble = match &mut self.device {
            Some(device) => device.conform(&self.wanted, netlink).err(),
            None => match Device::get(&self.wanted, kept, netlink) {
                Ok((device, trouble)) => {
                    self.carrier = device.has_carrier();
                    if !self.carrier {
                        // The process before has turned it off: that stays until a port says that its link is up.
                        self.dark_from = Some(Instant::now());
                    }
                    // It is new, or what had waited is gone.
                    (self.device, self.age) = (Some(device), Age::new(clock()));
                    trouble
                }
                Err(trouble) => Some(trouble),
            },
        };
        self.pass_on_link(netlink);
    }

    /// The kernel sees no carrier once the link has been down for a while, and one at once when it is back; what it sees stays until the link is
    /// known.
    fn pass_on_link(&mut self, netlink: &mut Netlink) {
        let now = Instant::now();
        self.dark_from = match self.wanted.link {
            Some(true) => None,
            Some(false) => self.dark_from.or(Some(now + LINK_PATIENCE)),
            None => self.dark_from,
        };
        let carrier = self.dark_from.is_none_or(|from| now < from);
        if carrier != self.carrier
            && let Some(device) = &self.device
        {
            match device.set_carrier(carrier, netlink) {
                Ok(()) => self.carrier = carrier,
                Err(error) => self.trouble = Some(error),
            }
        }
    }

    /// A frame for the kernel.
    fn give(&mut self, frame: &[u8]) {
        match self.device.as_ref().map(|device| device.write(frame)) {
            Some(Ok(())) => self.counts.add_to_kernel(frame.len()),
            _ => self.counts.add_refused(),
        }
    }

    /// Frames that the kernel sends, a bounded number. Says whether there were any.
    fn take(&mut self, buffer: &mut [u8], end: &mut HostEnd, now: Moment) -> bool {
        let after = self.age.look(now);
        for count in 0..AT_ONCE {
            let Some(device) = &self.device else { return count > 0 };
            match device.read(buffer) {
                Ok(length) => {
                    self.age.add_read();
                    let frame = HostFrame { interface: self.wanted.interface, bytes: buffer[..length].into() };
                    match end.to_worker.push(KernelFrame { frame, after, read: now }) {
                        Ok(()) => self.counts.add_from_kernel(length),
                        Err(_) => self.counts.add_lost(),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.age.emptied();
                    return count > 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody has removed it: it is made anew at the next look.
                Err(_) => self.device = None,
            }
        }
        true
    }

    fn state(&self) -> HostState {
        HostState {
            interface: self.wanted.interface,
            name: self.wanted.name.clone(),
            trouble: self.trouble.clone().or_else(|| self.above.clone()),
            carrier: self.carrier && self.device.is_some(),
            counts: Arc::clone(&self.counts),
        }
    }
}
