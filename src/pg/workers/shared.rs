//! Memory that a session ingesting a run shares with its workers: their orders, which batch is next, and how far they are.

use crate::pg::server::process;
use crate::pg::server::report::Report;
use pgrx::pg_sys::{self, Oid};
use serde::{Deserialize, Serialize};
use std::ffi::c_char;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

/// What the session tells its workers once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Orders {
    /// The run to ingest.
    pub run: String,
    /// How many processes were asked to ingest it.
    pub processes: usize,
    /// What the workers do, each by its number.
    pub parts: Vec<Part>,
    /// Rows per second that arrive; `None` if as fast as possible.
    pub rate: Option<f64>,
    /// When the run's first row comes, in microseconds of the server's clock.
    pub begin: i64,
    /// When the run ends, however much has arrived by then.
    pub end: Option<i64>,
    /// Rows that the run had before.
    pub rows_before: i64,
    /// The role to act as: `SET SESSION AUTHORIZATION`, and `SET ROLE` if it was set.
    session_user: u32,
    role: u32,
}

/// What a worker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Ingests batches, as the session does.
    Ingest,
    /// Reads what is there, again and again.
    Read,
    /// Notes what happens in the server meanwhile.
    Observe,
}

impl Part {
    /// What `pg_stat_activity` calls such a worker.
    pub fn name(self) -> &'static str {
        match self {
            Part::Ingest => "millrace ingest worker",
            Part::Read => "millrace reader",
            Part::Observe => "millrace observer",
        }
    }
}

impl Orders {
    /// Orders to ingest a run by one process, this session, as its current user.
    pub fn new(run: String) -> Self {
        // SAFETY: both read this backend's state.
        let (session_user, role) = unsafe { (pg_sys::GetSessionUserId(), pg_sys::GetCurrentRoleId()) };
        Self {
            run,
            processes: 1,
            parts: Vec::new(),
            rate: None,
            begin: process::now_in_microseconds(),
            end: None,
            rows_before: 0,
            session_user: session_user.to_u32(),
            role: role.to_u32(),
        }
    }

    pub fn session_user(&self) -> Oid {
        Oid::from(self.session_user)
    }

    pub fn role(&self) -> Option<Oid> {
        Some(Oid::from(self.role)).filter(|&role| role != Oid::INVALID)
    }
}

/// The fixed part of the memory; orders and settings follow it.
#[repr(C)]
struct Header {
    /// The next batch nobody has taken.
    next: AtomicI64,
    /// Rows that were committed, by all processes.
    rows: AtomicI64,
    /// The time up to which batches account for the run's time, in microseconds of the server's clock.
    accounted: AtomicI64,
    /// Whether to take no more batches.
    stop: AtomicBool,
    /// Whether batches are still coming, for those who work beside the ingest.
    streaming: AtomicBool,
    /// Whether those who work beside the ingest are to end.
    end_beside: AtomicBool,
    /// What each worker does.
    stages: [AtomicU32; MAX_WORKERS],
    /// Length of the failure: 0 if there is none, [`CLAIMED`] while it is being written.
    failure_length: AtomicU32,
    failure: [u8; FAILURE_SIZE],
    orders_length: usize,
    settings_length: usize,
}

/// More processes than a server has cores.
pub const MAX_WORKERS: usize = 1024;
const FAILURE_SIZE: usize = 16 << 10;
const CLAIMED: u32 = u32::MAX;

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Stage {
    Starting,
    Working,
    Done,
}

/// A mapping of the memory; it stays until it is detached, or the process ends.
pub struct Shared {
    segment: *mut pg_sys::dsm_segment,
}

impl Shared {
    /// Makes the memory, with this session's settings in it; `next` is the first batch to take.
    pub fn create(orders: &Orders, next: i64) -> Self {
        let orders = serde_json::to_vec(orders).unwrap_or_default();
        // SAFETY: the memory is as large as what is written to it, and zeroes are a valid header but for what
        // is filled in. The serialized settings need no alignment beyond that of bytes.
        unsafe {
            let settings = pg_sys::EstimateGUCStateSpace();
            let size = size_of::<Header>() + orders.len() + settings;
            let segment = pg_sys::dsm_create(size, 0);
            pg_sys::dsm_pin_mapping(segment);
            let shared = Self { segment };
            let header = shared.address().cast::<Header>();
            header.write_bytes(0, 1);
            (*header).next = AtomicI64::new(next);
            (*header).streaming = AtomicBool::new(true);
            (*header).accounted = AtomicI64::new(process::now_in_microseconds());
            (*header).orders_length = orders.len();
            (*header).settings_length = settings;
            shared.tail(0, orders.len()).copy_from_slice(&orders);
            let settings = shared.tail(orders.len(), settings);
            pg_sys::SerializeGUCState(settings.len(), settings.as_mut_ptr().cast::<c_char>());
            shared
        }
    }

    /// Maps the memory another process made; `None` if that process is gone.
    pub fn attach(handle: u32) -> Option<Self> {
        // SAFETY: attaches to a segment by its handle, which is checked.
        unsafe {
            let segment = pg_sys::dsm_attach(handle);
            if segment.is_null() {
                return None;
            }
            pg_sys::dsm_pin_mapping(segment);
            Some(Self { segment })
        }
    }

    /// What others attach to.
    pub fn handle(&self) -> u32 {
        // SAFETY: the segment is mapped.
        unsafe { pg_sys::dsm_segment_handle(self.segment) }
    }

    /// Unmaps the memory, which is freed when all processes have done so.
    pub fn detach(&self) {
        // SAFETY: the segment is mapped, and not used any more.
        unsafe { pg_sys::dsm_detach(self.segment) };
    }

    /// The orders, if they can be read.
    pub fn orders(&self) -> Option<Orders> {
        // SAFETY: written when the memory was made, and not changed since.
        serde_json::from_slice(unsafe { self.tail(0, self.header().orders_length) }).ok()
    }

    /// Takes over the settings of the session that made the memory.
    pub fn restore_settings(&self) {
        let header = self.header();
        // SAFETY: written when the memory was made, by the same server.
        unsafe {
            let settings = self.tail(header.orders_length, header.settings_length);
            pg_sys::RestoreGUCState(settings.as_mut_ptr().cast());
        }
    }

    /// Takes the next batch; the caller knows how many there are.
    pub fn next_batch(&self) -> i64 {
        self.header().next.fetch_add(1, Ordering::Relaxed)
    }

    /// The next batch that nobody has taken.
    pub fn peek_batch(&self) -> i64 {
        self.header().next.load(Ordering::Relaxed)
    }

    /// Says that no more batches come.
    pub fn end_streaming(&self) {
        self.header().streaming.store(false, Ordering::Relaxed);
    }

    /// Whether batches are still coming.
    pub fn is_streaming(&self) -> bool {
        self.header().streaming.load(Ordering::Relaxed)
    }

    /// Asks those who work beside the ingest to end.
    pub fn end_beside(&self) {
        self.header().end_beside.store(true, Ordering::Relaxed);
    }

    /// Whether those who work beside the ingest are to end.
    pub fn beside_is_over(&self) -> bool {
        self.header().end_beside.load(Ordering::Relaxed) || self.is_stopped()
    }

    /// Adds rows that were committed.
    pub fn add_rows(&self, rows: i64) {
        self.header().rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// The rows that all processes committed.
    pub fn rows(&self) -> i64 {
        self.header().rows.load(Ordering::Relaxed)
    }

    /// Accounts for the run's time up to now; returns how much of it no process had accounted for.
    pub fn account(&self) -> Duration {
        let now = process::now_in_microseconds();
        let before = self.header().accounted.fetch_max(now, Ordering::Relaxed);
        Duration::from_micros(u64::try_from(now - before).unwrap_or_default())
    }

    /// Asks all processes to stop after their current batch.
    pub fn stop(&self) {
        self.header().stop.store(true, Ordering::Relaxed);
    }

    /// Whether all processes were asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.header().stop.load(Ordering::Relaxed)
    }

    /// Notes how far a worker is.
    pub fn set_stage(&self, worker: usize, stage: Stage) {
        self.header().stages[worker].store(stage as u32, Ordering::Release);
    }

    /// How far a worker is, or was when it ended.
    pub fn stage(&self, worker: usize) -> Stage {
        match self.header().stages[worker].load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::Working,
            _ => Stage::Done,
        }
    }

    /// Leaves a failure for the session to raise. Only the first one is kept.
    pub fn fail(&self, failure: &Report) {
        let header = self.header();
        let unclaimed =
            header.failure_length.compare_exchange(0, CLAIMED, Ordering::AcqRel, Ordering::Relaxed);
        if unclaimed.is_err() {
            return;
        }
        let written = failure.to_bytes(FAILURE_SIZE);
        // SAFETY: who claims the failure is the only one to write it, and nobody reads it before its length is set.
        unsafe {
            let failure = (&raw const header.failure).cast_mut().cast::<u8>();
            failure.copy_from_nonoverlapping(written.as_ptr(), written.len());
        }
        header.failure_length.store(written.len() as u32, Ordering::Release);
        self.stop();
    }

    /// The failure a worker left.
    pub fn failure(&self) -> Option<Report> {
        let header = self.header();
        match header.failure_length.load(Ordering::Acquire) {
            0 | CLAIMED => None,
            length => Report::from_bytes(&header.failure[..length as usize]),
        }
    }

    fn address(&self) -> *mut u8 {
        // SAFETY: the segment is mapped.
        unsafe { pg_sys::dsm_segment_address(self.segment) }.cast()
    }

    fn header(&self) -> &Header {
        // SAFETY: the memory begins with it, at the beginning of a page.
        unsafe { &*self.address().cast::<Header>() }
    }

    /// What follows the header.
    ///
    /// # Safety
    /// The part is in the memory, and nobody else refers to it while it is written.
    #[allow(clippy::mut_from_ref)]
    unsafe fn tail(&self, start: usize, length: usize) -> &mut [u8] {
        // SAFETY: the part is in the memory, and nobody else's while it is written, as asked for above.
        unsafe { std::slice::from_raw_parts_mut(self.address().add(size_of::<Header>() + start), length) }
    }
}
