//! A bench of DPDK's buffers: each port is two software rings, one that workers receive from and one they send into.
//!
//! Whoever has the other hand on a ring injects and collects, through the same queues the appliance uses. A frame is in
//! one buffer all the way, and every buffer is counted. DPDK is started once and its rings are used by one row after the
//! other, because it does not give back all of a ring that is closed.

use super::support::{MBUFS, port, start};
use fairlead::dpdk::{Eal, Mbuf, PortConfig, Ports, Queue};
use fairlead::io::{Frame, Port};
use fairlead::policy::intent::PortId;
use parking_lot::{Mutex, ReentrantMutex, ReentrantMutexGuard};
use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use testbench::rig::TestPorts;

/// What a driver leaves before a frame, in bytes.
const HEADROOM: usize = 128;

/// Ports of every box.
const PORTS: usize = 2;

/// What all rows of the program share. They take turns; a row may have a second box before it leaves the first.
static SHELF: LazyLock<ReentrantMutex<RefCell<Shelf>>> = LazyLock::new(|| {
    // DPDK binds the thread that starts it to one core, and those that come of that.
    let eal = std::thread::spawn(start).join().expect("DPDK starts");
    ReentrantMutex::new(RefCell::new(Shelf { eal, made: 0, kits: Vec::new() }))
});

struct Shelf {
    eal: Eal,
    /// Rings, each with a name of its own.
    made: usize,
    /// Whose row is over.
    kits: Vec<Kit>,
}

/// Open ports for a number of workers, both hands of each.
struct Kit {
    near: Vec<Vec<Cable>>,
    far: Vec<FarEnd>,
    ports: Ports,
}

/// A worker's queue on a port; a clone is the same.
#[derive(Clone)]
pub struct Cable(Arc<Mutex<Near>>);

struct Near {
    arriving: Queue,
    leaving: Queue,
}

/// The other hand on a port's rings.
struct FarEnd {
    /// One for each queue the port receives from, used in turn.
    inject: Vec<Queue>,
    turn: usize,
    collect: Queue,
}

/// Ports of DPDK.
pub struct Mbufs {
    kit: Option<Kit>,
    headroom: usize,
    shelf: ReentrantMutexGuard<'static, RefCell<Shelf>>,
}

impl Port for Cable {
    type Frame = Mbuf;

    fn receive(&mut self, burst: &mut Vec<Mbuf>) -> usize {
        self.0.lock().arriving.receive(burst)
    }

    fn transmit(&mut self, burst: &mut Vec<Mbuf>) -> usize {
        self.0.lock().leaving.transmit(burst)
    }

    fn allocate(&mut self, length: usize) -> Option<Mbuf> {
        self.0.lock().leaving.allocate(length)
    }
}

impl Shelf {
    fn take(&mut self, workers: usize) -> Kit {
        match self.kits.iter().position(|kit| kit.near.len() == workers) {
            Some(at) => self.kits.swap_remove(at),
            None => self.make(workers),
        }
    }

    fn make(&mut self, workers: usize) -> Kit {
        // The first port has one receive queue.
        let receivers = |port: usize| if port == 0 { 1 } else { workers.min(2) };
        let rings: Vec<PortConfig> = (0..PORTS).flat_map(|port| [self.ring(receivers(port)), self.ring(1)]).collect();
        // The first hands on a ring receive; those from `workers` on inject, each into another queue.
        let hands = workers + 2;
        let opened = self.eal.open_ports(&rings, hands, MBUFS);
        let mut ports = opened.unwrap_or_else(|error| panic!("{error}"));
        let mut hands: Vec<_> = (0..hands).map(|hand| ports.queues_for(hand).into_iter()).collect();
        let mut next_ring = || hands.iter_mut().filter_map(Iterator::next).collect::<Vec<Queue>>();
        let mut kit = Kit { near: vec![Vec::new(); workers], far: Vec::new(), ports };
        for port in 0..PORTS {
            let (mut arriving, mut leaving) = (next_ring(), next_ring());
            let inject = arriving.drain(workers..workers + receivers(port)).collect();
            kit.far.push(FarEnd { inject, turn: 0, collect: leaving.remove(0) });
            for ((mine, arriving), leaving) in kit.near.iter_mut().zip(arriving).zip(leaving) {
                mine.push(Cable(Arc::new(Mutex::new(Near { arriving, leaving }))));
            }
        }
        kit
    }

    /// A software ring as a port; what is sent into a queue of it can be received from the same.
    fn ring(&mut self, queues: usize) -> PortConfig {
        self.made += 1;
        PortConfig { queues: Some(queues as u16), ..port("ring", &format!("net_ring{}", self.made)) }
    }
}

impl Kit {
    fn held(&self) -> usize {
        let (returned, all) = self.ports.buffers();
        (all - returned) as usize
    }
}

impl Mbufs {
    /// Ports whose driver leaves `headroom` bytes before a frame, at most 128.
    pub fn with_headroom(headroom: usize) -> Mbufs {
        Mbufs { kit: None, headroom, shelf: SHELF.lock() }
    }

    fn far(&mut self, port: PortId) -> &mut FarEnd {
        &mut self.kit.as_mut().expect("queues come first").far[port.index()]
    }
}

impl Default for Mbufs {
    fn default() -> Mbufs {
        Mbufs::with_headroom(HEADROOM)
    }
}

/// A kit that is whole serves the next row.
impl Drop for Mbufs {
    fn drop(&mut self) {
        if let Some(mut kit) = self.kit.take().filter(|kit| kit.held() == 0) {
            kit.far.iter_mut().for_each(|far| far.turn = 0);
            self.shelf.borrow_mut().kits.push(kit);
        }
    }
}

impl TestPorts for Mbufs {
    type Port = Cable;

    /// The first port has one receive queue, the second one for each worker, up to two: what is injected there arrives
    /// at one worker and the other in turn, whoever it belongs to. All send through one transmit queue of a port.
    fn queues(&mut self, ports: usize, workers: usize) -> Vec<Vec<Cable>> {
        let kit = self.kit.insert(self.shelf.borrow_mut().take(workers));
        kit.near.iter().map(|mine| mine[..ports].to_vec()).collect()
    }

    fn inject(&mut self, port: PortId, bytes: &[u8]) {
        let missing = HEADROOM - self.headroom;
        let far = self.far(port);
        let count = far.inject.len();
        let queue = &mut far.inject[far.turn % count];
        far.turn += 1;
        let mut frame = queue.allocate(bytes.len()).expect("a buffer");
        assert!(frame.extend_front(missing) && frame.set_len(bytes.len()));
        frame.bytes_mut().copy_from_slice(bytes);
        assert_eq!(queue.transmit(&mut vec![frame]), 1, "the ring is full");
    }

    fn collect(&mut self, port: PortId) -> Vec<Vec<u8>> {
        let far = self.far(port);
        let mut burst = Vec::new();
        while far.collect.receive(&mut burst) > 0 {}
        burst.iter().map(|frame| frame.bytes().to_vec()).collect()
    }

    fn held(&self) -> usize {
        self.kit.as_ref().map_or(0, Kit::held)
    }
}

/// What was waiting goes out again; how many frames that was.
pub fn pass_on(port: &mut Cable) -> usize {
    let mut burst = Vec::new();
    while port.receive(&mut burst) > 0 {}
    let waited = burst.len();
    assert_eq!((port.transmit(&mut burst), burst.len()), (waited, 0));
    waited
}
