//! Threads that make chunks, and the order in which chunks become files.
//!
//! Each thread takes the next chunk, generates, encodes and delivers it. Whichever thread delivers the next chunk in
//! order appends it, and those waiting behind it, while the others keep working. So no thread only waits, and none
//! is woken for each chunk. A thread that is far ahead of the file waits for it, which bounds memory.

use crate::output::{Buffers, Message, Number, Output, Placing, Writer, sync_entry};
use crate::partition;
use crate::plan::{Piece, Plan, PlannedFile, check_free};
use crate::{Encoding, Error, FileReport, Progress, Request};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Runs an export as planned.
pub fn run<F: Encoding>(
    plan: &Plan<'_, F>,
    request: &Request,
    progress: &Progress,
) -> Result<Vec<FileReport>, Error> {
    let options = &request.options;
    // Each makes a chunk, and one more chunk may wait for its turn, which is enough as long as chunks take equally long.
    let window = request.threads as u64 + 1;
    // One for each chunk that is made or waits, and those being appended and written.
    let buffers = Arc::new(Buffers::new(window as usize + 2));
    let is_async = options.r#async.unwrap_or(true);
    let writer = if is_async { Writer::on_a_thread(buffers.clone())? } else { Writer::here(buffers.clone()) };
    let fsync = options.fsync.unwrap_or(true);
    let placing = Placing {
        overwrite: options.overwrite,
        fsync,
        // A separate thread can wait for the disk at each write, which it has to do in the end anyway. Not with many files
        // in turn, because each would need memory for its blocks.
        direct: is_async && fsync && options.partition_by.is_none(),
    };
    let pool = Pool {
        plan,
        progress,
        window,
        buffers: &buffers,
        state: Mutex::new(State {
            next_made: 0,
            next_appended: 0,
            waiting: BTreeMap::new(),
            appender: Some(Appender {
                plan,
                progress,
                placing,
                buffers: &buffers,
                writer,
                open: BTreeMap::new(),
                next_number: 0,
                created: Vec::new(),
            }),
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
    state.appender.map_or(Err(Error::Panicked), |appender| appender.close(state.failed))
}

/// A chunk: a piece for each file that gets some of it.
type Encoded<F> = Vec<Piece<<F as Encoding>::Chunk>>;

struct Pool<'a, F: Encoding> {
    plan: &'a Plan<'a, F>,
    progress: &'a Progress,
    window: u64,
    buffers: &'a Buffers,
    state: Mutex<State<'a, F>>,
    /// A chunk was appended, or something failed.
    moved: Condvar,
}

struct State<'a, F: Encoding> {
    next_made: u64,
    next_appended: u64,
    waiting: BTreeMap<u64, Encoded<F>>,
    /// `None` while a thread appends.
    appender: Option<Appender<'a, F>>,
    /// The first error.
    failed: Option<Error>,
}

impl<'a, F: Encoding> Pool<'a, F> {
    /// Makes chunks until there are no more.
    fn work(&self) {
        // A panic becomes an error, because the other threads would wait for this one's chunk forever.
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
        self.plan.tables[self.plan.files[file].table].make(units, self.buffers, self.progress)
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
    buffers: &'a Buffers,
    writer: Writer,
    /// The files, by the folders of their partitions.
    open: BTreeMap<String, Open<F>>,
    next_number: Number,
    /// Folders of partitions that were not there before.
    created: Vec<PathBuf>,
}

/// A file that has not ended.
struct Open<F: Encoding> {
    number: Number,
    file: F::File,
    rows: u64,
}

impl<F: Encoding> Appender<'_, F> {
    fn append(&mut self, number: u64, pieces: Encoded<F>) -> Result<(), Error> {
        self.progress.check()?;
        let planned = &self.plan.files[self.plan.chunk(number).0];
        let encoding = &self.plan.tables[planned.table].encoding;
        for piece in pieces {
            let mut open = match self.open.remove(&piece.folder) {
                Some(open) => open,
                None => self.begin(planned, encoding, &piece.folder)?,
            };
            open.rows += piece.rows;
            let bytes = encoding.append(&mut open.file, piece.chunk, self.buffers)?;
            self.write(open.number, bytes)?;
            self.open.insert(piece.folder, open);
        }
        if number + 1 == planned.first_chunk + planned.chunks {
            for Open { number, file, rows } in std::mem::take(&mut self.open).into_values() {
                let mut bytes = self.buffers.take();
                let row_groups = encoding.end(file, &mut bytes)?;
                self.write(number, bytes)?;
                self.writer.send(Message::End { number, rows, row_groups })?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, planned: &PlannedFile, encoding: &F, partition: &str) -> Result<Open<F>, Error> {
        if self.open.len() == partition::MOST {
            return Err(partition::too_many(partition.split('=').next().unwrap_or_default()));
        }
        let folder = planned.folder.join(partition);
        if !partition.is_empty() {
            self.create(&planned.folder)?;
            self.create(&folder)?;
        }
        let path = folder.join(&planned.name);
        check_free(&path, self.placing.overwrite)?;
        let number = self.next_number;
        self.next_number += 1;
        let output = Box::new(Output::create(&path, self.placing)?);
        self.writer.send(Message::Begin(number, output))?;
        let mut bytes = self.buffers.take();
        let file = encoding.begin(&mut bytes)?;
        self.write(number, bytes)?;
        Ok(Open { number, file, rows: 0 })
    }

    /// Makes a partition's folder. A link in its place is not followed, since it may lead anywhere.
    fn create(&mut self, folder: &Path) -> Result<(), Error> {
        let failed = |error| Error::write(folder, error);
        match std::fs::create_dir(folder) {
            Ok(()) => {
                // Readable for all like the files, whatever the server's umask is.
                std::fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(failed)?;
                self.created.push(folder.to_owned());
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let is_folder = folder.symlink_metadata().is_ok_and(|there| there.is_dir());
                return if is_folder { Ok(()) } else { Err(Error::Exists(folder.to_owned())) };
            }
            Err(error) => return Err(failed(error)),
        }
        if self.placing.fsync {
            sync_entry(folder).map_err(failed)?;
        }
        Ok(())
    }

    fn write(&mut self, number: Number, bytes: Vec<u8>) -> Result<(), Error> {
        self.progress.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.writer.send(Message::Bytes(number, bytes))
    }

    /// Waits until all is written.
    fn close(self, failed: Option<Error>) -> Result<Vec<FileReport>, Error> {
        let written = self.writer.close();
        let result = match failed {
            // The writer's own error says more than that it took no more.
            Some(error) => Err(written.err().unwrap_or(error)),
            None => written,
        };
        if result.is_err() {
            for folder in self.created.iter().rev() {
                // Those with complete files in them stay.
                let _ = std::fs::remove_dir(folder);
            }
        }
        result
    }
}
