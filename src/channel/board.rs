//! What the thread shows of itself to management.
//!
//! Owns the place where it stands: management takes it without waiting for the thread. News that it does not take in time are bounded, and
//! none is dropped: the thread reads no more until there is room.

use crate::sync::{LONGEST, News, Report};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// News that management has not taken, at most; or fewer with a text of [`LONGEST`] bytes.
const NEWS: usize = 256;

/// How the connection stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelState {
    /// What the sync says.
    pub report: Report,
    /// Where the other one is connected to, or from.
    pub peer: Option<std::net::SocketAddr>,
    /// Why nobody can connect here, if this one listens.
    pub listening: Option<String>,
}

/// The place, with news as management wants them.
pub struct Board<N = News>(Mutex<Shown<N>>);

struct Shown<N> {
    state: ChannelState,
    news: VecDeque<N>,
    /// Bytes that their texts had.
    weight: usize,
}

impl<N> Default for Board<N> {
    fn default() -> Board<N> {
        Board(Mutex::new(Shown { state: ChannelState::default(), news: VecDeque::new(), weight: 0 }))
    }
}

impl<N> Board<N> {
    /// How the connection stands.
    pub fn state(&self) -> ChannelState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).state.clone()
    }

    /// What has happened since the last call, the earliest first.
    pub fn take_news(&self) -> Vec<N> {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.weight = 0;
        shown.news.drain(..).collect()
    }

    pub(super) fn show(&self, state: ChannelState) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).state = state;
    }

    /// There is room for more news.
    pub(super) fn has_room(&self) -> bool {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.news.len() < NEWS && shown.weight < LONGEST
    }

    /// One for which there is room, with so many bytes of text.
    pub(super) fn tell(&self, news: N, weight: usize) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.weight += weight;
        shown.news.push_back(news);
    }
}
