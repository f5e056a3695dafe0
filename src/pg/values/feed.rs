//! Where a reader's batches come from: made when they are asked for, or ahead by threads.
//!
//! Making rows takes about as much work as inserting them. If threads make the next batches while the backend inserts the
//! last one, a load takes hardly longer than the inserting alone. The threads touch nothing of the server's, and none is more
//! than four batches ahead.

use crate::error::{Error, Result};
use crate::guc;
use crate::pg::server::process;
use crate::pg::server::progress;
use arrow::record_batch::RecordBatch;
use millrace_sources::{Batches, Source};
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// Preparing sources is short work, which would be done before more threads had started.
const PREPARATION_THREADS: usize = 4;
/// Making rows takes about two and a half times as long as inserting them.
const MOST_THREADS: usize = 3;
/// Batches of each thread that wait to be read; one more is in the making.
const AHEAD: usize = 3;

/// How many threads make rows ahead: no more than there are processors, or they would only hold up each other.
fn threads() -> usize {
    static PROCESSORS: LazyLock<usize> =
        LazyLock::new(|| available_parallelism().map_or(1, NonZeroUsize::get));
    (*PROCESSORS / process::sharing()).clamp(1, MOST_THREADS)
}

/// What is done to a batch before it is read, in the thread that makes it.
pub type Prepare<T> = Arc<dyn Fn(RecordBatch) -> Result<T> + Send + Sync>;

/// Batches to read.
pub enum Feed<T> {
    /// Made when they are asked for.
    OnDemand(Batches, Prepare<T>),
    /// Made by threads, which end when this is dropped; the first has the next batch. After the last batch there are none.
    Ahead(VecDeque<Maker<T>>),
}

/// What a thread makes.
type Maker<T> = Receiver<Option<Made<T>>>;

/// A batch that was made.
pub struct Made<T> {
    batch: Result<T>,
    rows: usize,
    took: Duration,
}

/// Starts a thread that makes batches and prepares them; after the last it sends `None`.
fn make_ahead<T: Send + 'static>(mut batches: Batches, prepare: Prepare<T>) -> Result<Maker<T>> {
    let (sender, receiver) = sync_channel(AHEAD);
    let spawned = process::spawn(move || {
        loop {
            let made = make(&mut batches, &prepare);
            let is_last = made.is_none();
            // If the load was interrupted, nobody waits for it any more.
            if sender.send(made).is_err() || is_last {
                break;
            }
        }
    });
    spawned.map_err(Error::Thread)?;
    Ok(receiver)
}

/// Makes the next batch and prepares it.
fn make<T>(batches: &mut Batches, prepare: &Prepare<T>) -> Option<Made<T>> {
    let start = Instant::now();
    if let Some(preparation) = batches.due_preparation() {
        preparation.run(PREPARATION_THREADS);
    }
    let made = batches.next()?;
    let rows = made.as_ref().map_or(0, RecordBatch::num_rows);
    let batch = made.map_err(Error::from).and_then(|batch| prepare(batch));
    Some(Made { batch, rows, took: start.elapsed() })
}

impl<T: Send + 'static> Feed<T> {
    /// For a caller that reads all of `units`: starts threads that make them, unless that is switched off, or there are so
    /// few that threads would not be faster.
    pub fn ahead(
        source: &Arc<dyn Source>,
        units: Range<u64>,
        columns: Vec<usize>,
        prepare: Prepare<T>,
    ) -> Result<Self> {
        let hands = if guc::generate_ahead() { threads() } else { 0 };
        let hands = source.clone().dealt_batches(units.clone(), columns.clone(), hands);
        if hands.is_empty() {
            return Ok(Feed::OnDemand(source.clone().full_batches(units, columns), prepare));
        }
        let threads = hands.into_iter().map(|batches| make_ahead(batches, prepare.clone()));
        Ok(Feed::Ahead(threads.collect::<Result<_>>()?))
    }

    /// Continues with other units, after those that it made on demand.
    #[cfg(not(feature = "cbdb"))]
    pub fn go_on_with(&mut self, units: Range<u64>) {
        if let Feed::OnDemand(batches, _) = self {
            batches.go_on_with(units);
        }
    }

    /// The next batch, open to interrupts.
    pub fn next(&mut self) -> Result<Option<T>> {
        process::check_for_interrupts();
        let start = Instant::now();
        let made = match self {
            Feed::OnDemand(batches, prepare) => {
                if let Some(preparation) = batches.due_preparation() {
                    process::interruptibly(move || preparation.run(PREPARATION_THREADS));
                }
                make(batches, prepare)
            }
            Feed::Ahead(threads) => {
                let Some(next) = threads.front() else { return Ok(None) };
                let made = process::receive(next).ok_or(Error::ThreadGone)?;
                match made {
                    Some(_) => threads.rotate_left(1),
                    None => threads.clear(),
                }
                made
            }
        };
        let waited = start.elapsed();
        let Some(Made { batch, rows, took }) = made else {
            progress::add_generated(Duration::ZERO, waited);
            return Ok(None);
        };
        progress::add_generated(took, waited);
        progress::add_rows(rows);
        Ok(Some(batch?))
    }
}
