//! Programs that carry probes, each waited for by a thread of its own: management starts one and hears of its end.
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

/// The programs that run.
pub struct Programs {
    /// The program that becomes them, by [`starter::start`].
    starter: PathBuf,
    done: mpsc::UnboundedSender<(ProbeId, ProgramExit)>,
    ended: mpsc::UnboundedReceiver<(ProbeId, ProgramExit)>,
}

impl Programs {
    /// Nothing runs yet. `starter` is the file of Fairlead: [`OURSELVES`], but in a test.
    pub fn new(starter: impl Into<PathBuf>) -> Programs {
        let (done, ended) = mpsc::unbounded_channel();
        Programs { starter: starter.into(), done, ended }
    }

    /// Has it run. Its end is said by [`Programs::ended`], whatever it is.
    pub fn run(&self, run: ProgramRun) {
        let (probe, starter, done) = (run.probe, self.starter.clone(), self.done.clone());
        let work = move || _ = done.send((run.probe, run::outcome(&starter, &run)));
        if let Err(error) = std::thread::Builder::new().name("probe".into()).spawn(work) {
            let how = Exit::NotRun(format!("no thread is to be had that waits for it: {error}"));
            _ = self.done.send((probe, ProgramExit { how, took: Duration::ZERO }));
        }
    }

    /// The next one that has ended.
    pub async fn ended(&mut self) -> (ProbeId, ProgramExit) {
        match self.ended.recv().await {
            Some(ended) => ended,
            // Never: this end holds a sender.
            None => std::future::pending().await,
        }
    }
}
