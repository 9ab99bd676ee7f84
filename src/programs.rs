//! Programs that carry probes or are told of events, each waited for by a thread of its own: management starts one and hears of its end.
//!
//! Owns what a program is given: no shell, no right of ours, no file of ours, little urgency, a process group of its own that is
//! killed whole, a bounded time and a bounded output. All of that is laid upon it by the [`starter`], a process of one thread: none of
//! ours ever changes who it is, since whoever may act upon one thread may act upon the whole process. Decides nothing; how many run
//! at once is the controller's to say.

mod run;
pub mod starter;

use crate::control::{Exit, ProbeId, ProgramExit, ProgramRun};
use crate::time::Duration;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// The running program itself, also where another has been installed in its place since.
pub const OURSELVES: &str = "/proc/self/exe";

/// A program has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// One that carried this probe.
    Probe(ProbeId, ProgramExit),
    /// The one that was told of an event.
    Notified(ProgramExit),
}

/// The programs that run.
pub struct Programs {
    /// The program that becomes them, by [`starter::start`].
    starter: PathBuf,
    done: mpsc::UnboundedSender<Ended>,
    ended: mpsc::UnboundedReceiver<Ended>,
}

impl Programs {
    /// Nothing runs yet. `starter` is the file of Fairlead: [`OURSELVES`], but in a test.
    pub fn new(starter: impl Into<PathBuf>) -> Programs {
        let (done, ended) = mpsc::unbounded_channel();
        Programs { starter: starter.into(), done, ended }
    }

    /// Has it run. Its end is said by [`Programs::ended`], whatever it is.
    pub fn run(&self, run: ProgramRun) {
        let probe = run.probe;
        self.begin("probe", run, move |exit| Ended::Probe(probe, exit));
    }

    /// Has one run that is told of an event, likewise.
    pub fn notify(&self, run: ProgramRun) {
        self.begin("notify", run, Ended::Notified);
    }

    fn begin(&self, thread: &str, run: ProgramRun, ended: impl Fn(ProgramExit) -> Ended + Clone + Send + 'static) {
        let (starter, done, said) = (self.starter.clone(), self.done.clone(), ended.clone());
        let work = move || _ = done.send(said(run::outcome(&starter, &run)));
        if let Err(error) = std::thread::Builder::new().name(thread.into()).spawn(work) {
            let how = Exit::NotRun(format!("no thread is to be had that waits for it: {error}"));
            _ = self.done.send(ended(ProgramExit { how, took: Duration::ZERO }));
        }
    }

    /// The next one that has ended.
    pub async fn ended(&mut self) -> Ended {
        match self.ended.recv().await {
            Some(ended) => ended,
            // Never: this end holds a sender.
            None => std::future::pending().await,
        }
    }
}
