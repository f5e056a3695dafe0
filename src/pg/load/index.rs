//! Index entries of a batch of rows.
//!
//! Entries of B-trees are collected, sorted, and inserted in key order at the end of the batch, so that neighbours go to the
//! same page while it is in the cache. That takes about half the time of inserting them in the rows' order. Other indexes have
//! no order to make use of, so their entries are inserted with the rows; so are those of B-trees that get few rows.

use super::leaf::SlottedRows;
use super::table::{Executor, Target};
use crate::pg::server::compat;
use crate::pg::server::own_slot::OwnSlot;
use crate::pg::server::process::check_for_interrupts;
use crate::pg::server::raw::{self, guarded};
use crate::pg::server::relation::OpenRelation;
use crate::pg::server::slot::passes;
use crate::pg::server::wal;
use pgrx::pg_sys::{self, Datum};

/// Entries inserted between two looks for interrupts.
const ENTRIES_AT_ONCE: usize = 1000;
/// Rows that must come for a table at once for its entries to be sorted: fewer are inserted faster than a sort begins.
const ROWS_TO_SORT: usize = 64;
/// How many partitions' entries are sorted, each in its share of the memory. Entries of others are inserted with the rows.
const SORTED_PARTITIONS: u32 = 16;

/// How many more tables may have their entries sorted, and in how much memory each.
pub(super) struct Sorts {
    left: u32,
    /// In kB.
    memory: i32,
}

impl Sorts {
    /// `maintenance_work_mem` for them all.
    pub fn new(is_partitioned: bool) -> Self {
        let left = if is_partitioned { SORTED_PARTITIONS } else { 1 };
        // SAFETY: a plain setting.
        Self { left, memory: unsafe { pg_sys::maintenance_work_mem } / left as i32 }
    }

    /// The memory for one more table, if it is to have its entries sorted.
    fn next(&mut self) -> Option<i32> {
        self.left = self.left.checked_sub(1)?;
        Some(self.memory)
    }
}

/// The indexes of a table that rows are inserted into.
pub(super) struct Indexes<'t> {
    indexes: Vec<Index<'t>>,
    are_sorted: bool,
}

struct Index<'t> {
    table: OpenRelation<'t>,
    relation: OpenRelation<'t>,
    executor: Executor,
    info: *mut pg_sys::IndexInfo,
    /// The condition of a partial index.
    predicate: *mut pg_sys::ExprState,
    unique: pg_sys::IndexUniqueCheck::Type,
    is_btree: bool,
    /// Where entries are collected, if they are sorted.
    sort: Option<*mut pg_sys::Tuplesortstate>,
}

impl<'t> Indexes<'t> {
    /// Those that the server inserts into.
    pub fn new(target: Target<'t>) -> Self {
        let indexes = target.indexes().filter_map(|(relation, info)| Index::new(target, relation, info));
        Self { indexes: indexes.collect(), are_sorted: false }
    }

    /// Adds the entries of rows that have their places in the table.
    pub fn add(&mut self, rows: &SlottedRows<'_, 't>, sorts: &mut Sorts) {
        let slots = rows.slots();
        if !self.are_sorted && slots.len() >= ROWS_TO_SORT {
            self.begin_sorting(sorts);
        }
        for index in &self.indexes {
            debug_assert!(index.table == rows.target.relation());
            // SAFETY: the slots hold rows of the index's table: a leaf has made both from one target. Values of expressions
            // live until the memory is reset. The closure owns nothing.
            unsafe { guarded(|| slots.iter().for_each(|slot| index.add(slot))) };
        }
    }

    /// Has entries collected from now on, in the current memory context and beyond that in temporary files.
    fn begin_sorting(&mut self, sorts: &mut Sorts) {
        let btrees: Vec<_> = self.indexes.iter_mut().filter(|index| index.is_btree).collect();
        if btrees.is_empty() {
            return;
        }
        let Some(memory) = sorts.next() else { return };
        let memory = memory / btrees.len() as i32;
        for index in btrees {
            index.sort = Some(compat::begin_index_sort(index.table, index.relation, memory));
        }
        self.are_sorted = true;
    }

    /// Inserts what was collected.
    pub fn finish(self) {
        self.indexes.into_iter().for_each(Index::finish);
    }
}

impl<'t> Index<'t> {
    /// `None` if the server inserts nothing into it.
    fn new(target: Target<'t>, relation: OpenRelation<'t>, info: *mut pg_sys::IndexInfo) -> Option<Self> {
        let executor = target.executor;
        // SAFETY: index and table are open, with what the executor knows of it.
        unsafe {
            let predicate = pg_sys::ExecPrepareQual((*info).ii_Predicate, executor.as_ptr());
            let unique = if (*(*relation.as_ptr()).rd_index).indisunique {
                pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES
            } else {
                pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO
            };
            let (table, is_btree) = (target.relation(), relation.is_btree());
            let index = Self { table, relation, executor, info, predicate, unique, is_btree, sort: None };
            (*info).ii_ReadyForInserts.then_some(index)
        }
    }

    /// # Safety
    /// The slot holds a row of the table. Called within [`guarded`].
    unsafe fn add(&self, slot: &OwnSlot) {
        let mut values = [Datum::null(); pg_sys::INDEX_MAX_KEYS as usize];
        let mut nulls = [false; pg_sys::INDEX_MAX_KEYS as usize];
        let (values, nulls) = (values.as_mut_ptr(), nulls.as_mut_ptr());
        let mut place = slot.place();
        let (index, table) = (self.relation.as_ptr(), self.table.as_ptr());
        let (info, estate, context) = (self.info, self.executor.as_ptr(), self.executor.expressions());
        // SAFETY: both relations are open, and there is a row; the arrays are as long as any index's row.
        unsafe {
            (*context).ecxt_scantuple = slot.as_ptr();
            if !passes(self.predicate, context) {
                return;
            }
            raw::FormIndexDatum(info, slot.as_ptr(), estate, values, nulls);
            if let Some(sort) = self.sort {
                raw::tuplesort_putindextuplevalues(sort, index, &mut place, values, nulls);
            } else {
                raw::index_insert(index, values, nulls, &mut place, table, self.unique, false, info);
            }
        }
    }

    /// Inserts its entries that were collected, if they were.
    fn finish(self) {
        let Some(sort) = self.sort else { return };
        let (index, table, unique) = (self.relation.as_ptr(), self.table.as_ptr(), self.unique);
        // SAFETY: the sort was begun for this index, and is ended once. Its entries carry their rows' places; one lives
        // until the next is asked for. The closure owns nothing.
        unsafe {
            pg_sys::tuplesort_performsort(sort);
            let mut more = true;
            while more {
                check_for_interrupts();
                wal::flush_ahead();
                more = guarded(|| {
                    for _ in 0..ENTRIES_AT_ONCE {
                        let entry = raw::tuplesort_getindextuple(sort, true);
                        if entry.is_null() {
                            return false;
                        }
                        raw::_bt_doinsert(index, entry, unique, false, table);
                    }
                    true
                });
            }
            pg_sys::tuplesort_end(sort);
        }
    }
}
