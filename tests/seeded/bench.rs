//! The appliance, the model, and what decides what happens next.

use crate::dialogs::Talk;
use crate::model::{Fate, Model};
use crate::packet::{Letter, Way};
use crate::send::{Identifications, Parcel};
use fairlead::wire::Endpoint;
use std::collections::{BTreeMap, HashMap, HashSet};
use testbench::dice::Dice;
use testbench::lab::*;
use testbench::plan::{Pair, Plan, Who};
use testbench::rig::*;

pub struct World {
    pub lab: Lab,
    pub model: Model,
    pub dice: Dice,
    /// Frames sent in.
    pub packets: u64,
    pub workers: usize,
    /// Letters that were not sent, by the reason why (see `skipped.rs`).
    pub left_out: BTreeMap<&'static str, u64>,
    /// Connections as their ends know them, by how the first one writes.
    pub talks: HashMap<Way, Talk>,
    /// What is on its way in pieces, and what waits in the appliance for pieces that will never come.
    pub parcels: Vec<Parcel>,
    pub stranded: Vec<Parcel>,
    pub identifications: Identifications,
    pub last_id: u16,
    /// Which member of a pair was reached last by a caller with this virtual endpoint (see `skipped.rs`).
    pub callees: HashMap<(Endpoint, Pair), Who>,
    /// Hosts that called while they were excluded, and were not excluded any more afterwards (see `skipped.rs`).
    pub called_before: HashSet<Endpoint>,
    /// What was sent last, and what the model says of it.
    pub last: Option<(Letter, Fate)>,
    /// Each letter is written down (FAIRLEAD_STORY).
    pub tells: bool,
}

impl World {
    pub fn new(seed: u64, workers: usize) -> World {
        let layouts = [Layout::TwoArm, Layout::OneArm, Layout::TwoArm, Layout::TaggedServers, Layout::OnePort];
        let layout = layouts[seed as usize % layouts.len()];
        let narrow = layout != Layout::OneArm && seed % 3 == 1;
        let plan = Plan::new(layout, if narrow { 1_400 } else { 1_500 });
        let rig = Rig::new(Memory::default(), plan.intent(), workers);
        let mut world = World {
            lab: Lab { rig, layout },
            model: Model::new(plan),
            dice: Dice::new(seed),
            packets: 0,
            left_out: BTreeMap::new(),
            workers,
            talks: HashMap::new(),
            parcels: Vec::new(),
            stranded: Vec::new(),
            identifications: Identifications::default(),
            last_id: 0,
            last: None,
            callees: HashMap::new(),
            called_before: HashSet::new(),
            tells: std::env::var_os("FAIRLEAD_STORY").is_some(),
        };
        world.publish();
        world
    }
}

/// Says which letter a test died of.
impl Drop for World {
    fn drop(&mut self) {
        if let (true, Some((letter, fate))) = (std::thread::panicking(), &self.last) {
            eprintln!("{letter:?}\n    {}", fate.in_words());
        }
    }
}
