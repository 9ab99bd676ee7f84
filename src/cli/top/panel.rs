//! The panels: what there is to see, and in what order.
//!
//! Owns their numbers and names.

/// A panel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panel {
    /// Ports and workers.
    #[default]
    Traffic,
    /// Members.
    Members,
    /// Virtual servers.
    VirtualServers,
    /// Drops by reason.
    Drops,
    /// Forwarding latency.
    Latency,
    /// Alarms, and switchovers.
    Events,
}

impl Panel {
    /// All of them, from above.
    pub const ALL: [Panel; 6] =
        [Panel::Traffic, Panel::Members, Panel::VirtualServers, Panel::Drops, Panel::Latency, Panel::Events];

    /// Its place, from 0.
    pub const fn place(self) -> usize {
        self as usize
    }

    /// The one so many places further down, from the first again after the last.
    pub const fn plus(self, places: usize) -> Panel {
        Panel::ALL[(self as usize + places) % Panel::ALL.len()]
    }

    /// The one of this number, from 1.
    pub fn of(number: char) -> Option<Panel> {
        let place = number.to_digit(10)?.checked_sub(1)?;
        Panel::ALL.get(place as usize).copied()
    }

    /// The title of its first column: its number, and what a row is.
    pub const fn title(self) -> &'static str {
        match self {
            Panel::Traffic => "1 PORT, WORKER",
            Panel::Members => "2 MEMBER",
            Panel::VirtualServers => "3 VIRTUAL SERVER",
            Panel::Drops => "4 DROP REASON",
            Panel::Latency => "5 LATENCY",
            Panel::Events => "6 EVENT",
        }
    }
}
