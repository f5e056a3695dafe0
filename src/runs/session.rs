//! The steps of a run, each a transaction, by the session that was called and by its workers.
//!
//! Only a procedure can commit, so the loop itself is PL/pgSQL (`millrace.ingest`) and does nothing else. What the next
//! step is, and when the run is done, is decided here. A worker takes the same steps ([`work`]).

use super::hand::{Hand, NAP, Worker};
use super::ledger::{self, Pace, Run};
use super::observer::Observer;
use super::open::{busy, check_workers};
use super::progress::Report;
use super::readers::Reader;
use super::schedule::{self, Schedule};
use crate::error::{Error, Result, SqlResult, or_raise};
use crate::pg::server::cancel::Cancels;
use crate::pg::server::invalidation::Watch;
use crate::pg::server::lock::SessionLock;
use crate::pg::server::process;
use crate::pg::server::report::{Report as Message, notice};
use crate::pg::server::snapshot::Snapshot;
use crate::pg::server::text::Text;
use crate::pg::workers::crew::{self, Crew};
use crate::pg::workers::shared::{MAX_WORKERS, Orders, Part, Shared};
use pgrx::prelude::*;
use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::time::{Duration, Instant};

thread_local! {
    /// The run that this session ingests, from the call's first transaction to its last. It has no destructor, because
    /// that would run at the end of the process, after the server has shut down.
    static SESSION: ManuallyDrop<RefCell<Option<Session>>> = const { ManuallyDrop::new(RefCell::new(None)) };
}

/// Takes the run's lock for this session; the steps come after the commit that makes the run visible to others.
#[pg_extern(sql = false)]
fn begin_ingest(
    run: Option<Text>,
    workers: Option<i32>,
    analyze_every: Option<i32>,
    readers: Option<i32>,
) -> SqlResult<()> {
    let run = run.ok_or(Error::Null("run"))?;
    let readers = check_readers(readers)?;
    let session = Session::begin(&run, check_workers(workers)?, analyze_every.map(i64::from), readers)?;
    SESSION.with(|cell| match cell.try_borrow_mut() {
        Ok(mut place) if place.is_none() => {
            *place = Some(session);
            Ok(())
        }
        _ => Err(Error::Nested.into()),
    })
}

/// Takes the next step of the run that this session ingests; false after the last.
#[pg_extern(sql = false)]
fn ingest_step() -> SqlResult<bool> {
    let more = SESSION.with(|cell| {
        let mut place = cell.try_borrow_mut().map_err(|_| Error::Nested)?;
        let session = place.as_mut().ok_or(Error::NoSession)?;
        session.step()
    })?;
    if !more {
        abandon();
    }
    Ok(more)
}

/// Ends the workers and releases the run; called when a transaction fails, too.
pub fn abandon() {
    crew::dismiss();
    // After an error the step has been unwound by now. If the session is terminated within a step, it has not, but the
    // session ends anyway.
    drop(SESSION.with(|cell| cell.try_borrow_mut().ok().and_then(|mut place| place.take())));
}

/// What a worker does: the steps of its orders, each in a transaction of its own.
pub fn work(shared: &Shared, orders: &Orders, number: usize) {
    match orders.parts.get(number) {
        Some(Part::Read) => {
            let mut reader = Reader::new(orders, number);
            while crew::transaction(|| or_raise(reader.step(shared))) {}
        }
        Some(Part::Observe) => {
            let mut observer = crew::transaction(|| or_raise(Observer::begin(orders)));
            while crew::transaction(|| or_raise(observer.step(shared))) {}
        }
        _ => {
            let mut worker = crew::transaction(|| or_raise(Worker::begin(orders)));
            while crew::transaction(|| or_raise(worker.step(shared))) {}
        }
    }
}

fn check_readers(readers: Option<i32>) -> Result<usize> {
    match readers {
        None => Ok(0),
        Some(readers) if (0..=MAX_READERS).contains(&readers) => Ok(readers as usize),
        Some(readers) => Err(Error::Argument {
            name: "readers",
            value: readers.to_string(),
            hint: "From 0 to 100 processes can read while a run is ingested.",
        }),
    }
}

const MAX_READERS: i32 = 100;

/// How long readers continue after the last batch.
const ALONE: Duration = Duration::from_secs(5);

/// The part of the session that was called: it leads, and ingests like its workers.
struct Session {
    hand: Hand,
    crew: Option<Rc<Crew>>,
    workers: usize,
    readers: usize,
    /// When the readers, then alone, have read enough.
    alone_until: Option<Instant>,
    first_batch: i64,
    analysis: Option<Analysis>,
    stop: Stop,
    report: Report,
    cancels: Cancels,
    /// Released last, when nobody works on the run any more.
    _lock: SessionLock,
}

/// When the tables of a benchmark are analyzed.
struct Analysis {
    /// The number of batches from one ANALYZE to the next.
    every: i64,
    /// The batch after which they were analyzed last.
    done: i64,
}

impl Session {
    fn begin(name: &str, workers: usize, analyze_every: Option<i64>, readers: usize) -> Result<Self> {
        let Some(lock) = SessionLock::try_acquire(ledger::lock_key(name)?) else { return Err(busy(name)?) };
        let _locked = Snapshot::take();
        let run = ledger::get(name)?;
        ledger::check_owner(&run)?;
        ledger::check_query_owner(&run)?;
        let report = Report::new(&run)?;
        let hand = Hand::new(run, Schedule::default())?;
        let first_batch = hand.loader.first_missing();
        // A finished run has no readers.
        let is_finished = first_batch > hand.run().batches;
        let readers = if is_finished { 0 } else { readers };
        if !is_finished {
            ledger::begin_session(hand.run(), workers, readers)?;
        }
        Ok(Self {
            hand,
            crew: None,
            workers,
            readers,
            alone_until: None,
            first_batch,
            analysis: analyze_every.map(|every| Analysis { every, done: 0 }),
            stop: Stop::watch()?,
            report,
            cancels: Cancels::count(),
            _lock: lock,
        })
    }

    fn step(&mut self) -> Result<bool> {
        self.check_cancelled()?;
        if self.crew.is_none() {
            self.start()?;
        }
        let Some(crew) = self.crew.clone() else { return Err(Error::NoSession) };
        let is_ingesting = crew.is_ingesting()?;
        let shared = crew.shared();
        self.hand.resume(shared);
        if self.stop.is_requested(&self.hand.run().name)? {
            shared.stop();
        }
        self.report.tell(shared.rows(), &self.hand.schedule);
        if let Some(batch) = self.hand.next_batch(shared) {
            if let Some(nap) = self.hand.nap(batch) {
                process::nap(nap);
                shared.account();
                return Ok(true);
            }
            match self.analysis.as_mut().and_then(|analysis| analysis.due_before(batch)) {
                Some(after) => self.analyze(after)?,
                None => self.hand.ingest(batch, shared)?,
            }
            return Ok(true);
        }
        if is_ingesting {
            // No batch is left to take, but workers are still ingesting theirs.
            process::nap(NAP);
            return Ok(true);
        }
        if self.is_reading(&crew)? {
            process::nap(NAP);
            return Ok(true);
        }
        self.finish()?;
        Ok(false)
    }

    /// Whether readers are still at work after the last batch: for a while alone, for comparison, and then to note what
    /// they have measured.
    fn is_reading(&mut self, crew: &Crew) -> Result<bool> {
        let shared = crew.shared();
        shared.end_streaming();
        self.report.end();
        let alone = if crew.count(Part::Read) == 0 || shared.is_stopped() { Duration::ZERO } else { ALONE };
        let until = *self.alone_until.get_or_insert_with(|| Instant::now() + alone);
        if Instant::now() >= until || shared.is_stopped() {
            shared.end_beside();
        }
        crew.is_working()
    }

    /// Raises a cancel that the server forgot because its transaction committed.
    fn check_cancelled(&self) -> Result<()> {
        process::check_for_interrupts();
        if self.cancels.came() { Err(Error::Cancelled) } else { Ok(()) }
    }

    fn start(&mut self) -> Result<()> {
        let run = self.hand.run();
        let batches = run.batches;
        if self.first_batch <= batches && !self.report.is_load() {
            let how = if self.first_batch == 1 { "starting" } else { "resuming" };
            let of = if self.report.total.is_some() { format!(" of {batches}") } else { String::new() };
            notice(format!("run \"{}\": {how} at batch {}{of}", run.name, self.first_batch));
        }
        // No more processes than batches.
        let left = usize::try_from(batches - self.first_batch + 1).unwrap_or(0).max(1);
        let wanted = self.workers.min(left);
        let orders = self.orders(wanted)?;
        self.hand.schedule = Schedule::of(&orders);
        self.check_duration()?;
        let crew = Crew::start(&orders, self.first_batch);
        let started = crew.processes();
        if started < wanted {
            notice(format!(
                "{started} processes ingest the run, {wanted} were asked for: no more workers are free"
            ));
        }
        let reading = crew.count(Part::Read);
        if reading < self.readers {
            notice(format!(
                "{reading} processes read, {} were asked for: no more workers are free",
                self.readers
            ));
        }
        self.report.start();
        self.crew = Some(crew);
        Ok(())
    }

    /// The orders for all processes. The time between sessions is a gap in which no rows arrive.
    fn orders(&self, processes: usize) -> Result<Orders> {
        let run = self.hand.run();
        let now = process::now_in_microseconds();
        let Pace { rate, duration, .. } = run.pace;
        let begin = match rate {
            Some(rate) => {
                let rows = self.hand.loader.rows_through(self.first_batch - 1);
                let due = match ledger::due(&run.name, self.first_batch - 1)? {
                    Some((due, last)) => due + (now - last),
                    None => now,
                };
                schedule::begin(due, rows, rate)
            }
            None => now,
        };
        let left = match duration {
            Some(duration) => Some(duration.saturating_sub(ledger::time_used(&run.name)?)),
            None => None,
        };
        let mut parts = vec![Part::Ingest; processes - 1];
        parts.extend(vec![Part::Read; self.readers]);
        let is_finished = self.first_batch > run.batches;
        if self.readers > 0 || !is_finished && rate.is_some() && ledger::is_of_bench(&run.name)? {
            parts.push(Part::Observe);
        }
        parts.truncate(MAX_WORKERS);
        let mut orders = Orders::new(run.name.clone());
        orders.processes = processes;
        orders.parts = parts;
        orders.rate = rate;
        orders.begin = begin;
        orders.end = left.map(|left| now.saturating_add(left.as_micros() as i64));
        orders.rows_before = self.report.rows_before;
        Ok(orders)
    }

    /// Refuses a run that would end before its first batch has arrived.
    fn check_duration(&self) -> Result<()> {
        let due = self.hand.due(1);
        if self.first_batch == 1 && due.is_some_and(|due| self.hand.schedule.is_beyond(due)) {
            return Err(Error::Argument {
                name: "options.duration",
                value: format!("{} s", self.hand.run().pace.duration.unwrap_or_default().as_secs_f64()),
                hint: "At this rate the first batch's rows arrive later: choose a longer duration or smaller batches.",
            });
        }
        Ok(())
    }

    fn analyze(&mut self, after: i64) -> Result<()> {
        let begun = Instant::now();
        let arguments = [Text::from(self.hand.run().name.as_str()).into(), after.into()];
        ledger::one::<bool>("SELECT millrace.bench_analyze_targets($1, $2) IS NULL", &arguments)?;
        self.report.pause(begun.elapsed());
        if let Some(crew) = &self.crew {
            crew.shared().account();
        }
        Ok(())
    }

    /// Ends the run, or this call of it.
    fn finish(&mut self) -> Result<()> {
        self.hand.finish()?;
        let rows = self.crew.as_ref().map_or(0, |crew| crew.shared().rows());
        let was_stopped = self.crew.as_ref().is_some_and(|crew| crew.shared().is_stopped());
        let run = self.hand.run();
        if !run.pace.synchronous_commit {
            // This transaction must write, so that its commit waits for all commits before it, which may be workers' only.
            ledger::touch(run)?;
        }
        // A duration may end the run early: when the next batch would come too late.
        let is_timed = run.pace.duration.is_some();
        let done = if was_stopped || is_timed { self.hand.loader.count_committed()? } else { run.batches };
        if done < run.batches && (was_stopped || done == 0) {
            return tell_stopped(run, done);
        }
        if done < run.batches {
            ledger::end(run, done, self.hand.loader.exact_rows_through(done))?;
        }
        ledger::finish(run)?;
        if self.first_batch <= run.batches {
            self.report.tell_done(rows);
        }
        Ok(())
    }
}

fn tell_stopped(run: &Run, done: i64) -> Result<()> {
    let hint = if ledger::is_of_bench(&run.name)? {
        "Run the same CALL stream_bench() again to resume."
    } else {
        "CALL stream_resume() to resume."
    };
    let of = if run.has_end() { format!(" of {}", run.batches) } else { String::new() };
    let message = format!("run \"{}\" stopped after {done}{of} batches, as asked", run.name);
    Message::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message)
        .hint(hint)
        .report(PgLogLevel::NOTICE);
    Ok(())
}

impl Analysis {
    /// The batch after which an ANALYZE is due before `batch`; after the last batch it is the benchmark's own step.
    fn due_before(&mut self, batch: i64) -> Option<i64> {
        let after = (batch - 1) / self.every * self.every;
        let is_due = after > self.done;
        self.done = self.done.max(after);
        is_due.then_some(after)
    }
}

/// Whether the run was asked to stop. That is looked up only after a change of the table of runs was announced.
struct Stop {
    watch: Rc<Watch>,
    requested: bool,
}

impl Stop {
    fn watch() -> Result<Self> {
        Ok(Self { watch: Watch::new(vec![ledger::run_table()?]), requested: false })
    }

    fn is_requested(&mut self, run: &str) -> Result<bool> {
        if !self.requested && self.watch.take_changed() {
            // The announcement may have come after this step's statement began.
            let _now = Snapshot::take();
            self.requested = ledger::stop_requested(run)?;
        }
        Ok(self.requested)
    }
}
