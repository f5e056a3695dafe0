//! What a backend reports of the work it is doing.

use crate::pg::server::compat;
use crate::pg::server::wal;
use pgrx::pg_sys;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// What inserting rows into a table took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    pub rows: i64,
    /// Time for making the rows, partly while other rows were inserted.
    pub generated: Duration,
    /// Time for waiting until they were made.
    pub waited: Duration,
    /// Time for inserting them.
    pub took: Duration,
    /// Bytes of WAL it wrote.
    pub wal_bytes: u64,
}

impl Measured {
    /// Does `insert` and counts its time and WAL; time it spends on generating rows counts as such.
    pub fn measure<T>(&mut self, insert: impl FnOnce() -> T) -> T {
        let (start, generation, wal) = (Instant::now(), generation(), wal::written());
        let result = insert();
        let (elapsed, generation) = (start.elapsed(), self::generation().since(generation));
        self.took += elapsed.saturating_sub(generation.waited);
        self.wal_bytes += wal::written() - wal;
        self.add(generation);
        result
    }

    /// Counts time that was spent on generating the rows.
    pub fn add(&mut self, generation: Generation) {
        self.generated += generation.took;
        self.waited += generation.waited;
    }
}

/// Time that went into generating rows.
#[derive(Debug, Clone, Copy)]
pub struct Generation {
    /// For making them.
    pub took: Duration,
    /// For waiting until they were made.
    pub waited: Duration,
}

impl Generation {
    const NONE: Self = Self { took: Duration::ZERO, waited: Duration::ZERO };

    /// What was added since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self { took: self.took - earlier.took, waited: self.waited - earlier.waited }
    }
}

thread_local! {
    static GENERATION: Cell<Generation> = const { Cell::new(Generation::NONE) };
    /// Rows of the batch in flight, if one is being reported.
    static BATCH_ROWS: Cell<Option<i64>> = const { Cell::new(None) };
}

/// Counts time spent generating rows, by whichever thread, and how long the backend waited for them.
pub fn add_generated(took: Duration, waited: Duration) {
    let before = GENERATION.get();
    GENERATION.set(Generation { took: before.took + took, waited: before.waited + waited });
}

/// Time that this backend has spent on generating rows so far.
pub fn generation() -> Generation {
    GENERATION.get()
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

/// Shows an export in `pg_stat_progress_copy` until it is dropped.
pub struct ExportReport;

impl ExportReport {
    pub fn start() -> Self {
        compat::start_copy_to_files_progress();
        Self
    }

    pub fn update(&self, rows: u64, bytes: u64) {
        compat::update_copy_progress(rows as i64);
        compat::update_copy_progress_bytes(bytes as i64);
    }
}

impl Drop for ExportReport {
    /// Also when an error ends the export.
    fn drop(&mut self) {
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
