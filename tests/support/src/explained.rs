//! What would happen to a frame, asked of the workers as management asks them.

use crate::lab::{Far, LabOn, Setting as Layouts};
use crate::rig::{Rig, TestPorts};
use fairlead::admin::explain::Explanation;
use fairlead::engine::Excerpt;
use fairlead::explain::{Case, Setting, Worker, explain};
use fairlead::policy::Snapshot;
use fairlead::policy::intent::PortId;
use fairlead::wire::build::Build;
use fairlead::wire::{Packet, sip};
use fairlead::worker::mailbox::Asked;
use fairlead::worker::{Command, Event};
use std::sync::Arc;

/// The query that nobody else makes.
const QUERY: u64 = 12;

impl<S: Layouts> LabOn<S> {
    /// What would happen to this frame, if it came in now; `content` is what is known of what it says.
    pub fn explained(&mut self, from: Far, build: &Build, content: Option<&[u8]>) -> Explanation {
        let (port, bytes) = (self.port(from), self.arriving(from, build));
        let packet = Packet::parse(&bytes).expect("it is whole");
        let case = self.rig.case(packet, port, content);
        self.rig.explained(&case)
    }
}

impl<T: TestPorts> Rig<T> {
    /// A packet that comes in on this port.
    pub fn case(&self, packet: Packet, port: PortId, content: Option<&[u8]>) -> Case {
        let interface = self.workers[0].engine().classify(&packet, port).interface;
        let tuple = packet.tuple().expect("it has ends");
        Case { packet, tuple, port, interface, sip: content.map(sip::Facts::of), from: None }
    }

    /// The command by which management asks about a packet.
    pub fn asks_about(&self, case: &Case) -> Command {
        let members = case.members(self.installed(), self.workers[0].engine().snapshot()).into();
        let about = Asked { packet: case.packet, port: case.port, sip: case.sip.unwrap_or_default(), members };
        Command::Excerpt { query: QUERY, about: Box::new(about) }
    }

    /// What the workers have answered to that, and not been asked for by this since.
    pub fn excerpts(&mut self) -> Vec<(u16, Option<Box<Excerpt>>, Arc<Snapshot>)> {
        let answers = self.events.extract_if(.., |event| matches!(event, Event::Excerpt { query: QUERY, .. }));
        let parts = answers.filter_map(|event| match event {
            Event::Excerpt { worker, excerpt, snapshot, .. } => Some((worker.0, excerpt, snapshot)),
            _ => None,
        });
        parts.collect()
    }

    /// What would happen to this packet.
    pub fn explained(&mut self, case: &Case) -> Explanation {
        let asks: Vec<Command> = self.workers.iter().map(|_| self.asks_about(case)).collect();
        let mut asks = asks.into_iter();
        let out = self.command(|| asks.next().expect("one for each"));
        assert!(out.is_empty(), "nothing is sent for that");
        let found =
            self.excerpts().into_iter().find_map(|(worker, excerpt, snapshot)| Some((worker, excerpt?, snapshot)));
        let (number, excerpt, snapshot) = found.expect("one of the workers decides");
        let setting = Setting {
            intent: self.installed(),
            snapshot: &snapshot,
            snat_ports: self.snat_ports(),
            excerpt: &excerpt,
            worker: Some(Worker { number, of: self.workers.len() }),
            choice: &|_| None,
            is_live: true,
        };
        explain(case, &setting)
    }
}
