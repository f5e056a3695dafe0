//! The backend itself: how it was started, its interrupts, its threads.

use super::compat;
use crate::pg::server::text::to_c_string;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys;
use std::cell::Cell;
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Whether the postmaster is loading the library, before any backend exists.
pub fn is_preloading() -> bool {
    // SAFETY: a plain flag of this process, read on its only thread.
    unsafe { pg_sys::process_shared_preload_libraries_in_progress }
}

static PRELOADED: AtomicBool = AtomicBool::new(false);

/// Notes that the postmaster loaded the library; all its children know.
pub fn note_preloaded() {
    PRELOADED.store(true, Ordering::Relaxed);
}

/// Whether the postmaster loaded the library.
#[cfg(not(feature = "cbdb"))]
pub fn was_preloaded() -> bool {
    PRELOADED.load(Ordering::Relaxed)
}

thread_local! {
    static SHARING: Cell<usize> = const { Cell::new(1) };
}

/// How many processes share this one's work; at least one.
pub fn sharing() -> usize {
    SHARING.get()
}

/// Sets how many processes share this one's work.
pub fn share_with(processes: usize) {
    SHARING.set(processes);
}

/// This process's id.
pub fn id() -> i32 {
    // SAFETY: a plain variable of this process.
    unsafe { pg_sys::MyProcPid }
}

/// The time, as `clock_timestamp()` has it.
pub fn now() -> TimestampWithTimeZone {
    pgrx::datum::datetime_support::clock_timestamp()
}

/// The time in microseconds of the server's own count.
pub fn now_in_microseconds() -> i64 {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// A time of the server's own count.
pub fn time(microseconds: i64) -> Option<TimestampWithTimeZone> {
    TimestampWithTimeZone::try_from(microseconds).ok()
}

/// A time as the server counts it, in microseconds.
pub fn count(time: TimestampWithTimeZone) -> i64 {
    time.into()
}

/// Whether a transaction block (`BEGIN`) is open.
pub fn in_transaction_block() -> bool {
    // SAFETY: reads the state of this backend's transaction.
    unsafe { pg_sys::IsTransactionBlock() }
}

/// Whether the calling procedure may commit: not within a function, nor within a procedure with SET or SECURITY DEFINER.
pub fn may_commit() -> bool {
    // SAFETY: reads what SPI, through which the procedure has called, knows of itself.
    unsafe { pg_sys::SPI_inside_nonatomic_context() }
}

/// Reserves the prefix of our settings' names, so that the server reports a misspelt one.
pub fn reserve_setting_names() {
    // SAFETY: the name is a C string, which the server copies.
    unsafe {
        #[cfg(feature = "pg14")]
        pg_sys::EmitWarningsOnPlaceholders(c"millrace".as_ptr());
        #[cfg(not(feature = "pg14"))]
        pg_sys::MarkGUCPrefixReserved(c"millrace".as_ptr());
    }
}

/// Raises the server's error if the transaction is read-only, as all are on a standby.
pub fn check_writable(statement: &str) {
    let statement = to_c_string(statement);
    // SAFETY: a flag of this process; the name is a C string that lives through the call.
    unsafe {
        // Where nothing is wrong, Cloudberry's function notes that the transaction writes. One that does not cannot always
        // be committed then.
        if pg_sys::XactReadOnly {
            pg_sys::PreventCommandIfReadOnly(statement.as_ptr());
        }
    }
}

/// Raises the error of a pending cancel or termination, if there is one.
pub fn check_for_interrupts() {
    // SAFETY: a flag of this process, which its signal handlers set; an error unwinds from the guarded call.
    unsafe {
        if pg_sys::InterruptPending != 0 {
            compat::process_interrupts();
        }
    }
}

/// Waits for this time, or until another process wakes this one; open to interrupts.
pub fn nap(duration: Duration) {
    if duration < Duration::from_millis(1) {
        // The server counts in milliseconds.
        std::thread::sleep(duration);
        return;
    }
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: every backend has a latch, which is its own to wait for and to reset.
    unsafe {
        let milliseconds = duration.as_millis() as std::ffi::c_long;
        pg_sys::WaitLatch(pg_sys::MyLatch, events as i32, milliseconds, pg_sys::PG_WAIT_EXTENSION);
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
    check_for_interrupts();
}

/// How often a backend that waits for a thread looks for interrupts.
const INTERRUPT_CHECK: Duration = Duration::from_millis(20);

/// Runs `work` on a thread of its own, if one can be started, while this one stays open to interrupts.
///
/// `work` must not touch the server. If an interrupt ends the wait, the thread finishes by itself.
pub fn interruptibly(work: impl Fn() + Copy + Send + 'static) {
    let (done, finished) = channel();
    let spawned = spawn(move || {
        work();
        // The receiver is gone if the wait was interrupted, and then nobody needs to know.
        let _ = done.send(());
    });
    match spawned {
        Ok(()) => drop(receive(&finished)),
        Err(_) => work(),
    }
}

/// Waits for what a thread sends, open to interrupts; `None` if it ended without sending more.
pub fn receive<T>(receiver: &Receiver<T>) -> Option<T> {
    loop {
        match receiver.recv_timeout(INTERRUPT_CHECK) {
            Ok(sent) => return Some(sent),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => check_for_interrupts(),
        }
    }
}

/// Runs `work`, which must not touch the server, on a thread of its own.
pub fn spawn(work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    with_signals_blocked(|| std::thread::Builder::new().spawn(work)).map(drop)
}

/// Runs `work` on a thread of its own while this one stays open to interrupts and calls `watch` now and then.
///
/// `work` must not touch the server. Before an interrupt ends the wait, the thread is asked to `stop` and
/// waited for, so that it can clean up.
pub fn stoppably<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
    stop: impl Fn(),
    mut watch: impl FnMut(),
) -> std::io::Result<std::thread::Result<T>> {
    let (done, finished) = channel();
    let thread = with_signals_blocked(|| {
        std::thread::Builder::new().spawn(move || {
            let result = work();
            // The wait ends with the sender, too, if this is not reached.
            let _ = done.send(());
            result
        })
    })?;
    let working = Working { stop, finished };
    while working.finished.recv_timeout(INTERRUPT_CHECK) == Err(RecvTimeoutError::Timeout) {
        if is_cancelled() {
            // Before the next call, from which a termination does not return.
            working.end();
        }
        check_for_interrupts();
        watch();
    }
    Ok(thread.join())
}

/// Whether the next check for interrupts will end what this backend does.
fn is_cancelled() -> bool {
    // SAFETY: flags of this process, which its signal handlers set.
    unsafe {
        pg_sys::QueryCancelPending != 0 || pg_sys::ProcDiePending != 0 || pg_sys::ClientConnectionLost != 0
    }
}

/// A thread at work, which is stopped and waited for even when an error unwinds.
struct Working<S: Fn()> {
    stop: S,
    finished: Receiver<()>,
}

impl<S: Fn()> Working<S> {
    fn end(&self) {
        (self.stop)();
        let _ = self.finished.recv();
    }
}

impl<S: Fn()> Drop for Working<S> {
    fn drop(&mut self) {
        self.end();
    }
}

/// The folder of the server's data, as it was configured.
pub fn data_directory() -> PathBuf {
    // SAFETY: a C string that the postmaster set before there were backends.
    let folder = unsafe { CStr::from_ptr(pg_sys::DataDir) };
    PathBuf::from(OsStr::from_bytes(folder.to_bytes()))
}

/// A thread inherits its creator's signal mask: signals are for the backend's main thread only.
fn with_signals_blocked<T>(spawn: impl FnOnce() -> T) -> T {
    // SAFETY: both sets are initialised by the calls that fill them, and the mask is put back before
    // anything can raise an error.
    unsafe {
        let mut all = std::mem::zeroed();
        let mut before = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
        let spawned = spawn();
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        spawned
    }
}
