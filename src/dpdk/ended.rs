//! A start of DPDK that ends the program.
//!
//! Releases that read their arguments with DPDK's own parser (25.11 does) call `exit` at one they do not know, instead of
//! returning an error. Owns the handler that then says why, in the same sentence as any other failed start. Does nothing
//! once DPDK is started.

use super::error::Fault;
use super::log::{self, Hush};
use std::sync::{Mutex, Once};

/// What the start holds back from the terminal; `None` outside of it.
static STARTING: Mutex<Option<Start>> = Mutex::new(None);

struct Start {
    /// Restores the standard streams when dropped.
    _hush: Option<Hush>,
}

/// While this lives, DPDK is being started, and speaks to memory instead of the terminal.
pub(super) struct Starting(());

impl Starting {
    pub(super) fn new() -> Starting {
        static ONCE: Once = Once::new();
        // SAFETY: the handler is a function without captures and lives as long as the program. Without memory for it a start
        // that ends the program stays silent, which is all that is lost.
        ONCE.call_once(|| _ = unsafe { libc::atexit(at_exit) });
        *lock() = Some(Start { _hush: Hush::new() });
        Starting(())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        lock().take();
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<Start>> {
    STARTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Called by the C library when the program ends.
extern "C" fn at_exit() {
    // Nothing may unwind into C; and nobody holds the lock while DPDK starts.
    let _ = std::panic::catch_unwind(|| {
        let Some(start) = lock().take() else { return };
        drop(start);
        let fault = Fault::NotStarted { reason: "it ended the program".to_owned(), said: log::said() };
        eprintln!("fairlead: {fault}");
        // SAFETY: ends the process at once: other handlers would take down a DPDK that is half started.
        unsafe { libc::_exit(1) };
    });
}
