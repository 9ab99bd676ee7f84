//! A capture begins.
//!
//! Owns what may be asked, and what a capture may take: memory is set aside when one begins and none after. What workers record goes
//! straight to the client's task (`capture_feed`); nothing of it passes here.

use super::capture_feed::{Names, WorkerFeed};
use super::captures::Sums;
use super::controller::Controller;
use crate::admin::answer::{AdminError, Code};
use crate::admin::capture::{
    CaptureAsked, CaptureBegun, CaptureSide, CaptureVerdict, Capturing, FeedSlot, SNAPLEN_MAX, SNAPLEN_MIN,
};
use crate::config::LogLevel;
use crate::engine::{DropReason, IgnoreReason, PuntReason};
use crate::events::EventName;
use crate::time::Instant;
use crate::wire::bpf::{Instruction, Program};
use crate::worker::Command;
use crate::worker::tap::{CAPTURES, Fate, Only, Selection, Side, Tap, tap};
use ipnet::Ipv4Net;
use std::sync::Arc;

/// Bytes that a capture may take for frames that nobody has read yet, at most, over all workers.
const MEMORY: usize = 16 << 20;
/// What a frame takes beside its bytes.
const RECORD: usize = 160;
/// Frames that a worker has room for, at least and at most.
const ROOM: (usize, usize) = (64, 8_192);
/// Ethernet header and tag.
const LINK: u32 = 18;

impl Controller {
    pub(super) fn begin_capture(&mut self, asked: CaptureAsked, now: Instant) -> Result<Capturing, AdminError> {
        if self.captures.count() >= CAPTURES {
            let whose = self.captures.whose();
            let message =
                format!("{CAPTURES} captures are on, which is the limit ({whose}): end one of them, and try again");
            return Err(AdminError::new(Code::Busy, message));
        }
        let largest = self.intent.ports.iter().map(|port| u32::from(port.mtu)).max().unwrap_or(1_500) + LINK;
        let snaplen = asked.snaplen.unwrap_or(SNAPLEN_MAX).min(largest);
        let selection = Arc::new(self.selection(&asked, snaplen)?);
        let workers = self.machine.workers;
        let (capture, place) = self.captures.begin(workers, self.outputs.actor());
        let room = MEMORY / workers / (snaplen as usize + RECORD);
        let room = room.clamp(ROOM.0, ROOM.1);
        let mut ends = Vec::with_capacity(workers);
        for worker in self.machine.workers() {
            let (tap, end) = tap(capture, Arc::clone(&selection), room);
            ends.push(end);
            self.outputs.send(worker, Command::Capture(tap));
        }
        let names = Names::of(&self.intent);
        let interfaces = names.interfaces();
        let feed = WorkerFeed::new((ends, place), names, self.machine.start);
        let message = format!("capture {capture} begun by the operator, {snaplen} bytes of each frame");
        self.log(EventName::CaptureBegun, LogLevel::Info, message);
        let begun = CaptureBegun { capture, snaplen, interfaces, since: self.wall(now) };
        Ok(Capturing { begun, feed: FeedSlot::new(Box::new(feed)) })
    }

    /// A worker records nothing for this one any more.
    pub(super) fn on_capture_ended(&mut self, tap: &Tap) {
        if let Some(Sums { matched, lost }) = self.captures.on_ended(tap.capture, tap.counts()) {
            let message = format!("capture {} ended, {matched} frames matched, {lost} of them lost", tap.capture);
            self.log(EventName::CaptureEnded, LogLevel::Info, message);
        }
    }

    /// What is asked, with names resolved.
    fn selection(&self, asked: &CaptureAsked, snaplen: u32) -> Result<Selection, AdminError> {
        let CaptureAsked { program, client, member, virtual_server, verdict, reason, side, .. } = asked;
        let bad = |message: String| AdminError::new(Code::BadRequest, message);
        if snaplen < SNAPLEN_MIN {
            return Err(bad(format!("`snaplen` is {snaplen}: write a number from {SNAPLEN_MIN} to {SNAPLEN_MAX}")));
        }
        let read = |&(code, jt, jf, k): &(u16, u8, u8, u32)| Instruction { code, jt, jf, k };
        let instructions: Vec<Instruction> = program.iter().map(read).collect();
        let program = match instructions.is_empty() {
            true => None,
            false => Some(Program::new(&instructions).map_err(|why| bad(why.to_string()))?),
        };
        let member = member.as_deref().map(|name| self.member_named(name)).transpose()?;
        let service = virtual_server.as_deref().map(|name| self.virtual_server_named(name)).transpose()?;
        if let Some(reason) = reason.as_deref().filter(|reason| !is_reason(reason)) {
            let all = "`fairlead counters --all` lists those of drop_, ignored_ and punt_";
            return Err(bad(format!("`{}` is no reason: {all}", reason.escape_default())));
        }
        let only = only(program.as_ref(), *client);
        Ok(Selection {
            program,
            client: *client,
            member: member.map(|id| self.intent.members[id].address),
            service: service.map(|at| (at.address, at.listen)),
            fate: verdict.map(fate),
            reason: reason.clone(),
            side: side.map(|side| match side {
                CaptureSide::Before => Side::Before,
                CaptureSide::After => Side::After,
            }),
            snap: snaplen as usize,
            only,
        })
    }
}

/// What every packet that is meant has, if it can be named.
fn only(program: Option<&Program>, client: Option<Ipv4Net>) -> Only {
    let one = client.filter(|net| net.prefix_len() == 32).map(|net| vec![net.addr()]);
    Only { addresses: one.or_else(|| program?.addresses()), ports: program.and_then(Program::ports) }
}

fn is_reason(name: &str) -> bool {
    DropReason::ALL.iter().any(|reason| reason.name() == name)
        || IgnoreReason::ALL.iter().any(|reason| reason.name() == name)
        || PuntReason::ALL.iter().any(|reason| reason.name() == name)
}

fn fate(verdict: CaptureVerdict) -> Fate {
    match verdict {
        CaptureVerdict::Forward => Fate::Forward,
        CaptureVerdict::Answer => Fate::Answer,
        CaptureVerdict::Originate => Fate::Originate,
        CaptureVerdict::Drop => Fate::Drop,
        CaptureVerdict::Ignore => Fate::Ignore,
        CaptureVerdict::Punt => Fate::Punt,
        CaptureVerdict::Wait => Fate::Wait,
    }
}
