//! Index entries of a batch of rows.
//!
//! Entries of B-trees are collected, sorted, and inserted in key order at the end of the batch: neighbours
//! go to the same page, which is then at hand. That takes about half the time of inserting them in the
//! rows' order. Other indexes have no order to make use of and get theirs with the rows, as do B-trees
//! that few rows come for.

use super::leaf::Writer;
use crate::pg::server::compat;
use crate::pg::server::process::check_for_interrupts;
use crate::pg::server::raw::{self, guarded};
use crate::pg::server::slot::{Slot, expression_context, passes};
use crate::pg::server::wal;
use pgrx::pg_sys::{self, Datum};

/// Entries inserted between two looks for interrupts.
const ENTRIES_AT_ONCE: usize = 1000;
/// Rows that must come for a table at once to have its entries sorted: fewer are inserted before a sort has begun.
const ROWS_TO_SORT: usize = 64;
/// Partitions whose entries are sorted, each in its share of the memory. Those met later get theirs with the rows.
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
pub(super) struct Indexes {
    table: pg_sys::Relation,
    indexes: Vec<Index>,
    are_sorted: bool,
}

struct Index {
    relation: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
    /// The condition of a partial index.
    predicate: *mut pg_sys::ExprState,
    unique: pg_sys::IndexUniqueCheck::Type,
    is_btree: bool,
    /// Where entries are collected, if they are sorted.
    sort: Option<*mut pg_sys::Tuplesortstate>,
}

impl Indexes {
    /// The indexes that `result` was opened with.
    ///
    /// # Safety
    /// `result` is open with its indexes, and closed after the last use of this.
    pub unsafe fn new(result: *mut pg_sys::ResultRelInfo, estate: *mut pg_sys::EState) -> Self {
        // SAFETY: the caller vouches for both; the arrays have as many entries as `result` says.
        unsafe {
            let count = (*result).ri_NumIndices.max(0) as usize;
            let open = |nth| {
                let relation = *(*result).ri_IndexRelationDescs.add(nth);
                let info = *(*result).ri_IndexRelationInfo.add(nth);
                (*info).ii_ReadyForInserts.then(|| Index::new(relation, info, estate))
            };
            let indexes = (0..count).filter_map(open).collect();
            Self { table: (*result).ri_RelationDesc, indexes, are_sorted: false }
        }
    }

    /// Adds the entries of rows that have their places in the table.
    ///
    /// # Safety
    /// The slots hold rows of the table.
    pub unsafe fn add(&mut self, slots: &[Slot], writer: &mut Writer) {
        if !self.are_sorted && slots.len() >= ROWS_TO_SORT {
            self.begin_sorting(&mut writer.sorts);
        }
        let (table, estate) = (self.table, writer.estate);
        for index in &self.indexes {
            // SAFETY: the caller vouches for the slots. Values of expressions live until the memory is reset.
            // The closure owns nothing.
            unsafe { guarded(|| slots.iter().for_each(|slot| index.add(slot, table, estate))) };
        }
    }

    /// Has entries collected from now on, in the current memory context and beyond that in temporary files.
    fn begin_sorting(&mut self, sorts: &mut Sorts) {
        let table = self.table;
        let btrees = self.indexes.iter_mut().filter(|index| index.is_btree);
        let btrees: Vec<_> = btrees.collect();
        if btrees.is_empty() {
            return;
        }
        let Some(memory) = sorts.next() else { return };
        let memory = memory / btrees.len() as i32;
        for index in btrees {
            // SAFETY: both relations are open.
            index.sort = Some(unsafe { compat::begin_index_sort(table, index.relation, memory) });
        }
        self.are_sorted = true;
    }

    /// Inserts what was collected.
    pub fn finish(self) {
        for index in &self.indexes {
            if let Some(sort) = index.sort {
                // SAFETY: the sort was begun for this index, and is ended once.
                unsafe { index.insert_sorted(sort, self.table) };
            }
        }
    }
}

impl Index {
    /// # Safety
    /// As [`Indexes::new`].
    unsafe fn new(
        relation: pg_sys::Relation,
        info: *mut pg_sys::IndexInfo,
        estate: *mut pg_sys::EState,
    ) -> Self {
        // SAFETY: the caller vouches for the index, which is open.
        unsafe {
            Self {
                relation,
                info,
                predicate: pg_sys::ExecPrepareQual((*info).ii_Predicate, estate),
                unique: if (*(*relation).rd_index).indisunique {
                    pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES
                } else {
                    pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO
                },
                is_btree: (*(*relation).rd_rel).relam == pg_sys::BTREE_AM_OID,
                sort: None,
            }
        }
    }

    /// # Safety
    /// As [`Indexes::add`]; called within [`guarded`].
    unsafe fn add(&self, slot: &Slot, table: pg_sys::Relation, estate: *mut pg_sys::EState) {
        let mut values = [Datum::null(); pg_sys::INDEX_MAX_KEYS as usize];
        let mut nulls = [false; pg_sys::INDEX_MAX_KEYS as usize];
        let (values, nulls) = (values.as_mut_ptr(), nulls.as_mut_ptr());
        let mut place = slot.place();
        let (index, info, unique) = (self.relation, self.info, self.unique);
        // SAFETY: the caller vouches for the slot; the arrays are as long as any index's row.
        unsafe {
            let context = expression_context(estate);
            (*context).ecxt_scantuple = slot.as_ptr();
            if !passes(self.predicate, context) {
                return;
            }
            raw::FormIndexDatum(info, slot.as_ptr(), estate, values, nulls);
            if let Some(sort) = self.sort {
                raw::tuplesort_putindextuplevalues(sort, index, &mut place, values, nulls);
            } else {
                raw::index_insert(index, values, nulls, &mut place, table, unique, false, info);
            }
        }
    }

    /// # Safety
    /// `sort` is this index's and is used no more.
    unsafe fn insert_sorted(&self, sort: *mut pg_sys::Tuplesortstate, table: pg_sys::Relation) {
        // SAFETY: the caller vouches for the sort, whose entries carry their rows' places. An entry lives until
        // the next is asked for. The closure owns nothing.
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
                        raw::_bt_doinsert(self.relation, entry, self.unique, false, table);
                    }
                    true
                });
            }
            pg_sys::tuplesort_end(sort);
        }
    }
}
