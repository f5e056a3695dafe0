//! Cancels that the server takes for something else.
//!
//! A cancel that comes while a commit waits for a synchronous standby ends that wait with a warning and is then
//! forgotten, because the transaction has committed. Whoever commits again and again must still end.

use pgrx::pg_sys;
use std::ffi::c_int;
use std::sync::atomic::{AtomicU32, Ordering};

static CANCELS: AtomicU32 = AtomicU32::new(0);

unsafe extern "C-unwind" {
    fn StatementCancelHandler(signal: c_int);
}

/// Counts the cancels that come while it lives.
pub struct Cancels {
    before: u32,
}

impl Cancels {
    /// Begins to count.
    pub fn count() -> Self {
        let before = CANCELS.load(Ordering::Relaxed);
        handle_with(note_cancel);
        Self { before }
    }

    /// Whether a cancel came, though this process is still at work.
    pub fn came(&self) -> bool {
        CANCELS.load(Ordering::Relaxed) != self.before
    }
}

impl Drop for Cancels {
    fn drop(&mut self) {
        handle_with(StatementCancelHandler);
    }
}

fn handle_with(handler: unsafe extern "C-unwind" fn(c_int)) {
    // SAFETY: both handlers do what a signal handler may: count, and what the server's own does.
    unsafe {
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(pg_sys::SIGINT as c_int, Some(handler));
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(pg_sys::SIGINT as c_int, Some(handler));
    }
}

unsafe extern "C-unwind" fn note_cancel(signal: c_int) {
    CANCELS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the handler that the server itself sets for this signal in every backend.
    unsafe { StatementCancelHandler(signal) };
}
