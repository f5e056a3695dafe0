//! Room for rows at the end of a heap, many pages at once.
//!
//! Before version 16, PostgreSQL extends a heap page by page, writing zeroes to its file while it holds the relation's
//! extension lock. That takes a quarter of a load's time, and processes that load one table wait for each other. Here the
//! pages that the next rows need are reserved in the file together, as PostgreSQL 16 does itself, and listed in the free
//! space map, where every process that inserts finds them.

use crate::pg::server::compat;
use crate::pg::server::own_slot::OwnSlot;
use crate::pg::server::process;
use crate::pg::server::relation::OpenRelation;
use pgrx::pg_sys::{self, BlockNumber, Buffer, ForkNumber, ReadBufferMode};
use std::ffi::CStr;
use std::fs::{File, OpenOptions};
#[cfg(target_os = "linux")]
use std::io::ErrorKind;
use std::ops::Range;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::ptr::null_mut;

const EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;
const PAGE: usize = pg_sys::BLCKSZ as usize;
/// A page that holds nothing yet.
const EMPTY_PAGE: usize = PAGE - std::mem::offset_of!(pg_sys::PageHeaderData, pd_linp);
/// What the free space map, which counts in steps of this many bytes, says about an empty page.
const MOST_RECORDED: usize = EMPTY_PAGE / FREE_SPACE_STEP * FREE_SPACE_STEP;
const FREE_SPACE_STEP: usize = PAGE / 256;
/// What points to a row in its page.
const ITEM: usize = size_of::<pg_sys::ItemIdData>();
/// Longer rows have their long values moved elsewhere, if they can.
const LONGEST_ROW: usize = PAGE / 4;
/// Pages reserved at once at most, whose buffers are pinned meanwhile.
const MOST_PAGES: u32 = 64;
/// If several processes load a table, this many times the pages that the rows need are reserved for later rows. The more
/// there are, the less often a process waits for another to extend the table.
const AHEAD: u32 = 3;
/// A row this near to the end shows that the free space before it is used up.
const NEAR_END: u32 = 256;

/// How a heap grows while rows are inserted.
pub struct Growth<'r> {
    relation: OpenRelation<'r>,
    /// The first page that was near the end or is new.
    end: BlockNumber,
    /// Whether rows go there, rather than to pages in the middle that have become free.
    is_appending: bool,
    /// Whether pages could be reserved so far.
    is_possible: bool,
    /// New pages that its own rows have not filled yet; `None` if that was not looked up.
    ahead: Option<u32>,
    /// Room for rows in a new page, as its fill factor allows.
    page_room: usize,
    /// The part of it that is left in the page of the last row.
    room_left: usize,
    /// Confines new pages to a few buffers, as in COPY; null until there are some.
    strategy: pg_sys::BufferAccessStrategy,
}

impl<'r> Growth<'r> {
    /// `None` for a relation that is not a heap, and for a temporary table, whose pages have local buffers.
    pub fn new(relation: OpenRelation<'r>) -> Option<Self> {
        if !relation.is_heap() || relation.is_temporary() || !compat::reads_no_page_beyond_the_end() {
            return None;
        }
        Some(Self {
            relation,
            end: relation.pages().saturating_sub(NEAR_END),
            is_appending: false,
            is_possible: true,
            ahead: None,
            page_room: EMPTY_PAGE - PAGE * (100 - relation.fill_factor()) / 100,
            room_left: 0,
            strategy: null_mut(),
        })
    }

    /// Reserves the pages that the rows in slots will need, if the heap has to grow for them. If other processes load the
    /// table, too, it also reserves some for later rows, so that they seldom wait for each other.
    pub fn make_room(&mut self, slots: &[OwnSlot]) {
        let pages = self.pages_for(slots);
        if !self.is_appending {
            return;
        }
        let is_alone = process::sharing() == 1;
        let wanted = pages + if is_alone { 0 } else { (AHEAD * pages).min(MOST_PAGES) };
        let mut ahead = self.ahead.unwrap_or_else(|| self.empty_pages());
        while ahead < wanted && self.is_possible {
            let missing = (wanted - ahead).min(most_pages());
            let Some(reserved) = self.extend(missing, ahead < pages) else { break };
            ahead += reserved;
        }
        self.ahead = Some(ahead.saturating_sub(pages));
    }

    /// How many more pages the rows in slots fill.
    fn pages_for(&mut self, slots: &[OwnSlot]) -> u32 {
        let mut pages = 0;
        for slot in slots {
            let length =
                slot.tuple_size().min(LONGEST_ROW).next_multiple_of(pg_sys::MAXIMUM_ALIGNOF as usize) + ITEM;
            if length > self.room_left {
                pages += 1;
                self.room_left = self.page_room;
            }
            self.room_left = self.room_left.saturating_sub(length);
        }
        pages
    }

    /// Notes where rows went; the last of them is in the last slot.
    pub fn note(&mut self, slots: &[OwnSlot]) {
        let Some(last) = slots.last() else { return };
        // SAFETY: a place has a page.
        let page = unsafe { pgrx::itemptr::item_pointer_get_block_number(&last.place()) };
        let was_appending = std::mem::replace(&mut self.is_appending, page >= self.end);
        if self.is_appending && !was_appending {
            self.ahead = None;
        }
    }

    /// How many pages near the end are empty: somebody reserved them.
    fn empty_pages(&self) -> u32 {
        // SAFETY: the relation is open.
        let is_empty = |&page: &BlockNumber| unsafe {
            pg_sys::GetRecordedFreeSpace(self.relation.as_ptr(), page) >= MOST_RECORDED
        };
        let pages = self.end..self.relation.pages();
        pages.rev().take(NEAR_END as usize).filter(is_empty).count() as u32
    }

    /// Adds empty pages to the heap; returns how many. It adds none if another process is extending the heap, unless `wait`
    /// is set, nor if the file system has no space or no such call: then the server extends it, or raises its error.
    fn extend(&mut self, pages: u32, wait: bool) -> Option<u32> {
        if !self.lock_end(wait) {
            return None;
        }
        let first = self.relation.pages();
        // Each segment begins with a new file, which the server creates.
        let left = (pg_sys::RELSEG_SIZE - first % pg_sys::RELSEG_SIZE) % pg_sys::RELSEG_SIZE;
        let pages = first..first + pages.min(left);
        // The buffers come before the pages. Otherwise another process could read a page, fill it and have it written before
        // it gets its buffer here, which begins with zeroes.
        let buffers: Vec<_> = pages.clone().map(|page| self.empty_buffer(page)).collect();
        self.is_possible = pages.is_empty() || self.reserve(&pages);
        self.unlock_end();
        // SAFETY: each is pinned once.
        buffers.into_iter().for_each(|buffer| unsafe { pg_sys::ReleaseBuffer(buffer) });
        if pages.is_empty() || !self.is_possible {
            return None;
        }
        self.offer(&pages);
        Some(pages.len() as u32)
    }

    /// Locks the relation for extension; false if another process is extending it, and `wait` is not set.
    fn lock_end(&self, wait: bool) -> bool {
        // SAFETY: the relation is open.
        unsafe {
            if wait {
                pg_sys::LockRelationForExtension(self.relation.as_ptr(), EXCLUSIVE);
                return true;
            }
            pg_sys::ConditionalLockRelationForExtension(self.relation.as_ptr(), EXCLUSIVE)
        }
    }

    fn unlock_end(&self) {
        // SAFETY: the relation is open, and was locked so.
        unsafe { pg_sys::UnlockRelationForExtension(self.relation.as_ptr(), EXCLUSIVE) };
    }

    /// Lists pages in the free space map, where every process that inserts finds them.
    fn offer(&self, pages: &Range<BlockNumber>) {
        // SAFETY: the relation is open, and has the pages.
        unsafe {
            for page in pages.clone() {
                pg_sys::RecordPageWithFreeSpace(self.relation.as_ptr(), page, EMPTY_PAGE);
            }
            pg_sys::FreeSpaceMapVacuumRange(self.relation.as_ptr(), pages.start, pages.end);
        }
    }

    /// A pinned buffer of zeroes for a page that is not in the file yet, while the relation is locked for extension.
    fn empty_buffer(&mut self, page: BlockNumber) -> Buffer {
        let fork = ForkNumber::MAIN_FORKNUM;
        let mode = ReadBufferMode::RBM_ZERO_AND_LOCK;
        // SAFETY: the relation is open. The strategy lives in the memory context of the insert.
        unsafe {
            if self.strategy.is_null() {
                self.strategy = pg_sys::GetAccessStrategy(pg_sys::BufferAccessStrategyType::BAS_BULKWRITE);
            }
            let buffer = pg_sys::ReadBufferExtended(self.relation.as_ptr(), fork, page, mode, self.strategy);
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
            buffer
        }
    }

    /// Reserves disk space for pages of one segment; false if it could not.
    fn reserve(&self, pages: &Range<BlockNumber>) -> bool {
        let segment = pages.start / pg_sys::RELSEG_SIZE;
        let path = self.path();
        let path = if segment == 0 { path } else { format!("{path}.{segment}") };
        let Ok(file) = OpenOptions::new().write(true).open(path) else { return false };
        allocate(&file, (pages.start % pg_sys::RELSEG_SIZE) as usize * PAGE, pages.len() * PAGE)
    }

    /// The path of the relation's first file, relative to the data directory, where the server works.
    fn path(&self) -> String {
        // SAFETY: the relation is open; the path is a palloc'ed C string.
        unsafe {
            let node = (*self.relation.as_ptr()).rd_node;
            let path = pg_sys::GetRelationPath(
                node.dbNode,
                node.spcNode,
                node.relNode,
                pg_sys::InvalidBackendId,
                ForkNumber::MAIN_FORKNUM,
            );
            let name = CStr::from_ptr(path).to_string_lossy().into_owned();
            pg_sys::pfree(path.cast());
            name
        }
    }
}

/// No more than this process's share of the buffers.
fn most_pages() -> u32 {
    // SAFETY: plain numbers, fixed when the server starts.
    let share = unsafe { pg_sys::NBuffers / pg_sys::MaxBackends };
    (share as u32).clamp(1, MOST_PAGES)
}

/// Makes a file longer; false if that was not possible. Unlike `posix_fallocate` it writes nothing where the file
/// system cannot.
#[cfg(target_os = "linux")]
fn allocate(file: &File, offset: usize, length: usize) -> bool {
    loop {
        // SAFETY: the file is open.
        let failed = unsafe {
            libc::fallocate(file.as_raw_fd(), 0, offset as libc::off_t, length as libc::off_t) != 0
        };
        if !failed || std::io::Error::last_os_error().kind() != ErrorKind::Interrupted {
            return !failed;
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(_file: &File, _offset: usize, _length: usize) -> bool {
    false
}
