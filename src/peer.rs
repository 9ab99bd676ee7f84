//! Floor 6: the other appliance of the pair, between the thread that talks to it and the controller.
//!
//! Owns that the thread knows what this appliance is, and where the other one is, by what the controller says, and that the controller hears
//! what the thread shows. Decides nothing, and waits for nobody.

use crate::channel::{Channel, ChannelState, Identity, IdentityError, Sockets};
use crate::config::{Configuration, digests};
use crate::control::{Controller, LinkFacts, PairNews, PairWord};
use crate::policy::intent::{Pair, PairRole};
use crate::sync::{Hello, News};
use crate::time::{Duration, Instant};
use crate::worker::Command;
use crate::worker::sync::sync_links;
use std::sync::Arc;

/// How often the controller hears how the connection stands.
const SHOWN: Duration = Duration::from_millis(100);

/// The connection, if the file wants one.
pub struct Peer {
    channel: Channel<PairNews>,
    /// What the thread was told last.
    active: bool,
    sockets: Sockets,
    configuration: Arc<Configuration>,
    /// What the controller was told last, and when.
    state: ChannelState,
    shown: Instant,
}

/// Who the two appliances are to each other, if they talk.
///
/// # Errors
/// The files do not fit; those of a file that was checked do.
pub fn identity(configuration: &Configuration) -> Result<Option<Identity>, IdentityError> {
    let talks = configuration.intent.pair.as_ref().filter(|pair| pair.peer.is_some());
    let Some([certificate, key, other]) = talks.and_then(Pair::identity) else { return Ok(None) };
    Identity::new(&certificate.text, &key.text, &other.text).map(Some)
}

/// What this appliance says of itself: `seed` is what ports of SNAT addresses are given away by, and `process` no other process has.
pub fn hello(configuration: &Configuration, seed: u64, process: u64) -> Hello {
    Hello { name: configuration.settings.name.clone(), process, snat_seed: seed }
}

/// What news of the thread's are to the controller; read on the thread.
pub fn heard(news: News) -> PairNews {
    match news {
        News::Up(hello) => PairNews::Connected { name: hello.name, snat_seed: hello.snat_seed },
        News::Down(_) => PairNews::PeerLost,
        News::Word(text) => PairNews::of_word(&text),
    }
}

impl Peer {
    /// Starts the thread, for so many workers, each of which is to get one of the commands. `None`: the file wants no connection.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(
        configuration: Arc<Configuration>,
        identity: Identity,
        (workers, hello): (usize, Hello),
        clock: impl Fn() -> Instant + Send + 'static,
    ) -> std::io::Result<Option<(Peer, Vec<Command>)>> {
        let Some(sockets) = sockets(&configuration) else { return Ok(None) };
        let links = sync_links(workers, clock()).into_iter().map(|(end, link)| (Command::Sync(Some(end)), link));
        let (commands, links): (Vec<Command>, Vec<_>) = links.unzip();
        let channel = Channel::start(sockets, identity, (links, hello), clock, heard)?;
        let given = Arc::clone(&configuration);
        channel.set_configuration(move || digests(&given));
        let (state, shown) = (ChannelState::default(), Instant::ZERO);
        Ok(Some((Peer { channel, active: false, sockets, configuration, state, shown }, commands)))
    }

    /// The thread knows what the controller has decided.
    pub fn follow(&mut self, controller: &Controller) {
        let active = controller.standing().is_some_and(|standing| standing.role == PairRole::Active);
        if self.active != active {
            self.active = active;
            self.channel.set_active(active);
        }
        let configuration = controller.configuration();
        if Arc::ptr_eq(configuration, &self.configuration) {
            return;
        }
        self.configuration = Arc::clone(configuration);
        let given = Arc::clone(configuration);
        self.channel.set_configuration(move || digests(&given));
        if let Some(sockets) = sockets(configuration).filter(|sockets| *sockets != self.sockets) {
            self.sockets = sockets;
            self.channel.set_sockets(sockets);
        }
    }

    /// The other one is told this.
    pub fn say(&self, word: PairWord) {
        self.channel.say(move || word.text());
    }

    /// What the controller has to hear.
    pub fn news(&mut self, now: Instant) -> Vec<PairNews> {
        let mut news = self.channel.board().take_news();
        if news.is_empty() && now.since(self.shown) < SHOWN {
            return news;
        }
        self.shown = now;
        let state = self.channel.board().state();
        if state != self.state {
            self.state.clone_from(&state);
            let ChannelState { report, peer, listening } = state;
            // How it stands comes first: why a connection is lost stands there.
            news.insert(0, PairNews::Link(Box::new(LinkFacts { report, peer, listening })));
        }
        news
    }
}

/// Where the two are.
fn sockets(configuration: &Configuration) -> Option<Sockets> {
    let (listen, peer) = configuration.intent.pair.as_ref()?.sockets()?;
    Some(Sockets { listen, peer })
}
