//! Inserting rows in bulk, straight from Arrow columns: no plan, no expressions, no copy of the rows.

use super::leaf::{Leaf, SLOTS_KEPT};
use super::path::looks_plain;
use super::route::Router;
use super::{KEEP_LOCK, ROW_EXCLUSIVE, ROWS_AT_ONCE};
use crate::error::{Error, Result};
use crate::pg::server::progress::{self, Measured};
use crate::pg::server::slot::{self, palloc_node};
use crate::pg::server::text::from_c_string;
use crate::pg::server::wal;
use crate::pg::values::feed::Feed;
use crate::pg::values::reader::{Reader, columns_of};
use crate::pg::values::row_type::RowType;
use crate::pg::values::tuple::{Batch, Former, Tuples};
use arrow::array::RecordBatch;
use millrace_sources::Source;
use pgrx::pg_sys::{self, Datum, NodeTag, Oid};
use std::collections::HashMap;
use std::ffi::CStr;
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::Arc;

/// # Safety
/// `relation` is open.
unsafe fn relation_name(relation: pg_sys::Relation) -> String {
    // SAFETY: the caller vouches for the relation; a name ends with a zero byte.
    from_c_string(unsafe { CStr::from_ptr((*(*relation).rd_rel).relname.data.as_ptr()) })
}

/// Inserts `units` of a source into tables that take rows in bulk, the same rows into each; returns what
/// each took. Columns the source does not have are null.
pub fn bulk_insert(
    tables: &[Oid],
    name: &str,
    source: Box<dyn Source>,
    units: Range<u64>,
) -> Result<Vec<Measured>> {
    let schema = source.schema();
    let mut row_types = Vec::new();
    let mut columns = Vec::new();
    for &table in tables {
        let row_type =
            RowType::of_table(table).ok_or_else(|| Error::UnknownTarget(table.to_u32().to_string()))?;
        columns.extend(columns_of(&row_type, name, &schema)?);
        row_types.push((table, row_type));
    }
    columns.sort_unstable();
    columns.dedup();
    let (mut loads, mut formers) = (Vec::new(), Vec::new());
    for (table, row_type) in &row_types {
        let insert = Insert::begin(*table);
        let reader = Reader::new(row_type, name, &schema, &columns)?;
        formers.push(if insert.takes_tuples() { reader.former(row_type) } else { None });
        loads.push((insert, reader, Measured::default()));
    }
    let before = progress::generation();
    let mut feed = Feed::ahead(source, units, columns, Arc::new(prepare(formers)))?;
    while let Some(batches) = feed.next()? {
        for ((insert, reader, measured), batch) in loads.iter_mut().zip(batches) {
            measured.measure(|| insert.insert(batch, reader))?;
        }
    }
    let generation = progress::generation().since(before);
    let finish = |(insert, _, mut measured): (Insert, Reader, Measured)| {
        measured.rows = measured.measure(|| insert.finish());
        measured.add(generation);
        measured
    };
    Ok(loads.into_iter().map(finish).collect())
}

/// Makes of a batch what each table takes; null formers are for tables that take columns.
fn prepare(formers: Vec<Option<Former>>) -> impl Fn(RecordBatch) -> Result<Vec<Batch>> {
    move |batch| {
        let prepare = |former: &Option<Former>| match former {
            Some(former) => former.form(&batch),
            None => Ok(Batch::Columns(batch.clone())),
        };
        formers.iter().map(prepare).collect()
    }
}

/// Rows on their way into slots.
enum Rows<'a> {
    Tuples(Tuples),
    Values(&'a mut Reader),
}

impl Rows<'_> {
    /// Puts the next row into an empty slot; false if there is none left. Converted values are in `memory`.
    ///
    /// # Safety
    /// `slot` is of the table's row type, for heap tuples if the rows are. It is emptied before the rows are
    /// dropped or released.
    unsafe fn next(
        &mut self,
        slot: *mut pg_sys::TupleTableSlot,
        memory: pg_sys::MemoryContext,
    ) -> Result<bool> {
        // SAFETY: the caller vouches for the slot.
        unsafe {
            match self {
                Rows::Tuples(tuples) => {
                    let Some((tuple, length)) = tuples.next() else { return Ok(false) };
                    slot::lend(slot, tuple, length);
                    Ok(true)
                }
                Rows::Values(reader) => read(reader, slot, memory),
            }
        }
    }

    /// As [`Reader::release`].
    fn release(&mut self) {
        if let Rows::Values(reader) = self {
            reader.release();
        }
    }
}

/// A bulk insert under way. On an error the transaction's end cleans up.
struct Insert {
    relation: pg_sys::Relation,
    estate: *mut pg_sys::EState,
    result: *mut pg_sys::ResultRelInfo,
    /// How rows find their partitions, if the table is partitioned, and the row that is being routed.
    router: Option<(Router, *mut pg_sys::TupleTableSlot)>,
    /// Where rows go: the table itself, or its partitions as rows come for them.
    leaves: Vec<Leaf>,
    /// Which of the leaves a partition is.
    partitions: HashMap<*mut pg_sys::ResultRelInfo, usize>,
    /// Converted values of the rows at hand; emptied when they are inserted.
    memory: pg_sys::MemoryContext,
    rows: i64,
}

impl Insert {
    fn begin(table: Oid) -> Self {
        // SAFETY: everything is made in the current memory context and transaction, which outlive the
        // insert. Range table index 0 says that the relation is not of a query.
        unsafe {
            let relation = pg_sys::table_open(table, ROW_EXCLUSIVE);
            let estate = pg_sys::CreateExecutorState();
            let result = palloc_node::<pg_sys::ResultRelInfo>(NodeTag::T_ResultRelInfo);
            pg_sys::InitResultRelInfo(result, relation, 0, null_mut(), 0);
            let (mut router, mut leaves) = (None, Vec::new());
            if (*(*relation).rd_rel).relkind as u8 == pg_sys::RELKIND_PARTITIONED_TABLE {
                // The slot of a partitioned table itself takes no tuples.
                let slot =
                    pg_sys::MakeSingleTupleTableSlot((*relation).rd_att, &raw const pg_sys::TTSOpsHeapTuple);
                router = Some((Router::new(result, estate), slot));
            } else {
                pg_sys::ExecOpenIndices(result, false);
                leaves.push(Leaf::of_table(result, estate));
            }
            let memory = pg_sys::AllocSetContextCreateExtended(
                pg_sys::CurrentMemoryContext,
                c"millrace insert".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            );
            let partitions = HashMap::new();
            Self { relation, estate, result, router, leaves, partitions, memory, rows: 0 }
        }
    }

    /// Whether rows may be formed into tuples before they come.
    fn takes_tuples(&self) -> bool {
        self.router.is_some() || self.leaves.iter().all(|leaf| leaf.is_heap)
    }

    /// Inserts the rows of a batch; those to be read value by value are read by `reader`.
    fn insert(&mut self, batch: Batch, reader: &mut Reader) -> Result<()> {
        let mut rows = match batch {
            Batch::Tuples(tuples) => Rows::Tuples(tuples),
            Batch::Columns(batch) => {
                reader.take(&batch);
                Rows::Values(reader)
            }
        };
        while self.fill(&mut rows)? > 0 {
            self.flush();
            rows.release();
        }
        Ok(())
    }

    /// Fills slots with the next rows; returns how many.
    fn fill(&mut self, rows: &mut Rows) -> Result<usize> {
        let mut filled = 0;
        while filled < ROWS_AT_ONCE && self.fill_next(rows)? {
            filled += 1;
        }
        Ok(filled)
    }

    /// Puts the next row into a slot of the leaf it belongs to; false if there is none left.
    fn fill_next(&mut self, rows: &mut Rows) -> Result<bool> {
        // SAFETY: the slots are of the row type of the rows, which are tuples only if the slots take them. The
        // slots are emptied when they are flushed, and the router's before it is filled.
        unsafe {
            let Some((router, row)) = &self.router else {
                let leaf = &mut self.leaves[0];
                let next = rows.next(leaf.next_slot(), self.memory)?;
                leaf.filled += usize::from(next);
                return Ok(next);
            };
            let row = slot::take_back(*row);
            if !rows.next(row, self.memory)? {
                return Ok(false);
            }
            let partition = router.partition(row);
            self.leaf_of(partition)?.take(row);
            Ok(true)
        }
    }

    /// # Safety
    /// `partition` comes from the router.
    unsafe fn leaf_of(&mut self, partition: *mut pg_sys::ResultRelInfo) -> Result<&mut Leaf> {
        let next = self.leaves.len();
        let number = *self.partitions.entry(partition).or_insert(next);
        if number == next {
            // SAFETY: the router has opened the partition, with its indexes.
            unsafe {
                // It may have been attached since the path was chosen.
                if !looks_plain((*partition).ri_RelationDesc) {
                    return Err(Error::NewPartition(relation_name((*partition).ri_RelationDesc)));
                }
                self.leaves.push(Leaf::of_partition(partition, self.estate));
            }
        }
        Ok(&mut self.leaves[number])
    }

    /// Inserts the rows in the slots.
    fn flush(&mut self) {
        // SAFETY: what checks and index expressions allocated is not used any more, nor are converted values.
        unsafe {
            let slots_each = SLOTS_KEPT / self.leaves.len();
            for leaf in &mut self.leaves {
                self.rows += leaf.flush(self.estate) as i64;
                leaf.keep_slots(slots_each);
            }
            wal::flush_ahead();
            let context = (*self.estate).es_per_tuple_exprcontext;
            if !context.is_null() {
                pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
            }
            pg_sys::MemoryContextReset(self.memory);
        }
    }

    /// Ends the insert and makes its rows visible to the rest of the transaction.
    fn finish(self) -> i64 {
        // SAFETY: what was made is given back once. The lock stays to the end of the transaction.
        unsafe {
            for leaf in self.leaves {
                leaf.finish();
            }
            match self.router {
                Some((router, row)) => {
                    router.close();
                    slot::take_back(row);
                    pg_sys::ExecDropSingleTupleTableSlot(row);
                }
                None => pg_sys::ExecCloseIndices(self.result),
            }
            pg_sys::FreeExecutorState(self.estate);
            pg_sys::MemoryContextDelete(self.memory);
            pg_sys::relation_close(self.relation, KEEP_LOCK);
            pg_sys::CommandCounterIncrement();
        }
        self.rows
    }
}

/// Reads the next row into an empty slot; false if there is none left. Converted values are in `memory`.
///
/// # Safety
/// `slot` is of the row type that the reader's fields are of.
unsafe fn read(
    reader: &mut Reader,
    slot: *mut pg_sys::TupleTableSlot,
    memory: pg_sys::MemoryContext,
) -> Result<bool> {
    // SAFETY: the caller vouches for the slot.
    unsafe {
        let (values, nulls) = slot::row(slot);
        values.fill(Datum::null());
        nulls.fill(true);
        let before = pg_sys::MemoryContextSwitchTo(memory);
        let read = reader.read(values, nulls);
        pg_sys::MemoryContextSwitchTo(before);
        slot::store_virtual(slot);
        read
    }
}
