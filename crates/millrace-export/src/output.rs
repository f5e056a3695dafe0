//! Files that appear under their names when they are complete, or not at all.

use crate::Error;
use crate::direct::Direct;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use tempfile::NamedTempFile;

/// At most this many bytes are on their way to the disk, which bounds the wait at a file's end.
const UNSYNCED: u64 = 64 << 20;

/// A file of an export.
#[derive(Debug, Clone)]
pub struct FileReport {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// What was written; nothing if the file was skipped because it was there already.
    pub written: Option<Written>,
}

/// What was written to a file.
#[derive(Debug, Clone)]
pub struct Written {
    /// Rows in the file.
    pub rows: u64,
    /// Row groups of Parquet, record batches of Arrow; 0 in text.
    pub row_groups: u64,
    /// SHA-256 of the content, in hexadecimal digits.
    pub sha256: String,
    /// From the file's first byte to its name.
    pub seconds: f64,
}

/// Buffers for chunks, used again when they are written.
///
/// Large buffers that are allocated by one thread and freed by another, chunk after chunk, end up scattered over the
/// allocator's arenas, which then grow for as long as an export takes. Everything that is written takes its buffer from here,
/// since each buffer that is given back grows to the size of a chunk in the end.
pub struct Buffers {
    free: Mutex<Vec<Vec<u8>>>,
    most: usize,
}

impl Buffers {
    /// Keeps at most this many.
    pub fn new(most: usize) -> Self {
        Self { free: Mutex::default(), most }
    }

    /// An empty buffer.
    pub fn take(&self) -> Vec<u8> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < self.most {
            buffer.clear();
            free.push(buffer);
        }
    }
}

/// How files are put in place.
#[derive(Debug, Clone, Copy)]
pub struct Placing {
    pub overwrite: bool,
    pub fsync: bool,
    /// Whether to write past the page cache, if the file system can.
    pub direct: bool,
}

/// A file being written, under a temporary name that is removed with it.
pub struct Output {
    path: PathBuf,
    temporary: NamedTempFile,
    placing: Placing,
    /// Where it is written past the page cache.
    direct: Option<Direct>,
    checksum: Sha256,
    bytes: u64,
    unsynced: u64,
    started: Instant,
}

impl Output {
    pub fn create(path: &Path, placing: Placing) -> Result<Self, Error> {
        let temporary = || {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let folder = path.parent().unwrap_or(Path::new("."));
            let file =
                tempfile::Builder::new().prefix(&format!(".{name}.")).suffix(".tmp").tempfile_in(folder)?;
            // Readable for all, as files of COPY are.
            file.as_file().set_permissions(Permissions::from_mode(0o644))?;
            Ok(file)
        };
        let temporary = temporary().map_err(|error| Error::write(path, error))?;
        let direct = if placing.direct { Direct::new(temporary.as_file()) } else { None };
        Ok(Self {
            path: path.to_owned(),
            temporary,
            placing,
            direct,
            checksum: Sha256::new(),
            bytes: 0,
            unsynced: 0,
            started: Instant::now(),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut file = self.temporary.as_file();
        let written = match &mut self.direct {
            Some(direct) => direct.write(file, bytes),
            None => file.write_all(bytes),
        };
        written.map_err(|error| Error::write(&self.path, error))?;
        self.checksum.update(bytes);
        self.bytes += bytes.len() as u64;
        self.unsynced += bytes.len() as u64;
        Ok(())
    }

    /// Waits for the disk if much is on its way to it, so that the wait at the end is short.
    fn keep_pace(&mut self) -> Result<(), Error> {
        if self.placing.fsync && self.direct.is_none() && self.unsynced >= UNSYNCED {
            self.unsynced = 0;
            self.temporary.as_file().sync_data().map_err(|error| Error::write(&self.path, error))?;
        }
        Ok(())
    }

    /// Writes the last bytes. Their buffer can then be used for another file.
    fn end(&mut self) -> Result<Option<Direct>, Error> {
        let Some(mut direct) = self.direct.take() else { return Ok(None) };
        direct.end(self.temporary.as_file()).map_err(|error| Error::write(&self.path, error))?;
        Ok(Some(direct))
    }

    /// Gives the file its name.
    fn publish(self, rows: u64, row_groups: u64) -> Result<FileReport, Error> {
        let Self { path, temporary, placing, checksum, bytes, started, .. } = self;
        let failed = |error| Error::write(&path, error);
        if placing.fsync {
            temporary.as_file().sync_all().map_err(failed)?;
        }
        let named =
            if placing.overwrite { temporary.persist(&path) } else { temporary.persist_noclobber(&path) };
        named.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists(path.clone()),
            _ => failed(error.error),
        })?;
        if placing.fsync {
            sync_entry(&path).map_err(failed)?;
        }
        let sha256 = checksum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let seconds = started.elapsed().as_secs_f64();
        Ok(FileReport { path, bytes, written: Some(Written { rows, row_groups, sha256, seconds }) })
    }
}

/// Waits until the name of a file or folder is on the disk: it is part of the folder that contains it.
pub fn sync_entry(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// A file's number while it is written.
pub type Number = u64;

/// A message to the thread that writes.
pub enum Message {
    Begin(Number, Box<Output>),
    Bytes(Number, Vec<u8>),
    End { number: Number, rows: u64, row_groups: u64 },
}

/// Writes files: right away, or on a separate thread.
pub enum Writer {
    Here(Files),
    Thread(SyncSender<Message>, JoinHandle<Result<Files, Error>>),
}

impl Writer {
    pub fn here(buffers: Arc<Buffers>) -> Self {
        Writer::Here(Files::new(buffers))
    }

    /// Double buffering: while one buffer is written, the next is filled.
    pub fn on_a_thread(buffers: Arc<Buffers>) -> Result<Self, Error> {
        let (sender, receiver) = sync_channel(0);
        let thread = std::thread::Builder::new().spawn(move || {
            let mut files = Files::new(buffers);
            for message in receiver {
                files.take(message)?;
            }
            Ok(files)
        });
        Ok(Writer::Thread(sender, thread.map_err(Error::Thread)?))
    }

    /// The thread ends early only with an error, which [`Writer::close`] returns.
    pub fn send(&mut self, message: Message) -> Result<(), Error> {
        match self {
            Writer::Here(files) => files.take(message),
            Writer::Thread(sender, _) => sender.send(message).map_err(|_| Error::Cancelled),
        }
    }

    /// Waits until everything is written. Files that have not ended are removed.
    pub fn close(self) -> Result<Vec<FileReport>, Error> {
        let files = match self {
            Writer::Here(files) => files,
            Writer::Thread(sender, thread) => {
                drop(sender);
                thread.join().map_err(|_| Error::Panicked)??
            }
        };
        Ok(files.ended)
    }
}

/// The files being written and those that ended.
pub struct Files {
    buffers: Arc<Buffers>,
    open: HashMap<Number, Box<Output>>,
    ended: Vec<FileReport>,
    /// Kept for the next file: once memory of this size is freed, glibc's allocator returns less of all other memory.
    direct: Option<Direct>,
}

impl Files {
    fn new(buffers: Arc<Buffers>) -> Self {
        Self { buffers, open: HashMap::new(), ended: Vec::new(), direct: None }
    }

    fn take(&mut self, message: Message) -> Result<(), Error> {
        match message {
            Message::Begin(number, mut output) => {
                output.direct = output.direct.map(|new| self.direct.take().unwrap_or(new));
                self.open.insert(number, output);
            }
            Message::Bytes(number, bytes) => {
                if let Some(output) = self.open.get_mut(&number) {
                    output.write(&bytes)?;
                    output.keep_pace()?;
                }
                self.buffers.give_back(bytes);
            }
            Message::End { number, rows, row_groups } => {
                if let Some(mut output) = self.open.remove(&number) {
                    self.direct = output.end()?;
                    self.ended.push(output.publish(rows, row_groups)?);
                }
            }
        }
        Ok(())
    }
}
