//! DPDK's environment: started once, left when the last user of it is gone.
//!
//! Owns the start and the end, and the threads that may use queues. A thread that runs a worker is bound to its core
//! and known to DPDK, which gives it a cache of buffers of its own.

use super::args::EalConfig;
use super::cores::{self, CoreSet};
use super::ended::Starting;
use super::error::{DpdkError, Fault, Said, errno, error_text};
use super::log;
use std::ffi::{CStr, CString, c_char};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// DPDK refuses to start twice in a process.
static STARTED: AtomicBool = AtomicBool::new(false);

/// What `rte_lcore_id` says of a thread DPDK does not know.
const NO_LCORE: u32 = u32::MAX;

/// DPDK, started. A clone is another user of the same; the last one to go ends it.
#[derive(Clone)]
pub struct Eal {
    shared: Arc<Shared>,
}

struct Shared {
    /// Where the process could run before DPDK bound its thread.
    everywhere: CoreSet,
    memory_mb: u32,
    /// Buffers are still out somewhere: the memory must stay mapped.
    in_use: AtomicBool,
}

/// The release of DPDK that runs, such as `DPDK 22.11.11`.
pub fn linked_version() -> String {
    // SAFETY: the function returns a C string that lives as long as the program.
    unsafe { CStr::from_ptr(dpdk_sys::shim_version()) }.to_string_lossy().into_owned()
}

impl Eal {
    /// Starts DPDK. Binds the calling thread to the main core: threads made later inherit that. Catches what is
    /// written to the standard streams meanwhile.
    ///
    /// # Errors
    /// A core that is missing or not allowed, no hugepages, no memory, no permission, an argument DPDK does not take, a
    /// second start: each in one sentence.
    pub fn init(config: &EalConfig) -> Result<Eal, DpdkError> {
        let everywhere = CoreSet::current();
        for core in config.worker_cores.iter().chain([&config.main_core]) {
            cores::check(*core, &everywhere)?;
        }
        let arguments = config.arguments()?;
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(Fault::StartedBefore.into());
        }
        if !log::attach() {
            return Err(no_memory(config.memory_mb, Said::default()).into());
        }
        start(&arguments).map_err(|code| why_not_started(code, config))?;
        let shared = Shared { everywhere, memory_mb: config.memory_mb, in_use: AtomicBool::new(false) };
        Ok(Eal { shared: Arc::new(shared) })
    }

    /// Runs `work` on the calling thread as a worker: bound to `core` and known to DPDK. Afterwards the thread is what
    /// it was before. A panic in `work` propagates.
    ///
    /// # Errors
    /// The core is missing or not allowed, or DPDK has no slot for another thread.
    pub fn run_worker<T>(&self, core: usize, work: impl FnOnce() -> T) -> Result<T, DpdkError> {
        let before = cores::pin(core, &self.shared.everywhere)?;
        let registered = Registration::new(core, before)?;
        let outcome = work();
        drop(registered);
        Ok(outcome)
    }

    /// Says that buffers are out and DPDK's memory must outlive this value.
    pub(super) fn keep_memory(&self) {
        self.shared.in_use.store(true, Ordering::SeqCst);
    }

    /// How much memory DPDK was given, in MB.
    pub(super) fn memory_mb(&self) -> u32 {
        self.shared.memory_mb
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.in_use.load(Ordering::SeqCst) {
            tracing::warn!("buffers are still in use: DPDK's memory stays until the process ends");
            return;
        }
        // SAFETY: the last user is gone: ports are closed, pools are freed, no worker is registered, because each of
        // them holds a clone of the value that is dropped here.
        unsafe { dpdk_sys::rte_eal_cleanup() };
    }
}

/// A thread as DPDK knows it, until dropped; then it also goes back to where it could run `before`.
struct Registration {
    before: CoreSet,
    ours: bool,
}

impl Registration {
    fn new(core: usize, before: CoreSet) -> Result<Registration, Fault> {
        // SAFETY: reads a thread-local variable.
        let ours = unsafe { dpdk_sys::shim_lcore_id() } == NO_LCORE;
        // SAFETY: DPDK is started, and the thread has no slot yet.
        if ours && unsafe { dpdk_sys::rte_thread_register() } != 0 {
            let reason = error_text(errno());
            let _ = before.apply();
            return Err(Fault::TooManyThreads { core, reason });
        }
        Ok(Registration { before, ours })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.ours {
            // SAFETY: this thread was registered by `new`, and DPDK is still started: `run_worker` borrows it.
            unsafe { dpdk_sys::rte_thread_unregister() };
        }
        let _ = self.before.apply();
    }
}

/// Calls `rte_eal_init`; its error number when it fails.
fn start(arguments: &[String]) -> Result<(), i32> {
    // DPDK keeps pointers to its arguments for good, and reorders them: both lists are given away.
    let words: Vec<CString> = arguments.iter().filter_map(|word| CString::new(word.as_str()).ok()).collect();
    let count = i32::try_from(words.len()).map_err(|_| libc::E2BIG)?;
    let mut pointers: Vec<*mut c_char> = words.into_iter().map(CString::into_raw).collect();
    pointers.push(std::ptr::null_mut());
    let pointers = pointers.leak();
    log::forget();
    let starting = Starting::new();
    // SAFETY: `count` C strings and a null pointer, never freed; called once in the life of the process.
    let rc = unsafe {
        dpdk_sys::rte_log_set_global_level(dpdk_sys::RTE_LOG_NOTICE);
        dpdk_sys::rte_eal_init(count, pointers.as_mut_ptr())
    };
    drop(starting);
    let code = errno();
    remove_directory();
    if rc < 0 { Err(code) } else { Ok(()) }
}

/// Removes the directory DPDK makes at its start: our arguments let it keep nothing there, and it would never go if this
/// process were killed. What another process uses is not empty and stays.
fn remove_directory() {
    // SAFETY: the function returns a C string that lives as long as the program, empty before the first start.
    let directory = unsafe { CStr::from_ptr(dpdk_sys::rte_eal_get_runtime_dir()) };
    let _ = std::fs::remove_dir(directory.to_string_lossy().as_ref());
}

fn no_memory(megabytes: u32, said: Said) -> Fault {
    Fault::NoMemory { what: "DPDK".to_owned(), megabytes, said }
}

fn why_not_started(code: i32, config: &EalConfig) -> Fault {
    let said = log::said();
    let megabytes = config.memory_mb;
    if config.hugepages && said.mentions(&["hugepage", "hugetlbfs", "hugedir"]) {
        return Fault::NoHugepages { megabytes, pages: megabytes.div_ceil(2), said };
    }
    if code == libc::EACCES || code == libc::EPERM || said.mentions(&["Permission denied", "not permitted"]) {
        let what = "starting DPDK".to_owned();
        return Fault::NoPermission { what, capabilities: "CAP_SYS_ADMIN, CAP_IPC_LOCK and CAP_NET_ADMIN", said };
    }
    let lacks_memory = code == libc::ENOMEM || said.mentions(&["Cannot init memory", "Cannot allocate memory"]);
    if config.hugepages && lacks_memory {
        return Fault::FewHugepages { megabytes, pages: megabytes.div_ceil(2), said };
    }
    if lacks_memory {
        return no_memory(megabytes, said);
    }
    Fault::NotStarted { reason: error_text(code), said }
}
