//! Index entries of a batch of rows.
//!
//! Entries of B-trees are collected, sorted, and inserted in key order at the end of the batch: neighbours
//! go to the same page, which is then at hand. That takes about half the time of inserting them in the
//! rows' order. Other indexes have no order to make use of and get theirs with the rows.

use crate::pg::server::compat;
use crate::pg::server::process::check_for_interrupts;
use crate::pg::server::raw::{self, guarded};
use crate::pg::server::slot;
use crate::pg::server::wal;
use pgrx::pg_sys::{self, Datum};

/// Entries inserted between two looks for interrupts.
const ENTRIES_AT_ONCE: usize = 1000;

/// The indexes of a table that rows are inserted into.
pub struct Indexes {
    table: pg_sys::Relation,
    estate: *mut pg_sys::EState,
    indexes: Vec<Index>,
}

struct Index {
    relation: pg_sys::Relation,
    info: *mut pg_sys::IndexInfo,
    /// The condition of a partial index.
    predicate: *mut pg_sys::ExprState,
    unique: pg_sys::IndexUniqueCheck::Type,
    /// Where entries are collected, if they are to be sorted.
    sort: Option<*mut pg_sys::Tuplesortstate>,
}

impl Indexes {
    /// The indexes that `result` was opened with. What is collected lives in the current memory context, of
    /// `maintenance_work_mem` at most, and beyond that in temporary files.
    ///
    /// # Safety
    /// `result` is open with its indexes, and outlives this, as `estate` does.
    pub unsafe fn new(result: *mut pg_sys::ResultRelInfo, estate: *mut pg_sys::EState) -> Self {
        // SAFETY: the caller vouches for both; the arrays have as many entries as `result` says.
        unsafe {
            let count = (*result).ri_NumIndices.max(0) as usize;
            let table = (*result).ri_RelationDesc;
            let memory = pg_sys::maintenance_work_mem / count.max(1) as i32;
            let open = |nth| {
                let relation = *(*result).ri_IndexRelationDescs.add(nth);
                let info = *(*result).ri_IndexRelationInfo.add(nth);
                (*info).ii_ReadyForInserts.then(|| Index::new(table, relation, info, estate, memory))
            };
            Self { table, estate, indexes: (0..count).filter_map(open).collect() }
        }
    }

    /// Adds the entries of rows that have their places in the table.
    ///
    /// # Safety
    /// The slots hold rows of the table.
    pub unsafe fn add(&self, slots: &[*mut pg_sys::TupleTableSlot]) {
        // SAFETY: the caller vouches for the slots. Values of expressions live until the memory is reset. The
        // closure owns nothing.
        unsafe {
            for index in &self.indexes {
                guarded(|| {
                    for &slot in slots {
                        index.add(slot, self.table, self.estate);
                    }
                });
            }
        }
    }

    /// Inserts what was collected.
    pub fn finish(self) {
        for index in &self.indexes {
            if let Some(sort) = index.sort {
                // SAFETY: the sort was begun by `new`, and is ended once.
                unsafe { index.insert_sorted(sort, self.table) };
            }
        }
    }
}

impl Index {
    /// # Safety
    /// As [`Indexes::new`].
    unsafe fn new(
        table: pg_sys::Relation,
        relation: pg_sys::Relation,
        info: *mut pg_sys::IndexInfo,
        estate: *mut pg_sys::EState,
        memory: i32,
    ) -> Self {
        // SAFETY: the caller vouches for the index, which is open.
        unsafe {
            let is_btree = (*(*relation).rd_rel).relam == pg_sys::BTREE_AM_OID;
            let unique = (*(*relation).rd_index).indisunique;
            Self {
                relation,
                info,
                predicate: pg_sys::ExecPrepareQual((*info).ii_Predicate, estate),
                unique: if unique {
                    pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES
                } else {
                    pg_sys::IndexUniqueCheck::UNIQUE_CHECK_NO
                },
                sort: is_btree.then(|| compat::begin_index_sort(table, relation, memory)),
            }
        }
    }

    /// # Safety
    /// As [`Indexes::add`]; called within [`guarded`].
    unsafe fn add(
        &self,
        slot: *mut pg_sys::TupleTableSlot,
        table: pg_sys::Relation,
        estate: *mut pg_sys::EState,
    ) {
        // SAFETY: the caller vouches for the slot; the arrays are as long as any index's row.
        unsafe {
            let context = slot::expression_context(estate);
            (*context).ecxt_scantuple = slot;
            if !slot::passes(self.predicate, context) {
                return;
            }
            let mut values = [Datum::null(); pg_sys::INDEX_MAX_KEYS as usize];
            let mut nulls = [false; pg_sys::INDEX_MAX_KEYS as usize];
            raw::FormIndexDatum(self.info, slot, estate, values.as_mut_ptr(), nulls.as_mut_ptr());
            let place = &raw mut (*slot).tts_tid;
            match self.sort {
                Some(sort) => raw::tuplesort_putindextuplevalues(
                    sort,
                    self.relation,
                    place,
                    values.as_ptr(),
                    nulls.as_ptr(),
                ),
                None => {
                    raw::index_insert(
                        self.relation,
                        values.as_mut_ptr(),
                        nulls.as_mut_ptr(),
                        place,
                        table,
                        self.unique,
                        false,
                        self.info,
                    );
                }
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
