//! What management gives a worker: frames it has made, and everything else before them.

use super::*;
use fairlead::policy::intent::PortId;
use fairlead::wire::build::Build;
use fairlead::worker::Command;

const OUTER: PortId = PortId(0);

/// ARP requests, each for another address.
fn frames(count: u8) -> Vec<Vec<u8>> {
    let request = |last| Build::arp_request(MAC_OUTER, addr(G), std::net::Ipv4Addr::new(192, 0, 2, last)).bytes();
    (0..count).map(request).collect()
}

fn sends(frames: &[Vec<u8>]) -> impl Iterator<Item = Command> {
    frames.iter().map(|frame| Command::Transmit { port: OUTER, frame: frame.clone().into() })
}

fn leave(out: Vec<(PortId, Vec<u8>)>) -> Vec<Vec<u8>> {
    out.into_iter().filter(|(port, _)| *port == OUTER).map(|(_, frame)| frame).collect()
}

#[test]
fn frames_that_wait_when_the_worker_is_stopped_leave_in_their_order() {
    let mut lab = Lab::new(Layout::TwoArm);
    let frames = frames(100);
    let out = lab.rig.commands(sends(&frames).chain([Command::Stop]));
    assert_eq!(leave(out), frames);
}

#[test]
fn a_snapshot_is_behind_no_frame() {
    let mut lab = Lab::new(Layout::TwoArm);
    let frames: Vec<Vec<u8>> = [frames(250), frames(250)].concat();
    lab.rig.give(sends(&frames));
    // That every worker has installed it is seen to there, and the turns it takes are too few for all the frames.
    let mut out = leave(lab.rig.publish());
    assert!(out.len() < frames.len(), "{}", out.len());
    out.extend(leave(lab.rig.settle()));
    assert_eq!(out, frames);
}
