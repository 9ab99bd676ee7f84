//! The appliance, the model, and the dice that choose what happens next.

use crate::dialogs::Dialog;
use crate::features;
use crate::model::{Model, Outcome};
use crate::packet::{Packet, Way};
use crate::send::{Fragmented, Identifications};
use crate::sip::Asked;
use fairlead::policy::intent::Mode;
use fairlead::wire::Endpoint;
use std::collections::{BTreeMap, HashMap, HashSet};
use testbench::dice::Dice;
use testbench::lab::*;
use testbench::plan::{Pair, Plan, Who};
use testbench::rig::*;

pub struct Run {
    pub lab: Lab,
    pub model: Model,
    pub dice: Dice,
    /// Frames sent in.
    pub packets: u64,
    pub workers: usize,
    /// Packets that were not sent, by the reason why (see `skipped.rs`).
    pub skipped: BTreeMap<&'static str, u64>,
    /// What is modelled and was met (see `met.rs`).
    pub met: BTreeMap<&'static str, u64>,
    /// Connections as their ends know them, by how the first one writes.
    pub dialogs: HashMap<Way, Dialog>,
    /// What is on its way in pieces, and what waits in the appliance for pieces that will never come.
    pub fragmented: Vec<Fragmented>,
    pub incomplete: Vec<Fragmented>,
    pub identifications: Identifications,
    pub last_id: u16,
    /// Which member of a pair was reached last by a caller with this virtual endpoint (see `skipped.rs`).
    pub callees: HashMap<(Endpoint, Pair), Who>,
    /// Hosts that called while they were excluded, and were not excluded any more afterwards (see `skipped.rs`).
    pub called_before: HashSet<Endpoint>,
    /// Members of those that share the work that were not in the file for a while (see `skipped.rs`).
    pub absent: HashSet<Who>,
    /// What members have asked lately.
    pub asked: Vec<Asked>,
    /// How many branches and calls there have been.
    pub branches: u32,
    pub calls: u32,
    /// What was sent last, and what the model says of it.
    pub last: Option<(Packet, Outcome)>,
    /// Each packet is printed (FAIRLEAD_TRACE).
    pub traces: bool,
}

impl Run {
    pub fn new(seed: u64, workers: usize) -> Run {
        let layouts = [Layout::TwoArm, Layout::OneArm, Layout::TwoArm, Layout::TaggedServers, Layout::OnePort];
        let layout = layouts[seed as usize % layouts.len()];
        let narrow = layout != Layout::OneArm && seed % 3 == 1;
        let mut plan = Plan::new(layout, if narrow { 1_400 } else { 1_500 });
        plan.modes = modes(seed);
        plan.counts_sip = seed.is_multiple_of(2);
        plan.features = features::draw(seed);
        plan.thirds = plan.modes.map(|mode| mode != Mode::ActiveStandby);
        let rig = Rig::new(Memory::default(), plan.intent(), workers);
        let mut run = Run {
            lab: Lab { rig, layout },
            model: Model::new(plan, workers),
            dice: Dice::new(seed),
            packets: 0,
            skipped: BTreeMap::new(),
            met: BTreeMap::new(),
            workers,
            dialogs: HashMap::new(),
            fragmented: Vec::new(),
            incomplete: Vec::new(),
            identifications: Identifications::default(),
            last_id: 0,
            last: None,
            callees: HashMap::new(),
            called_before: HashSet::new(),
            absent: HashSet::new(),
            asked: Vec::new(),
            branches: 0,
            calls: 0,
            traces: std::env::var_os("FAIRLEAD_TRACE").is_some(),
        };
        run.lab.rig.count_sip();
        run.publish();
        run
    }
}

/// Half of the pairs have one active member, the others share the work among three in some way.
fn modes(seed: u64) -> [Mode; 2] {
    let (pair, turns) = (Mode::ActiveStandby, Mode::RoundRobin);
    let (least, hash) = (Mode::LeastConnections, Mode::SourceHash);
    let all = [[pair, pair], [turns, pair], [pair, hash], [pair, pair], [least, turns], [hash, pair], [hash, least]];
    all[seed as usize / 4 % all.len()]
}

/// Says which packet a test failed on.
impl Drop for Run {
    fn drop(&mut self) {
        if let (true, Some((packet, outcome))) = (std::thread::panicking(), &self.last) {
            eprintln!("{packet:?}\n    {}", outcome.in_words());
        }
    }
}
