//! Room for rows at the end of a heap, many pages at once.
//!
//! Before version 16, PostgreSQL extends a heap page by page, writing zeroes to its file and holding the
//! relation's extension lock: that is a quarter of the time of a load, and processes that load one table wait
//! for each other. Here the pages that the next rows need are reserved in the file together, as
//! PostgreSQL 16 does by itself, and listed in the free space map, where whoever inserts finds them.

use crate::pg::server::compat;
use crate::pg::server::process;
use crate::pg::server::slot;
use pgrx::pg_sys::{self, BlockNumber, Buffer, ForkNumber, ReadBufferMode};
use std::ffi::CStr;
use std::fs::{File, OpenOptions};
#[cfg(target_os = "linux")]
use std::io::ErrorKind;
use std::ops::Range;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

const EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;
const PAGE: usize = pg_sys::BLCKSZ as usize;
/// A page that holds nothing yet.
const EMPTY_PAGE: usize = PAGE - std::mem::offset_of!(pg_sys::PageHeaderData, pd_linp);
/// What the free space map, which knows steps of so many bytes, says of an empty page.
const MOST_RECORDED: usize = EMPTY_PAGE / FREE_SPACE_STEP * FREE_SPACE_STEP;
const FREE_SPACE_STEP: usize = PAGE / 256;
/// What points to a row in its page.
const ITEM: usize = size_of::<pg_sys::ItemIdData>();
/// Longer rows have their long values moved elsewhere, if they can.
const LONGEST_ROW: usize = PAGE / 4;
/// Pages reserved at once at most, whose buffers are pinned meanwhile.
const MOST_PAGES: u32 = 64;
/// So many times the pages that rows need are reserved for those after them where several processes load a
/// table: the more, the rarer one has to wait for another's extension.
const AHEAD: u32 = 3;
/// A row so near to the end shows that what was free before it is used up.
const NEAR_END: u32 = 256;

/// How a heap grows while rows are inserted.
pub struct Growth {
    relation: pg_sys::Relation,
    /// From here on pages were near the end, or are new.
    end: BlockNumber,
    /// Whether rows go there, not to pages in the middle that have become free.
    is_appending: bool,
    /// Whether pages could be reserved so far.
    is_possible: bool,
    /// New pages that its own rows do not fill yet.
    ahead: u32,
    /// Room for rows in a new page, as its fill factor allows.
    page_room: usize,
    /// Of that, what the last of the rows leave in their page.
    room_left: usize,
    /// Keeps new pages to a few of the buffers, as in COPY.
    strategy: pg_sys::BufferAccessStrategy,
}

impl Growth {
    /// `None` for a table that only this session sees, whose pages have other buffers.
    ///
    /// # Safety
    /// `relation` is open, and a heap.
    pub unsafe fn new(relation: pg_sys::Relation) -> Option<Self> {
        // SAFETY: the caller vouches for the relation; a heap's options, if it has some, are of that type.
        unsafe {
            let is_temporary = (*(*relation).rd_rel).relpersistence as u8 == pg_sys::RELPERSISTENCE_TEMP;
            if is_temporary || !compat::reads_no_page_beyond_the_end() {
                return None;
            }
            let options = (*relation).rd_options.cast::<pg_sys::StdRdOptions>().as_ref();
            let fill_factor = options
                .map_or(pg_sys::HEAP_DEFAULT_FILLFACTOR as usize, |options| options.fillfactor as usize);
            Some(Self {
                relation,
                end: size(relation).saturating_sub(NEAR_END),
                is_appending: false,
                is_possible: true,
                ahead: 0,
                page_room: EMPTY_PAGE - PAGE * (100 - fill_factor) / 100,
                room_left: 0,
                strategy: pg_sys::GetAccessStrategy(pg_sys::BufferAccessStrategyType::BAS_BULKWRITE),
            })
        }
    }

    /// Reserves the pages that the rows in slots will need, if the heap has to grow for them, and beside
    /// other processes some for the rows after them: so there is seldom need to wait for their extensions.
    ///
    /// # Safety
    /// The slots are of the relation and filled; it is still open.
    pub unsafe fn make_room(&mut self, slots: &[*mut pg_sys::TupleTableSlot]) {
        // SAFETY: the caller vouches for slots and relation.
        unsafe {
            let pages = self.pages_for(slots);
            if !self.is_appending {
                return;
            }
            let is_alone = process::sharing() == 1;
            let wanted = pages + if is_alone { 0 } else { (AHEAD * pages).min(MOST_PAGES) };
            while self.ahead < wanted && self.is_possible {
                let missing = (wanted - self.ahead).min(most_pages());
                let Some(reserved) = self.extend(missing, self.ahead < pages) else { break };
                self.ahead += reserved;
            }
            self.ahead = self.ahead.saturating_sub(pages);
        }
    }

    /// How many more pages the rows in slots fill.
    ///
    /// # Safety
    /// The slots are of the relation and filled.
    unsafe fn pages_for(&mut self, slots: &[*mut pg_sys::TupleTableSlot]) -> u32 {
        let mut pages = 0;
        for &slot in slots {
            // SAFETY: the caller vouches for the slot.
            let length =
                unsafe { slot::lent(slot).map_or_else(|| slot::tuple_size(slot), |(_, length)| length) };
            let length = length.min(LONGEST_ROW).next_multiple_of(pg_sys::MAXIMUM_ALIGNOF as usize) + ITEM;
            if length > self.room_left {
                pages += 1;
                self.room_left = self.page_room;
            }
            self.room_left = self.room_left.saturating_sub(length);
        }
        pages
    }

    /// Ends it, while the relation is still open.
    pub fn finish(self) {
        // SAFETY: it was made for this, and is given back once.
        unsafe { pg_sys::FreeAccessStrategy(self.strategy) };
    }

    /// Learns where rows went.
    ///
    /// # Safety
    /// The last of the slots holds a row that was inserted; the relation is still open.
    pub unsafe fn note(&mut self, slots: &[*mut pg_sys::TupleTableSlot]) {
        let Some(&last) = slots.last() else { return };
        // SAFETY: the caller vouches for slot and relation.
        unsafe {
            let page = pgrx::itemptr::item_pointer_get_block_number(&(*last).tts_tid);
            let was_appending = std::mem::replace(&mut self.is_appending, page >= self.end);
            if self.is_appending && !was_appending {
                self.ahead = self.empty_pages();
            }
        }
    }

    /// How many pages near the end are empty: somebody reserved them.
    ///
    /// # Safety
    /// The relation is open.
    unsafe fn empty_pages(&self) -> u32 {
        // SAFETY: the caller vouches for the relation.
        let is_empty = |&page: &BlockNumber| unsafe {
            pg_sys::GetRecordedFreeSpace(self.relation, page) >= MOST_RECORDED
        };
        // SAFETY: as above.
        let pages = self.end..unsafe { size(self.relation) };
        pages.rev().take(NEAR_END as usize).filter(is_empty).count() as u32
    }

    /// Adds empty pages to the heap; returns how many. None are added where another process is extending it,
    /// unless `wait` is set, and where the file system has no space or no such call: the server will do, or
    /// complain, in its own way.
    ///
    /// # Safety
    /// The relation is open.
    unsafe fn extend(&mut self, pages: u32, wait: bool) -> Option<u32> {
        // SAFETY: the caller vouches for the relation. The lock is for the time in which nobody else may extend it.
        unsafe {
            if wait {
                pg_sys::LockRelationForExtension(self.relation, EXCLUSIVE);
            } else if !pg_sys::ConditionalLockRelationForExtension(self.relation, EXCLUSIVE) {
                return None;
            }
            let first = size(self.relation);
            // A file of its own begins with each segment: the server makes it.
            let left = (pg_sys::RELSEG_SIZE - first % pg_sys::RELSEG_SIZE) % pg_sys::RELSEG_SIZE;
            let pages = first..first + pages.min(left);
            // The buffers come before the pages, so that nobody reads a page, fills it and has it written
            // before it gets its buffer here, which begins with zeroes.
            let buffers: Vec<_> = pages.clone().map(|page| self.empty_buffer(page)).collect();
            self.is_possible = pages.is_empty() || self.reserve(&pages);
            pg_sys::UnlockRelationForExtension(self.relation, EXCLUSIVE);
            buffers.into_iter().for_each(|buffer| pg_sys::ReleaseBuffer(buffer));
            if pages.is_empty() || !self.is_possible {
                return None;
            }
            for page in pages.clone() {
                pg_sys::RecordPageWithFreeSpace(self.relation, page, EMPTY_PAGE);
            }
            pg_sys::FreeSpaceMapVacuumRange(self.relation, pages.start, pages.end);
            Some(pages.len() as u32)
        }
    }

    /// A pinned buffer of zeroes for a page that is not in the file yet.
    ///
    /// # Safety
    /// The relation is open and locked for extension.
    unsafe fn empty_buffer(&self, page: BlockNumber) -> Buffer {
        // SAFETY: the caller vouches for the relation.
        unsafe {
            let mode = ReadBufferMode::RBM_ZERO_AND_LOCK;
            let buffer = pg_sys::ReadBufferExtended(
                self.relation,
                ForkNumber::MAIN_FORKNUM,
                page,
                mode,
                self.strategy,
            );
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
            buffer
        }
    }

    /// Reserves disk space for pages of one segment; false if it could not.
    ///
    /// # Safety
    /// As [`Growth::extend`].
    unsafe fn reserve(&self, pages: &Range<BlockNumber>) -> bool {
        // SAFETY: the caller vouches for the relation; the path is a palloc'ed C string, relative to the data
        // directory, where the server works.
        let (path, segment) = unsafe {
            let node = (*self.relation).rd_node;
            let path = pg_sys::GetRelationPath(
                node.dbNode,
                node.spcNode,
                node.relNode,
                pg_sys::InvalidBackendId,
                ForkNumber::MAIN_FORKNUM,
            );
            let name = CStr::from_ptr(path).to_string_lossy().into_owned();
            pg_sys::pfree(path.cast());
            (name, pages.start / pg_sys::RELSEG_SIZE)
        };
        let path = if segment == 0 { path } else { format!("{path}.{segment}") };
        let Ok(file) = OpenOptions::new().write(true).open(path) else { return false };
        allocate(&file, (pages.start % pg_sys::RELSEG_SIZE) as usize * PAGE, pages.len() * PAGE)
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

/// # Safety
/// `relation` is open.
unsafe fn size(relation: pg_sys::Relation) -> BlockNumber {
    // SAFETY: the caller vouches for the relation.
    unsafe { pg_sys::RelationGetNumberOfBlocksInFork(relation, ForkNumber::MAIN_FORKNUM) }
}
