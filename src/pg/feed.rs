//! Where a reader's batches come from: made when they are asked for, or ahead by a thread.
//!
//! Making rows and inserting them are of the same order of work. A thread that makes the next batch while
//! the backend inserts the last takes most of the making out of the time of a load. It touches nothing of
//! the server's, and is never more than two batches ahead.

use super::{activity, process};
use crate::error::{Error, Result};
use crate::guc;
use arrow::record_batch::RecordBatch;
use millrace_sources::{Batches, tpch};
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

type Made = std::result::Result<RecordBatch, millrace_sources::Error>;

/// Making the text pool is short work; more threads would hardly be started before it is done.
const TEXT_POOL_THREADS: usize = 4;
/// Batches that wait to be read; one more is in the making.
const AHEAD: usize = 1;

/// Batches to read.
pub enum Feed {
    /// Made when they are asked for: rows that nobody asks for are not made.
    OnDemand(Batches),
    /// Made by a thread, which ends when this is dropped; with the time each took.
    Ahead(Receiver<(Made, Duration)>),
}

impl Feed {
    /// For somebody who reads all of `batches`: starts a thread that makes them, unless that is switched off.
    pub fn ahead(mut batches: Batches) -> Self {
        if !guc::generate_ahead() {
            return Feed::OnDemand(batches);
        }
        let (sender, receiver) = sync_channel(AHEAD);
        process::spawn(move || {
            loop {
                let start = Instant::now();
                if needs_text_pool(&batches) {
                    tpch::build_text_pool(TEXT_POOL_THREADS);
                }
                let Some(made) = batches.next() else { break };
                // Nobody waits for it any more if the load was interrupted.
                if sender.send((made, start.elapsed())).is_err() {
                    break;
                }
            }
        });
        Feed::Ahead(receiver)
    }

    /// Goes on with other units when those it makes on demand are at their end.
    pub fn go_on_with(&mut self, units: Range<u64>) {
        if let Feed::OnDemand(batches) = self {
            batches.go_on_with(units);
        }
    }

    /// The next batch, open to interrupts.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        process::check_for_interrupts();
        let made = match self {
            Feed::OnDemand(batches) => {
                let start = Instant::now();
                if needs_text_pool(batches) {
                    process::interruptibly(|| tpch::build_text_pool(TEXT_POOL_THREADS));
                }
                let made = batches.next();
                activity::add_generated(start.elapsed(), start.elapsed());
                made
            }
            Feed::Ahead(receiver) => {
                let start = Instant::now();
                let received = process::receive(receiver);
                let (made, took) = received.map_or((None, Duration::ZERO), |(made, took)| (Some(made), took));
                activity::add_generated(took, start.elapsed());
                made
            }
        };
        let batch = made.transpose().map_err(Error::from)?;
        activity::add_rows(batch.as_ref().map_or(0, RecordBatch::num_rows));
        Ok(batch)
    }
}

fn needs_text_pool(batches: &Batches) -> bool {
    batches.wants_text_pool() && !tpch::text_pool_is_built()
}
