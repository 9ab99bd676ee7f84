//! The packet rows again, through real DPDK buffers: the frames of `rows` on virtual devices of DPDK.
//!
//! DPDK is started once for all rows of this program, which therefore need no process each; they take turns.

use super::mbufs::{self, Mbufs};
use fairlead::engine::DropReason;
use fairlead::wire::Endpoint;
use fairlead::wire::build::Build;
use testbench::rig::*;

/// So many workers on ports of DPDK.
pub struct OnMbufs<const WORKERS: usize>;

impl<const WORKERS: usize> testbench::lab::Setting for OnMbufs<WORKERS> {
    type Ports = Mbufs;
    const WORKERS: usize = WORKERS;
}

// The files of `tests/rows`, which says why they are compiled once for each setting.
#[path = "."]
mod one_worker {
    type Setting = super::OnMbufs<1>;

    #[path = "../rows/all.rs"]
    mod rows;
}

#[path = "."]
mod two_workers {
    type Setting = super::OnMbufs<2>;

    #[path = "../rows/all.rs"]
    mod rows;
}

/// A box whose server network is tagged, and a frame from outside that has no tag.
fn untagged_to_tagged(headroom: usize) -> (Rig<Mbufs>, Vec<u8>) {
    let mut intent = two_arm();
    intent.interfaces[1] = interface("servers", INNER, Some(200), "10.20.0.1/24");
    let rig = Rig::new(Mbufs::with_headroom(headroom), intent, 1);
    (rig, options(V).macs(MAC_R, MAC_OUTER).bytes())
}

fn options(dst: &str) -> Build {
    let (src, dst) = (Endpoint::new(addr("172.16.5.5"), 5060), Endpoint::new(addr(dst), 5060));
    Build::udp(src, dst).payload(&[b'O'; 400])
}

#[test]
fn a_tag_goes_where_the_headroom_ends() {
    for headroom in [4, 5, 128] {
        let (mut rig, frame) = untagged_to_tagged(headroom);
        let expected = options(A).ttl(63).macs(MAC_INNER, MAC_A).vlan(200).bytes();
        assert_eq!(rig.one(OUTER, &frame, INNER), expected, "{headroom} bytes of headroom");
    }
}

#[test]
fn a_frame_without_headroom_for_a_tag_is_counted_and_its_buffer_comes_home() {
    for headroom in 0..4 {
        let (mut rig, frame) = untagged_to_tagged(headroom);
        for _ in 0..2 {
            rig.dropped(OUTER, &frame, DropReason::NoBuffer);
        }
    }
}

#[test]
fn a_row_that_leaves_a_buffer_behind_is_seen() {
    let mut bench = Mbufs::default();
    drop(bench.queues(2, 2));
    bench.inject(OUTER, &options(V).bytes());
    bench.inject(INNER, &options(V).bytes());
    assert_eq!(bench.held(), 2, "nobody received them");
}

#[test]
fn two_workers_share_one_port_and_have_a_queue_each_of_the_other() {
    let mut bench = Mbufs::default();
    let mut workers = bench.queues(2, 2);
    for port in [OUTER, INNER] {
        for number in 0..4 {
            bench.inject(port, &[number; 60]);
        }
    }
    let mut got = Vec::new();
    for port in [OUTER, INNER] {
        for worker in &mut workers {
            got.push(mbufs::pass_on(&mut worker[port.index()]));
        }
    }
    assert_eq!(got, [4, 0, 2, 2]);
    assert_eq!(bench.collect(OUTER), [[0; 60], [1; 60], [2; 60], [3; 60]]);
    assert_eq!(bench.collect(INNER), [[0; 60], [2; 60], [1; 60], [3; 60]]);
    drop(workers);
    assert_eq!(bench.held(), 0);
}
