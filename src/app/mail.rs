//! The workers' mail, a bounded part of it at a time.
//!
//! Owns how much is read in one round and from whom, so that signals, commands and probes are never behind more than that,
//! whatever workers pass on; and what waits for a worker whose ring is full. Knows no event and no command by name, but that
//! a frame may be dropped.

use crate::worker::mailbox::{Command, Event, Lane, ManagementEnd};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Events read from one worker in a round, at most.
pub const EVENTS: usize = 256;
/// Frames that may wait for one worker before further ones are dropped.
const WAITING: usize = 4_096;

/// Events of the next round, the most urgent first: of each worker, in turn, at most `most` of the most urgent ones, and half
/// as many of each lane after. Says what is left.
pub fn read(mail: &mut [ManagementEnd], most: usize) -> (Vec<Event>, Backlog) {
    let (mut events, mut full) = (Vec::new(), true);
    for lane in Lane::ALL {
        for _ in 0..most >> lane as usize {
            let before = events.len();
            events.extend(mail.iter_mut().filter_map(|end| end.events.pop_of(lane)));
            if events.len() == before {
                full &= lane != Lane::Urgent;
                break;
            }
        }
    }
    let left = match mail.iter().any(|end| !end.events.is_empty()) {
        true if full => Backlog::Urgent,
        true => Backlog::Others,
        false => Backlog::Nothing,
    };
    (events, left)
}

/// What a round has not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// Nothing.
    Nothing,
    /// What is less urgent than answers to probes.
    Others,
    /// Answers to probes, perhaps.
    Urgent,
}

/// Commands on their way to one worker, in order; frames apart from them, as in its rings.
#[derive(Default)]
pub struct Outgoing {
    commands: VecDeque<Command>,
    frames: VecDeque<Command>,
    /// Frames that were dropped because too much waited.
    dropped: Arc<AtomicU64>,
}

impl Outgoing {
    /// Nothing waits; `dropped` counts frames that will not be sent.
    pub fn new(dropped: Arc<AtomicU64>) -> Outgoing {
        Outgoing { dropped, ..Outgoing::default() }
    }

    /// Takes a command. Only a frame can be lost, and only when very much waits.
    pub fn push(&mut self, command: Command) {
        match command.is_frame() {
            true if self.frames.len() >= WAITING => _ = self.dropped.fetch_add(1, Ordering::Relaxed),
            true => self.frames.push_back(command),
            false => self.commands.push_back(command),
        }
    }

    /// The worker has ended: frames that still wait, here or in its ring, are dropped. Returns how many.
    pub fn end(&mut self, end: &ManagementEnd) -> u64 {
        let unsent = (self.frames.len() + end.commands.unread_frames()) as u64;
        self.frames.clear();
        self.dropped.fetch_add(unsent, Ordering::Relaxed);
        unsent
    }

    /// Gives the worker what its rings have room for.
    pub fn flush(&mut self, end: &mut ManagementEnd) {
        for waiting in [&mut self.commands, &mut self.frames] {
            while let Some(command) = waiting.pop_front() {
                if let Err(command) = end.commands.push(command) {
                    waiting.push_front(command);
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::intent::{MemberId, PortId};
    use crate::worker::mailbox::{FlowFilter, mailbox};

    #[test]
    fn a_round_takes_a_bounded_part_of_each_workers_mail_in_turn() {
        let (one, mut first) = mailbox(1_024);
        let (two, mut second) = mailbox(1_024);
        (0..1_000).for_each(|_| assert!(first.events[0].push(Event::Hint(MemberId(1))).is_ok()));
        (0..2).for_each(|_| assert!(second.events[0].push(Event::Hint(MemberId(2))).is_ok()));
        let mut mail = [one, two];
        let whose = |events: Vec<Event>| -> Vec<u16> {
            let hint = |event| if let Event::Hint(member) = event { member.0 } else { panic!() };
            events.into_iter().map(hint).collect()
        };
        let (events, left) = read(&mut mail, 4);
        assert_eq!((whose(events), left), (vec![1, 2, 1, 2, 1, 1], Backlog::Urgent));
        let (events, left) = read(&mut mail, 1_000);
        assert_eq!((events.len(), left), (996, Backlog::Nothing));
    }

    #[test]
    fn nothing_is_read_after_what_is_less_urgent_and_every_lane_is_read() {
        let (one, mut first) = mailbox(1_024);
        let (two, mut second) = mailbox(1_024);
        for (lane, count) in [(2, 1_000), (1, 1_000), (0, 20)] {
            (0..count).for_each(|_| assert!(first.events[lane].push(Event::Hint(MemberId(lane as u16))).is_ok()));
        }
        assert!(second.events[0].push(Event::Hint(MemberId(0))).is_ok());
        let mut mail = [one, two];
        let (events, left) = read(&mut mail, 16);
        let lanes: Vec<u16> =
            events.into_iter().map(|event| if let Event::Hint(member) = event { member.0 } else { panic!() }).collect();
        assert_eq!((lanes, left), ([vec![0; 17], vec![1; 8], vec![2; 4]].concat(), Backlog::Urgent));
        assert_eq!(read(&mut mail, 16).1, Backlog::Others);
    }

    #[test]
    fn what_waits_for_a_full_ring_is_bounded_and_only_frames_are_lost() {
        let (mut management, mut worker) = mailbox(2);
        let dropped = Arc::<AtomicU64>::default();
        let mut outgoing = Outgoing::new(Arc::clone(&dropped));
        let frame = || Command::Transmit { port: PortId(0), frame: Box::default() };
        (0..WAITING + 7).for_each(|_| outgoing.push(frame()));
        (0..3).for_each(|query| outgoing.push(Command::ClearFlows { query, filter: FlowFilter::default() }));
        outgoing.flush(&mut management);
        assert_eq!(
            (outgoing.commands.len(), outgoing.frames.len(), dropped.load(Ordering::Relaxed)),
            (1, WAITING - 2, 7)
        );
        let mut took = || match worker.commands.pop() {
            Some(Command::ClearFlows { query, .. }) => Some(query),
            Some(_) => None,
            None => panic!("nothing is left"),
        };
        assert_eq!([took(), took(), took()], [Some(0), Some(1), None], "frames after all others");
        outgoing.flush(&mut management);
        assert_eq!((took(), outgoing.commands.len(), outgoing.frames.len()), (Some(2), 0, WAITING - 3));
        // At the end, what waits is not sent, nor what the worker has not taken.
        assert_eq!(outgoing.end(&management), WAITING as u64 - 1);
        assert_eq!(dropped.load(Ordering::Relaxed), WAITING as u64 + 6);
    }
}
