//! A replay from its beginning to its end.
//!
//! Owns the order: the file is looked through once for what it shows of the link, then read again, packet by packet, each at its time. What
//! is kept of it is one packet.

use super::appliance::{Appliance, Sent};
use super::clock::Clock;
use super::compare::{Expected, Outgoing};
use super::error::ReplayError;
use super::fate::Fate;
use super::frame::Incoming;
use super::hosts::Hosts;
use super::neighbours::Neighbours;
use super::output::Output;
use super::place::{Found, Placer, by_mac};
use super::settings::{NeighbourSource, Place, Resolved, Settings};
use super::summary::{Ledger, ReplaySummary, Skip, mac_rows};
use super::survey::{OwnMac, Survey};
use crate::capture_file::{Captured, Reader};
use crate::control::AssumedHealth;
use crate::io::Frame;
use crate::policy::intent::{Intent, InterfaceId, MemberId, PortId};
use crate::time::{Duration, Instant};
use crate::wire::facts::Link;
use crate::wire::{Mac, Packet};
use std::collections::HashMap;
use std::io::{self, Read, Write};

/// Time goes on for so long after the last packet, so that what is due a little later happens: a SYN that nobody takes is rejected
/// after six seconds.
const AFTER: Duration = Duration::from_secs(10);
/// Time passes in steps of this, or of a part of what has passed since the last packet.
const STEP: Duration = Duration::from_millis(10);
const STEPS_OF_A_GAP: u32 = 64;
/// Progress is said once in so many packets.
const PROGRESS_EACH: u64 = 4_096;

/// A capture file that can be read more than once.
pub struct Source<'a> {
    /// What it is called.
    pub name: String,
    /// Opens it at its beginning.
    pub open: &'a dyn Fn() -> io::Result<Box<dyn Read>>,
}

/// A file to be written.
pub struct Target<'a> {
    /// What it is called.
    pub name: String,
    /// Creates it, once it is known that there is something to write.
    pub create: Box<dyn FnOnce() -> io::Result<Box<dyn Write + 'a>> + 'a>,
}

/// What is replayed, by what, and where to.
pub struct Replay<'a> {
    /// The configuration.
    pub intent: &'a Intent,
    /// What is said of the capture.
    pub settings: &'a Settings,
    /// The capture.
    pub capture: Source<'a>,
    /// What the frames that are sent are compared with.
    pub expect: Option<Source<'a>>,
    /// What is written.
    pub output: Option<Target<'a>>,
    /// What stands at the head of that.
    pub comment: String,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file is read the second time: packets are replayed.
    pub replays: bool,
    /// Packets so far.
    pub packets: u64,
    /// Bytes of the file so far.
    pub bytes: u64,
}

impl Replay<'_> {
    /// Does it.
    ///
    /// # Errors
    /// Names that are not in the configuration or the capture, a capture that cannot be read, an output that cannot be written. What was
    /// written before is whole.
    pub fn run(mut self, progress: &mut dyn FnMut(Progress)) -> Result<ReplaySummary, ReplayError> {
        let (intent, settings) = (self.intent, self.settings);
        let resolved = settings.resolve(intent)?;
        let hosts = Hosts::of(intent);
        let survey = surveyed(&self.capture, (intent, &hosts), &resolved, progress)?;
        let link = OurLink::of(intent, &survey.own_macs(), &resolved);
        let clock = Clock::new(survey.first.unwrap_or(0));
        let now = clock.instant(0);
        let health = AssumedHealth::of(intent, &resolved.down, &resolved.active, now);
        let neighbours = Neighbours::new(intent, settings.neighbours, &survey.neighbours(&link.all));
        let appliance = Appliance::new(intent, &link.macs, health, neighbours, now);
        let expected = match &self.expect {
            Some(source) => {
                let placer = Placer::new(intent, &hosts, &source.name, &resolved.interfaces);
                Some(Expected::new(open(source)?, placer, &source.name, (intent, &hosts), &link.macs, settings.any_id))
            }
            None => None,
        };
        let switchovers = switchovers(&resolved, &clock, survey.span(), intent)?;
        // Nothing that is read can fail to be opened any more.
        let output = match self.output.take() {
            Some(Target { name, create }) => Some(Output::create(create, &name, intent, &self.comment)?),
            None => None,
        };
        let mut session = Session {
            intent,
            hosts: &hosts,
            link,
            appliance,
            clock,
            now,
            last: now,
            late: switchovers.iter().filter(|(at, _)| *at > now + survey.span()).count(),
            switchovers,
            output,
            expected,
            ledger: Ledger::default(),
            incoming: Incoming::default(),
            sent: Vec::new(),
        };
        let mut placer = Placer::new(intent, &hosts, &self.capture.name, &resolved.interfaces);
        session.play(&self.capture, &mut placer, progress)?;
        session.finish(settings.neighbours)
    }
}

/// The first pass.
fn surveyed<'a>(
    capture: &Source<'_>,
    (intent, hosts): (&'a Intent, &'a Hosts),
    resolved: &Resolved,
    progress: &mut dyn FnMut(Progress),
) -> Result<Survey<'a>, ReplayError> {
    let mut survey = Survey::new(intent, hosts);
    let mut placer = Placer::new(intent, hosts, &capture.name, &resolved.interfaces);
    let nobody = HashMap::new();
    each_packet(capture, false, progress, |captured| {
        let found = placer.find(captured, &nobody).ok().flatten();
        survey.look(captured.bytes, captured.at, found);
        Ok(())
    })?;
    if survey.frames == 0 {
        return Err(ReplayError::NoPacket(capture.name.clone()));
    }
    placer.unused()?;
    Ok(survey)
}

fn open(source: &Source<'_>) -> Result<Reader<Box<dyn Read>>, ReplayError> {
    let unopened = |why: io::Error| ReplayError::Open { file: source.name.clone(), why: why.to_string() };
    let file = (source.open)().map_err(unopened)?;
    Reader::new(file).map_err(|why| ReplayError::Read { file: source.name.clone(), why })
}

/// Reads a capture from its beginning to its end.
fn each_packet(
    source: &Source<'_>,
    replays: bool,
    progress: &mut dyn FnMut(Progress),
    mut on_packet: impl FnMut(&Captured<'_>) -> Result<(), ReplayError>,
) -> Result<(), ReplayError> {
    let mut reader = open(source)?;
    loop {
        let read = reader.next_packet();
        let Some(captured) = read.map_err(|why| ReplayError::Read { file: source.name.clone(), why })? else {
            return Ok(());
        };
        let packets = captured.number;
        on_packet(&captured)?;
        if packets.is_multiple_of(PROGRESS_EACH) {
            progress(Progress { replays, packets, bytes: reader.offset() });
        }
    }
}

/// When which happens; one behind the end would not happen.
fn switchovers(
    resolved: &Resolved,
    clock: &Clock,
    span: Duration,
    intent: &Intent,
) -> Result<Vec<(Instant, MemberId)>, ReplayError> {
    use super::settings::Moment;
    let at = |moment: Moment| match moment {
        Moment::After(span) => clock.instant(0) + span,
        Moment::At(stamp) => clock.instant(stamp),
    };
    let mut all: Vec<_> = resolved.switchovers.iter().map(|(moment, to)| (at(*moment), *to)).collect();
    // The next one is the last.
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    match all.first() {
        Some((at, to)) if *at > clock.instant(0) + span + AFTER => Err(ReplayError::TooLate {
            member: intent.members[*to].name.clone(),
            after: at.since(clock.instant(0)),
            span,
        }),
        _ => Ok(all),
    }
}

/// Our side of the link.
struct OurLink {
    /// By port.
    macs: Vec<Mac>,
    /// These, and those that the capture has instead.
    all: Vec<Mac>,
    /// MACs of the capture, and what they are here.
    renamed: Vec<(Mac, Mac)>,
    by_mac: HashMap<Mac, Place>,
    found: Vec<OwnMac>,
    given: Vec<Option<Mac>>,
}

impl OurLink {
    fn of(intent: &Intent, found: &[OwnMac], resolved: &Resolved) -> OurLink {
        let ports = (0..intent.ports.len()).map(|at| PortId(at as u8));
        let given: Vec<Option<Mac>> = ports.map(|port| resolved.macs.get(&port).copied()).collect();
        let pairs = || found.iter().zip(&given);
        let macs: Vec<Mac> = pairs().map(|(found, given)| given.unwrap_or(found.mac)).collect();
        let shown = pairs().filter(|(found, _)| found.frames > 0);
        let renamed: Vec<(Mac, Mac)> = shown
            .filter_map(|(found, given)| Some((found.mac, (*given)?)))
            .filter(|(before, after)| before != after)
            .collect();
        let all = macs.iter().copied().chain(renamed.iter().map(|(before, _)| *before)).collect();
        let mut by_mac = by_mac(&macs);
        for (before, after) in &renamed {
            if let Some(place) = by_mac.get(after).copied() {
                by_mac.insert(*before, place);
            }
        }
        OurLink { macs, all, renamed, by_mac, found: found.to_vec(), given }
    }
}

/// The second pass, while it goes on.
struct Session<'a> {
    intent: &'a Intent,
    hosts: &'a Hosts,
    link: OurLink,
    appliance: Appliance<'a>,
    clock: Clock,
    now: Instant,
    /// When the latest packet came in.
    last: Instant,
    /// The next one is the last.
    switchovers: Vec<(Instant, MemberId)>,
    /// Of these, how many come after the last packet.
    late: usize,
    output: Option<Output<'a>>,
    expected: Option<Expected<'a>>,
    ledger: Ledger,
    incoming: Incoming,
    sent: Vec<Sent>,
}

impl Session<'_> {
    fn play(
        &mut self,
        capture: &Source<'_>,
        placer: &mut Placer<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), ReplayError> {
        // What is due at the very beginning.
        self.pass_time(self.now)?;
        each_packet(capture, true, progress, |captured| {
            self.ledger.captured += 1;
            let at = self.clock.next(captured.at);
            self.pass_time(at)?;
            self.last = at;
            if self.link.all.contains(&Link::of(captured.bytes).src) {
                self.ledger.skip(captured.number, Skip::Own);
                return Ok(());
            }
            match placer.find(captured, &self.link.by_mac)? {
                Some(Found { place, .. }) => self.receive(captured, place),
                None => {
                    self.ledger.skip(captured.number, Skip::Unplaced);
                    Ok(())
                }
            }
        })?;
        self.pass_time(self.last + AFTER)
    }

    /// Lets time pass until `then`.
    fn pass_time(&mut self, then: Instant) -> Result<(), ReplayError> {
        loop {
            let step = STEP.max(self.now.since(self.last) / STEPS_OF_A_GAP);
            let mut next = then.min(self.now + step);
            if let Some((at, to)) = self.switchovers.pop_if(|(at, _)| *at <= next) {
                next = at.max(self.now);
                self.appliance.switch_over(to, next, &mut self.sent);
            }
            self.now = next;
            self.appliance.turn(next, &mut self.sent);
            self.send(None)?;
            if self.now >= then && self.switchovers.last().is_none_or(|(at, _)| *at > then) {
                return Ok(());
            }
        }
    }

    fn receive(&mut self, captured: &Captured<'_>, place: Place) -> Result<(), ReplayError> {
        let number = captured.number;
        if !self.incoming.take(captured, place, &self.link.renamed) {
            self.ledger.skip(number, Skip::TooLong);
            return Ok(());
        }
        let frame = self.incoming.bytes();
        let before = self.appliance.counters();
        self.appliance.receive(place.port, frame, self.now, &mut self.sent);
        let fate = Fate::of(frame, &before, &self.appliance.counters(), &self.sent);
        self.ledger.ended(number, fate);
        self.ledger.padded += u64::from(self.incoming.is_padded);
        self.ledger.tagged += u64::from(self.incoming.is_tagged);
        self.ledger.readdressed += u64::from(self.incoming.is_readdressed);
        let packet = Packet::parse(frame).ok();
        let interface = interface_at(self.intent, &self.appliance, place.port, frame);
        let mtu = interface.map_or(u16::MAX, |id| self.intent.interfaces[id].mtu);
        self.ledger.oversized += u64::from(packet.is_some_and(|packet| packet.size > mtu));
        if let (Some(output), Some(interface)) = (&mut self.output, interface) {
            let ends = |frame: &[u8]| Packet::parse(frame).ok().map(|packet| [packet.src(), packet.dst()]);
            let out = self.sent.iter().filter_map(|sent| ends(sent.frame.bytes()));
            let mut addresses = packet.iter().map(|packet| [packet.src(), packet.dst()]).chain(out).flatten();
            let member = addresses.find_map(|address| self.hosts.member(address));
            let member = member.map(|id| self.intent.members[id].name.as_str());
            output.received((interface, self.clock.stamp(self.now)), frame, fate, member)?;
        }
        self.send(Some(number))
    }

    /// What the worker has sent leaves: it is written, and compared.
    fn send(&mut self, cause: Option<u64>) -> Result<(), ReplayError> {
        let at = self.clock.stamp(self.now);
        for Sent { port, frame } in self.sent.drain(..) {
            let bytes = frame.bytes();
            let to = Link::of(bytes).dst;
            if self.appliance.neighbours.is_made_up(to) {
                self.ledger.made_up.insert(to);
            }
            if let Some(expected) = &mut self.expected {
                expected.check(&Outgoing { port, bytes, cause })?;
            }
            let interface = interface_at(self.intent, &self.appliance, port, bytes);
            if let (Some(output), Some(interface)) = (&mut self.output, interface) {
                let packet = Packet::parse(bytes).ok();
                let mut ends = packet.iter().flat_map(|packet| [packet.dst(), packet.src()]);
                let member = ends.find_map(|end| self.hosts.member(end));
                let member = member.map(|id| self.intent.members[id].name.as_str());
                output.sent((interface, at), bytes, cause, member)?;
            }
        }
        Ok(())
    }

    fn finish(mut self, source: NeighbourSource) -> Result<ReplaySummary, ReplayError> {
        let mut summary = self.ledger.summary(&self.appliance);
        summary.span_s = self.clock.span_s();
        (summary.macs, summary.notes) = mac_rows(self.intent, &self.link.found, &self.link.given);
        let notes = self.notes(source);
        summary.notes.extend(notes);
        if let Some(output) = self.output.take() {
            output.finish()?;
        }
        if let Some(expected) = self.expected.take() {
            let (compared, difference) = expected.finish()?;
            (summary.compared, summary.difference) = (Some(compared), difference);
        }
        Ok(summary)
    }

    fn notes(&self, source: NeighbourSource) -> Vec<String> {
        let Ledger { padded, oversized, tagged, readdressed, ref made_up, .. } = self.ledger;
        let Clock { backwards, unstamped, .. } = self.clock;
        let rows = [
            (backwards, "with a time before that of an earlier one came in at its time (`reordercap IN OUT` sorts)"),
            (unstamped, "without a time came in at that of the one before"),
            (padded, "that the capture cut off came in with zeros for what is missing (tcpdump -s 0 keeps all)"),
            (
                oversized,
                "larger than the MTU of where they came in: captured behind GRO or LRO, and no NIC delivers them so (ethtool -K \
                 DEVICE gro off lro off)",
            ),
            (tagged, "without the VLAN tag of their interface were given it"),
            (readdressed, "to our MAC in the capture were addressed to that of --mac"),
        ];
        let counted = |(count, what): (u64, &str)| (count > 0).then(|| format!("frames {what}: {count}"));
        let mut notes: Vec<String> = rows.into_iter().filter_map(counted).collect();
        if !made_up.is_empty() {
            notes.push(format!(
                "hosts that were sent something and whose MAC the capture does not show, so that it was made up: {}",
                made_up.len()
            ));
        }
        if self.late > 0 {
            notes.push(format!(
                "switchovers after the last packet, of which only what time alone causes is seen: {}",
                self.late
            ));
        }
        if self.appliance.counters().held > 0 && source != NeighbourSource::Assumed {
            notes
                .push("frames wait for a MAC that the capture does not show: --neighbours assumed makes one up".into());
        }
        notes
    }
}

/// Where a frame is at a port: by its tag, else the first interface of the port.
fn interface_at(intent: &Intent, appliance: &Appliance<'_>, port: PortId, frame: &[u8]) -> Option<InterfaceId> {
    let by_tag = appliance.interface(port, Link::of(frame).vlan);
    by_tag.or_else(|| intent.interfaces.find_id(|interface| interface.port == port))
}
