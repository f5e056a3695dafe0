//! What a backend reports of the work it is doing.

use super::compat;
use pgrx::pg_sys;
use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    /// Time this backend has spent generating rows.
    static GENERATED_FOR: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// Rows of the batch in flight, where one is being reported.
    static BATCH_ROWS: Cell<Option<i64>> = const { Cell::new(None) };
}

/// Runs `generate`, which makes some rows, and counts the time it takes as generation.
pub fn generating<T>(generate: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let made = generate();
    GENERATED_FOR.set(GENERATED_FOR.get() + start.elapsed());
    made
}

/// How long this backend has generated rows so far.
pub fn generated_for() -> Duration {
    GENERATED_FOR.get()
}

/// Bytes of WAL this backend has written so far.
pub fn wal_bytes() -> u64 {
    // SAFETY: a plain counter of this backend, read on its only thread.
    unsafe { pg_sys::pgWalUsage.wal_bytes }
}

/// Shows the ingest of a batch into a table in `pg_stat_progress_copy` until it is dropped.
pub struct BatchReport;

impl BatchReport {
    pub fn start(table: pg_sys::Oid) -> Self {
        BATCH_ROWS.set(Some(0));
        compat::start_copy_progress(table);
        Self
    }
}

impl Drop for BatchReport {
    /// Also when an error ends the batch.
    fn drop(&mut self) {
        BATCH_ROWS.set(None);
        compat::end_copy_progress();
    }
}

/// Adds to the number of rows the batch in flight has generated, if one is being reported.
pub fn add_rows(rows: usize) {
    if let Some(before) = BATCH_ROWS.get() {
        let sum = before + rows as i64;
        BATCH_ROWS.set(Some(sum));
        compat::update_copy_progress(sum);
    }
}
