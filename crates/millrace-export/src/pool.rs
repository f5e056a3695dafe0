//! Threads that make chunks, and the order in which chunks become files.
//!
//! Each thread takes the next chunk, generates and encodes it and delivers it. Whoever delivers the chunk whose
//! turn it is appends it, and those waiting behind it, while the others go on. So no thread only waits, and none
//! is woken for each chunk. A thread that is far ahead of the file waits for it, which bounds memory.

use crate::output::{Output, Placing, Writer};
use crate::plan::Plan;
use crate::{Encoding, Error, FileReport, Progress, Request};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Chunks made and not yet appended, for each thread.
const AHEAD: u64 = 2;

/// Runs an export as planned.
pub fn run<F: Encoding>(
    plan: &Plan<'_, F>,
    request: &Request,
    progress: &Progress,
) -> Result<Vec<FileReport>, Error> {
    let options = &request.options;
    let writer = if options.r#async.unwrap_or(true) { Writer::on_a_thread()? } else { Writer::here() };
    let placing = Placing { overwrite: options.overwrite, fsync: options.fsync.unwrap_or(true) };
    let pool = Pool {
        plan,
        progress,
        window: AHEAD * request.threads as u64,
        state: Mutex::new(State {
            next_made: 0,
            next_appended: 0,
            waiting: BTreeMap::new(),
            appender: Some(Appender { plan, progress, placing, writer, file: None, rows: 0 }),
            failed: None,
        }),
        moved: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 1..request.threads.min(plan.chunks as usize) {
            if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, || pool.work()) {
                pool.fail(Error::Thread(error));
            }
        }
        pool.work();
    });
    let state = pool.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    let written = state.appender.map_or(Err(Error::Panicked), |appender| appender.writer.close());
    match state.failed {
        // The writer's own error says more than that it could be given no more.
        Some(error) => Err(written.err().unwrap_or(error)),
        None => written,
    }
}

/// A chunk and its number of rows.
type Encoded<F> = (u64, <F as Encoding>::Chunk);

struct Pool<'a, F: Encoding> {
    plan: &'a Plan<'a, F>,
    progress: &'a Progress,
    window: u64,
    state: Mutex<State<'a, F>>,
    /// A chunk was appended, or something failed.
    moved: Condvar,
}

struct State<'a, F: Encoding> {
    next_made: u64,
    next_appended: u64,
    waiting: BTreeMap<u64, Encoded<F>>,
    /// Nothing while a thread appends.
    appender: Option<Appender<'a, F>>,
    /// The first error.
    failed: Option<Error>,
}

impl<'a, F: Encoding> Pool<'a, F> {
    /// Makes chunks until there are no more.
    fn work(&self) {
        // A panic is kept from the other threads, which would wait for this one's chunk for ever.
        let worked = catch_unwind(AssertUnwindSafe(|| {
            while let Some(number) = self.take() {
                let chunk = self.make(number)?;
                self.deliver(number, chunk)?;
            }
            Ok(())
        }));
        if let Err(error) = worked.unwrap_or(Err(Error::Panicked)) {
            self.fail(error);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<'a, F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: Error) {
        self.lock().failed.get_or_insert(error);
        self.moved.notify_all();
    }

    /// The number of the next chunk to make, when it is not too far ahead.
    fn take(&self) -> Option<u64> {
        let ahead = |state: &mut State<'_, F>| {
            state.failed.is_none()
                && state.next_made < self.plan.chunks
                && state.next_made >= state.next_appended + self.window
        };
        let mut state = self.moved.wait_while(self.lock(), ahead).unwrap_or_else(PoisonError::into_inner);
        if state.failed.is_some() || state.next_made == self.plan.chunks {
            return None;
        }
        state.next_made += 1;
        Some(state.next_made - 1)
    }

    fn make(&self, number: u64) -> Result<Encoded<F>, Error> {
        let (file, units) = self.plan.chunk(number);
        let table = &self.plan.tables[self.plan.files[file].table];
        let mut rows = 0;
        let chunk = table.encoding.encode(&mut table.batches(units).map(|batch| {
            self.progress.check()?;
            let batch = batch?;
            rows += batch.num_rows() as u64;
            self.progress.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            Ok(batch)
        }))?;
        Ok((rows, chunk))
    }

    /// Appends the chunk if it is its turn, and those that waited for it.
    fn deliver(&self, number: u64, chunk: Encoded<F>) -> Result<(), Error> {
        let mut state = self.lock();
        state.waiting.insert(number, chunk);
        let Some(mut appender) = state.appender.take() else { return Ok(()) };
        let mut appended = Ok(());
        while appended.is_ok() {
            let next = state.next_appended;
            let Some(chunk) = state.waiting.remove(&next) else { break };
            drop(state);
            appended = appender.append(next, chunk);
            state = self.lock();
            state.next_appended += 1;
            self.moved.notify_all();
        }
        state.appender = Some(appender);
        appended
    }
}

/// Makes files of chunks that come in order.
struct Appender<'a, F: Encoding> {
    plan: &'a Plan<'a, F>,
    progress: &'a Progress,
    placing: Placing,
    writer: Writer,
    file: Option<F::File>,
    rows: u64,
}

impl<F: Encoding> Appender<'_, F> {
    fn append(&mut self, number: u64, (rows, chunk): Encoded<F>) -> Result<(), Error> {
        self.progress.check()?;
        let planned = &self.plan.files[self.plan.chunk(number).0];
        let encoding = &self.plan.tables[planned.table].encoding;
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                self.writer.begin(Output::create(&planned.path, self.placing)?)?;
                let (file, bytes) = encoding.begin()?;
                self.write(bytes)?;
                file
            }
        };
        self.rows += rows;
        let bytes = encoding.append(&mut file, chunk)?;
        self.write(bytes)?;
        if number + 1 == planned.first_chunk + planned.chunks {
            let (bytes, row_groups) = encoding.end(file)?;
            self.write(bytes)?;
            self.writer.end(std::mem::take(&mut self.rows), row_groups)
        } else {
            self.file = Some(file);
            Ok(())
        }
    }

    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.progress.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.writer.write(bytes)
    }
}
