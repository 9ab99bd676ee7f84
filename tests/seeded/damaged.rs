//! Frames with bytes changed at random: anything may become of them, but none is lost, none comes out damaged (the rig
//! checks both), and the tables drain.

use crate::run::Run;
use crate::{Seed, seeds};
use fairlead::time::Duration;
use fairlead::wire::build::Build;
use fairlead::wire::{Packet, check};
use testbench::dice::Dice;
use testbench::lab::*;
use testbench::mend::mend;
use testbench::rig::*;

#[test]
fn damaged_frames_are_counted_and_forgotten() {
    for seed in (0..crate::GROUPS).flat_map(|group| seeds(8, group)) {
        let _say = Seed(seed);
        let mut dice = Dice::new(seed);
        let mut run = Run::new(seed, 1 + seed as usize % 4);
        for turn in 0..2_000 {
            for _ in 0..4 {
                let (far, mut frame) = some_frame(&run.lab, &mut dice);
                for _ in 0..dice.roll(4) {
                    let at = dice.roll(frame.len().min(70) as u32) as usize;
                    frame[at] ^= 1 << dice.roll(8);
                }
                if dice.roll(3) > 0 {
                    mend(&mut frame);
                }
                frame.truncate(if dice.roll(20) == 0 { 1 + dice.roll(60) as usize } else { frame.len() });
                // A wrong transport checksum is the receiver's to find; the rig would take it for our fault.
                if Packet::parse(&frame).is_ok() && check::whole(&frame).is_err() {
                    continue;
                }
                let port = run.lab.port(far);
                run.lab.rig.ports.inject(port, &frame);
            }
            run.lab.rig.settle();
            if turn % 200 == 199 {
                let member = [None, Some(MEMBER_A), Some(MEMBER_B)][dice.roll(3) as usize];
                run.lab.rig.switch_over(member, dice.roll(2) == 0);
                run.lab.rig.events.clear();
            }
        }
        // What waits for a neighbour that is none is given up.
        run.lab.rig.wait(Duration::from_secs(10));
        run.lab.rig.settle();
        run.rest();
    }
}

/// A frame of a kind that happens here.
fn some_frame(lab: &Lab, dice: &mut Dice) -> (Far, Vec<u8>) {
    let far = [ROUTER, HOST_A, HOST_B][dice.roll(3) as usize];
    let outside = at(PHONE, 5060 + dice.roll(3) as u16);
    let ours = at([V, A, B, G, E][dice.roll(5) as usize], [5060, 5061, 41_000][dice.roll(3) as usize]);
    let (src, dst) = if far == ROUTER { (outside, ours) } else { (at(far.ip(), ours.port), outside) };
    let flags = [SYN, SYN_ACK, ACK, DATA, FIN_ACK][dice.roll(5) as usize];
    let datagram = Build::udp(src, dst).payload(b"OPTIONS sip:b SIP/2.0\r\n\r\n");
    let build = match dice.roll(6) {
        0 | 1 => datagram,
        2 | 3 => Build::tcp(src, dst, flags, dice.roll(1 << 30), dice.roll(1 << 30)).payload(b"data"),
        4 => Build::echo_request(src.addr, dst.addr, ours.port, 1),
        _ => Build::icmp_error(src.addr, dst.addr, 3, 3 + dice.roll(2) as u8, &Build::udp(dst, src).payload(b"quoted")),
    };
    (far, lab.arriving(far, &build))
}
