//! The two sides of a flow.

/// Whose packets are meant: those of the direction that opened the flow, or those that answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Side {
    /// The direction of the packet that opened the flow.
    Opener = 0,
    /// The direction of its answers.
    Answerer = 1,
}

impl Side {
    /// Both, in the order of [`Side::index`].
    pub const BOTH: [Side; 2] = [Side::Opener, Side::Answerer];

    /// 0 for the opener, 1 for the answerer.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The opposite side.
    pub const fn other(self) -> Side {
        match self {
            Side::Opener => Side::Answerer,
            Side::Answerer => Side::Opener,
        }
    }
}
