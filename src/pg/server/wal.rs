//! WAL of the batch in flight.

use pgrx::pg_sys;
use std::cell::Cell;

thread_local! {
    /// How many bytes this backend had written when it last asked for a flush.
    static FLUSH_ASKED: Cell<u64> = const { Cell::new(0) };
}

/// How many bytes go to disk at a time: as many as the WAL writer flushes by default.
#[cfg(not(feature = "cbdb"))]
const FLUSH_BYTES: u64 = 1 << 20;

/// Bytes of WAL this backend has written so far.
pub fn written() -> u64 {
    // SAFETY: a plain counter of this backend, read on its only thread.
    unsafe { pg_sys::pgWalUsage.wal_bytes }
}

/// Has the WAL writer flush what was written so far, while more rows are inserted. Otherwise the commit of a batch,
/// which comes sooner than the WAL writer's own round, would wait for all of it.
#[cfg(not(feature = "cbdb"))]
pub fn flush_ahead() {
    if written() - FLUSH_ASKED.get() >= FLUSH_BYTES {
        FLUSH_ASKED.set(written());
        // SAFETY: wakes the WAL writer, as an asynchronous commit does; without one nothing happens.
        unsafe { pg_sys::XLogSetAsyncXactLSN(pg_sys::GetXLogInsertRecPtr()) };
    }
}
