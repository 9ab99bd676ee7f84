//! The two directions of a flow, as Linux conntrack names them.

/// Whose packets are meant: those of the direction that opened the flow, or those that answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Direction {
    /// The direction of the packet that opened the flow.
    Original = 0,
    /// The direction of its answers.
    Reply = 1,
}

impl Direction {
    /// Both, in the order of [`Direction::index`].
    pub const BOTH: [Direction; 2] = [Direction::Original, Direction::Reply];

    /// 0 for the opener, 1 for the answerer.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The opposite side.
    pub const fn other(self) -> Direction {
        match self {
            Direction::Original => Direction::Reply,
            Direction::Reply => Direction::Original,
        }
    }
}
