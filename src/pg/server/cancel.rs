//! Cancels that the server takes for something else.
//!
//! A cancel that comes while a commit waits for a synchronous standby ends that wait with a warning and is then
//! forgotten, because the transaction has committed. A procedure that commits again and again must end all the same.

use pgrx::pg_sys;
use std::ffi::c_int;
use std::sync::atomic::{AtomicU32, Ordering};

static CANCELS: AtomicU32 = AtomicU32::new(0);

unsafe extern "C-unwind" {
    fn StatementCancelHandler(signal: c_int);
}

/// How many cancels had come to this process at one moment.
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

    /// Whether a cancel has come since.
    pub fn came(self) -> bool {
        CANCELS.load(Ordering::Relaxed) != self.before
    }
}

/// Has the handler of cancels count them, for as long as the process lives, because several may be counting.
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
