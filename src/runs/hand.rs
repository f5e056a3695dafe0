//! One process's part in a run: batch after batch, each when it is due. The session that was called and each of its workers
//! have one.

use super::batch::Loader;
use super::ledger::{self, Run, Timing, Writer};
use super::schedule::Schedule;
use crate::error::Result;
use crate::pg::server::{process, settings};
use crate::pg::workers::crew;
use crate::pg::workers::shared::{Orders, Shared};
use std::time::{Duration, Instant};

/// How long a process sleeps at a time when it waits: no transaction should hold a snapshot for longer.
pub const NAP: Duration = Duration::from_millis(250);

/// One process's part in a run.
pub struct Hand {
    pub loader: Loader,
    writer: Writer,
    pub schedule: Schedule,
    /// The last batch that was there when this process began.
    highest: i64,
    /// The batch it took and has not ingested yet.
    taken: Option<i64>,
    last: Option<Last>,
}

/// The last batch that a process ingested.
struct Last {
    batch: i64,
    rows: i64,
    /// When its insert was done; the commit takes the time from then to the next step.
    done: Instant,
    commit: Option<Duration>,
}

impl Hand {
    pub fn new(run: Run, schedule: Schedule) -> Result<Self> {
        let loader = Loader::new(run)?;
        Ok(Self {
            highest: loader.last_committed(),
            loader,
            writer: Writer::new()?,
            schedule,
            taken: None,
            last: None,
        })
    }

    pub fn run(&self) -> &Run {
        self.loader.run()
    }

    /// Begins a step: the last batch is committed by now, so its rows count.
    pub fn resume(&mut self, shared: &Shared) {
        if let Some(last) = self.last.as_mut().filter(|last| last.commit.is_none()) {
            last.commit = Some(last.done.elapsed());
            shared.add_rows(last.rows);
        }
    }

    /// The next batch for this process to ingest, if one is left. When the run's time is over, only gaps between the batches
    /// that are there are still filled.
    pub fn next_batch(&mut self, shared: &Shared) -> Option<i64> {
        if shared.is_stopped() {
            return None;
        }
        let batches = self.run().batches;
        while self.taken.is_none() {
            if self.schedule.is_over() && shared.peek_batch() > self.highest {
                return None;
            }
            let batch = shared.next_batch();
            if batch > batches {
                return None;
            }
            self.taken = Some(batch).filter(|&batch| self.loader.lacks(batch));
        }
        // A batch that is due after the end is too late for all processes, and so are all after it.
        if self.taken.and_then(|batch| self.due(batch)).is_some_and(|due| self.schedule.is_beyond(due)) {
            return None;
        }
        self.taken
    }

    /// When a batch is due.
    pub fn due(&self, batch: i64) -> Option<i64> {
        self.schedule.due(self.loader.rows_through(batch))
    }

    /// How long to wait before a batch, for now.
    pub fn nap(&self, batch: i64) -> Option<Duration> {
        Some(self.schedule.wait(self.due(batch)?)?.min(NAP))
    }

    /// Ingests the batch that was taken and notes it, in one transaction.
    pub fn ingest(&mut self, batch: i64, shared: &Shared) -> Result<()> {
        let inserted = self.loader.insert(batch)?;
        if !inserted.iter().any(|(table, _)| self.loader.waits(*table)) {
            // Only the last transaction of a call waits, for all before it.
            settings::set_local("synchronous_commit", "off");
        }
        let commit_before = self.last.as_ref().and_then(|last| last.commit);
        let timing = Timing { busy: shared.account(), commit_before, due: self.due(batch) };
        let mut rows = 0;
        for (target, inserted) in &inserted {
            let target = &self.loader.run().targets[*target];
            self.writer.insert_batch(&self.loader.run().name, target, batch, inserted, timing)?;
            rows = inserted.measured.rows;
        }
        self.taken = None;
        self.last = Some(Last { batch, rows, done: Instant::now(), commit: None });
        Ok(())
    }

    /// Notes how long the last commit took.
    pub fn finish(&self) -> Result<()> {
        match &self.last {
            Some(Last { batch, commit: Some(took), .. }) => {
                self.writer.note_commit(self.run(), *batch, *took)
            }
            _ => Ok(()),
        }
    }
}

/// A background worker's part: batches until none is left.
pub struct Worker {
    hand: Hand,
}

impl Worker {
    pub fn begin(orders: &Orders) -> Result<Self> {
        Ok(Self { hand: Hand::new(ledger::get(&orders.run)?, Schedule::of(orders))? })
    }

    pub fn step(&mut self, shared: &Shared) -> Result<bool> {
        self.hand.resume(shared);
        if let Some(batch) = self.hand.next_batch(shared) {
            if let Some(nap) = self.hand.nap(batch) {
                process::nap(nap);
                return Ok(true);
            }
            crew::report_activity(&format!("ingesting batch {batch} of run \"{}\"", self.hand.run().name));
            self.hand.ingest(batch, shared)?;
            return Ok(true);
        }
        self.hand.finish()?;
        Ok(false)
    }
}
