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

/// The cancels that came to this process until something began.
#[derive(Clone, Copy)]
pub struct Cancels {
    before: u32,
}

impl Cancels {
    /// Counts from now on.
    pub fn count() -> Self {
        count_signals();
        Self { before: CANCELS.load(Ordering::Relaxed) }
    }

    /// Whether a cancel came since, though this process is still at work.
    pub fn came(self) -> bool {
        CANCELS.load(Ordering::Relaxed) != self.before
    }
}

/// Has the handler of cancels count them, for as long as the process lives: whoever began to count first need not be the last.
fn count_signals() {
    // SAFETY: the handler does what a signal handler may: count, and what the server's own does.
    unsafe {
        #[cfg(feature = "pg18")]
        pg_sys::pqsignal_be(pg_sys::SIGINT as c_int, Some(note_cancel));
        #[cfg(not(feature = "pg18"))]
        pg_sys::pqsignal(pg_sys::SIGINT as c_int, Some(note_cancel));
    }
}

unsafe extern "C-unwind" fn note_cancel(signal: c_int) {
    CANCELS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the handler that the server itself sets for this signal in every backend.
    unsafe { StatementCancelHandler(signal) };
}
