//! What the thread shows of itself to management.
//!
//! Owns the place where it stands: management takes it without waiting for the thread, and what it does not take in time is bounded.

use crate::sync::{News, Report};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// News that management has not taken.
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
}

impl<N> Default for Board<N> {
    fn default() -> Board<N> {
        Board(Mutex::new(Shown { state: ChannelState::default(), news: VecDeque::new() }))
    }
}

impl<N> Board<N> {
    /// How the connection stands.
    pub fn state(&self) -> ChannelState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).state.clone()
    }

    /// What has happened since the last call, the earliest first.
    pub fn take_news(&self) -> Vec<N> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).news.drain(..).collect()
    }

    pub(super) fn show(&self, state: ChannelState) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).state = state;
    }

    pub(super) fn tell(&self, news: impl IntoIterator<Item = N>) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for one in news {
            if shown.news.len() == NEWS {
                shown.news.pop_front();
            }
            shown.news.push_back(one);
        }
    }
}
