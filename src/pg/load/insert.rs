//! Inserting rows in bulk, straight from Arrow columns: no plan, no expressions, no copy of the rows.

use super::ROWS_AT_ONCE;
use super::leaf::{Leaf, SLOTS_KEPT, Writer};
use super::plain::{LockedInsert, partition_looks_plain};
use super::route::Router;
use super::table::OpenTable;
use crate::error::{Error, Result};
use crate::pg::server::progress::{self, Measured};
use crate::pg::server::slot::Slot;
use crate::pg::server::subtransaction;
use crate::pg::server::wal;
use crate::pg::values::feed::Feed;
use crate::pg::values::reader::{Reader, columns_of};
use crate::pg::values::tuple::{Batch, Former, Tuples};
use arrow::array::RecordBatch;
use millrace_sources::Source;
use pgrx::PgMemoryContexts;
use pgrx::pg_sys::{self, Oid};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// What became of a bulk insert.
pub enum Outcome {
    /// All rows are in each of the tables; what each took.
    Inserted(Vec<Measured>),
    /// No row is in any of them: this one of them has a partition into which only the executor can insert.
    NeedsExecutor(Oid),
}

/// Why a bulk insert ended early.
enum Stop {
    /// As [`Outcome::NeedsExecutor`].
    NeedsExecutor(Oid),
    Failed(Error),
}

type Stoppable<T> = std::result::Result<T, Stop>;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

/// Inserts `units` of a source into tables, the same rows into each. Columns that an insert does not fill are null.
pub fn bulk_insert(
    inserts: &[LockedInsert],
    name: &str,
    source: &Arc<dyn Source>,
    units: Range<u64>,
) -> Result<Outcome> {
    // Only rows show which of the partitions are used, and others may be in the tables by then.
    let may_stop =
        inserts.iter().any(LockedInsert::is_partitioned) && source.rows(units.clone()) > ROWS_AT_ONCE as u64;
    let mut memory = PgMemoryContexts::new("millrace bulk insert");
    // SAFETY: nothing of what is allocated there outlives the call, but errors, which own what they say.
    let inserted = unsafe {
        memory.switch_to(|_| {
            let load = || Load::begin(inserts, name, &source.schema())?.run(source, units);
            if may_stop { subtransaction::attempt(load) } else { load() }
        })
    };
    match inserted {
        Ok(measured) => Ok(Outcome::Inserted(measured)),
        Err(Stop::NeedsExecutor(table)) => Ok(Outcome::NeedsExecutor(table)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// A bulk insert into several tables under way.
struct Load {
    /// Which columns of the source are read.
    columns: Vec<usize>,
    tables: Vec<(Insert, Reader, Measured)>,
    /// `None` for tables that take columns, not tuples.
    formers: Vec<Option<Former>>,
}

impl Load {
    fn begin(inserts: &[LockedInsert], name: &str, schema: &arrow::datatypes::Schema) -> Result<Self> {
        let row_types = inserts.iter().map(LockedInsert::row_type).collect::<Result<Vec<_>>>()?;
        let mut columns = Vec::new();
        for row_type in &row_types {
            columns.extend(columns_of(row_type, name, schema)?);
        }
        columns.sort_unstable();
        columns.dedup();
        let (mut tables, mut formers) = (Vec::new(), Vec::new());
        for (insert, row_type) in inserts.iter().zip(&row_types) {
            let reader = Reader::new(row_type, name, schema, &columns)?;
            let mut insert = Insert::begin(insert);
            formers.push(if insert.takes_tuples() { reader.former(row_type) } else { None });
            tables.push((insert, reader, Measured::default()));
        }
        Ok(Self { columns, tables, formers })
    }

    /// Makes the rows and inserts them.
    fn run(mut self, source: &Arc<dyn Source>, units: Range<u64>) -> Stoppable<Vec<Measured>> {
        let before = progress::generation();
        let columns = std::mem::take(&mut self.columns);
        let formers = std::mem::take(&mut self.formers);
        let mut feed = Feed::ahead(source, units, columns, Arc::new(prepare(formers)))?;
        while let Some(batches) = feed.next()? {
            if let Err(stop) = self.insert(batches) {
                if matches!(stop, Stop::NeedsExecutor(_)) {
                    self.tables.into_iter().for_each(|(insert, ..)| insert.close());
                }
                return Err(stop);
            }
        }
        let generation = progress::generation().since(before);
        let finish = |(insert, _, mut measured): (Insert, Reader, Measured)| {
            measured.rows = measured.measure(|| insert.finish());
            measured.add(generation);
            measured
        };
        let measured = self.tables.into_iter().map(finish).collect();
        // SAFETY: within a transaction, the rest of which is to see the rows.
        unsafe { pg_sys::CommandCounterIncrement() };
        Ok(measured)
    }

    /// Inserts a batch as it was made for each table. All rows of a round are routed before one is inserted.
    fn insert(&mut self, batches: Vec<Batch>) -> Stoppable<()> {
        let tables = self.tables.iter_mut().zip(batches);
        let mut tables: Vec<_> = tables
            .map(|((insert, reader, measured), batch)| (insert, Rows::of(batch, reader), measured))
            .collect();
        loop {
            let mut filled = 0;
            for (insert, rows, measured) in &mut tables {
                filled += measured.measure(|| insert.fill(rows))?;
            }
            if filled == 0 {
                return Ok(());
            }
            for (insert, rows, measured) in &mut tables {
                measured.measure(|| insert.flush());
                rows.release();
            }
        }
    }
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

impl<'a> Rows<'a> {
    /// Those of a batch; `reader` reads them if they are to be read value by value.
    fn of(batch: Batch, reader: &'a mut Reader) -> Self {
        match batch {
            Batch::Tuples(tuples) => Rows::Tuples(tuples),
            Batch::Columns(batch) => {
                reader.take(&batch);
                Rows::Values(reader)
            }
        }
    }

    /// Puts the next row into a slot, in place of what it holds; false if there is none left. Converted values are
    /// in `memory`.
    ///
    /// # Safety
    /// The slot is of the table's row type, and takes tuples if the rows are. Once the rows are dropped or
    /// released, it is only cleared.
    unsafe fn next(&mut self, slot: &mut Slot, memory: &mut PgMemoryContexts) -> Result<bool> {
        // SAFETY: the caller vouches for the slot; values are of the row type that the reader was made for.
        unsafe {
            match self {
                Rows::Tuples(tuples) => {
                    let next = tuples.next();
                    if let Some((tuple, length)) = next {
                        slot.lend(tuple, length);
                    }
                    Ok(next.is_some())
                }
                Rows::Values(reader) => {
                    slot.fill(|values, nulls| memory.switch_to(|_| reader.read(values, nulls)))
                }
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

/// A bulk insert into one table under way. On an error the transaction's end cleans up.
struct Insert {
    table: OpenTable,
    writer: Writer,
    /// How rows find their partitions, if the table is partitioned.
    router: Option<Router>,
    /// Where rows go: the table itself, or its partitions as rows come for them.
    leaves: Vec<Leaf>,
    /// Which of the leaves a partition is.
    partitions: HashMap<*mut pg_sys::ResultRelInfo, usize>,
    /// Converted values of the rows at hand; emptied when they are inserted.
    converted: PgMemoryContexts,
    rows: i64,
}

impl Insert {
    fn begin(insert: &LockedInsert) -> Self {
        let table = OpenTable::open(insert);
        let (mut router, mut leaves) = (None, Vec::new());
        // SAFETY: the table is open, and closed last.
        let writer = unsafe {
            if table.is_partitioned() {
                router = Some(Router::new(&table));
            } else {
                pg_sys::ExecOpenIndices(table.result, false);
                leaves.push(Leaf::of_table(table.result, table.estate));
            }
            Writer::new(&table)
        };
        let converted = PgMemoryContexts::new("millrace converted values");
        Self { table, writer, router, leaves, partitions: HashMap::new(), converted, rows: 0 }
    }

    /// Whether rows may be formed into tuples before they come.
    fn takes_tuples(&mut self) -> bool {
        self.router.is_some() || self.leaves.iter_mut().all(|leaf| leaf.next_slot().takes_tuples())
    }

    /// Fills slots with the next rows; returns how many.
    fn fill(&mut self, rows: &mut Rows) -> Stoppable<usize> {
        let mut filled = 0;
        while filled < ROWS_AT_ONCE && self.fill_next(rows)? {
            filled += 1;
        }
        Ok(filled)
    }

    /// Puts the next row into a slot of the leaf it belongs to; false if there is none left.
    fn fill_next(&mut self, rows: &mut Rows) -> Stoppable<bool> {
        // SAFETY: slots are of the row type of the rows, which are tuples only if the slots take them. They are
        // cleared when they are flushed, and the router's is filled anew before anybody looks at it.
        unsafe {
            let Some(router) = &mut self.router else {
                let leaf = &mut self.leaves[0];
                let next = rows.next(leaf.next_slot(), &mut self.converted)?;
                leaf.filled += usize::from(next);
                return Ok(next);
            };
            if !rows.next(&mut router.row, &mut self.converted)? {
                return Ok(false);
            }
            let number = leaf_of(&mut self.leaves, &mut self.partitions, router.partition(), &self.table)?;
            self.leaves[number].take(&router.row);
            Ok(true)
        }
    }

    /// Inserts the rows in the slots.
    fn flush(&mut self) {
        let slots_each = SLOTS_KEPT / self.leaves.len();
        for leaf in &mut self.leaves {
            // SAFETY: the rows in its slots are of its row type.
            self.rows += unsafe { leaf.flush(&mut self.writer) } as i64;
            leaf.keep_slots(slots_each);
        }
        wal::flush_ahead();
        self.table.forget_rows();
        // SAFETY: the converted values were in the slots.
        unsafe { self.converted.reset() };
    }

    /// Ends the insert; returns how many rows it inserted.
    fn finish(mut self) -> i64 {
        self.leaves.drain(..).for_each(Leaf::finish);
        let rows = self.rows;
        self.close();
        rows
    }

    /// Closes what is open.
    fn close(self) {
        // Their slots first, as those of the executor's state.
        drop(self.leaves);
        self.writer.close();
        self.table.close(|| {
            if let Some(router) = self.router {
                router.close();
            }
        });
    }
}

/// Which of the leaves a partition is, that the router has found for a row of a table.
///
/// # Safety
/// The partition is open, and closed after the leaves.
unsafe fn leaf_of(
    leaves: &mut Vec<Leaf>,
    partitions: &mut HashMap<*mut pg_sys::ResultRelInfo, usize>,
    partition: *mut pg_sys::ResultRelInfo,
    table: &OpenTable,
) -> Stoppable<usize> {
    let next = leaves.len();
    let number = *partitions.entry(partition).or_insert(next);
    if number == next {
        // SAFETY: the caller vouches for the partition.
        unsafe {
            if !partition_looks_plain(partition) {
                return Err(Stop::NeedsExecutor((*table.relation()).rd_id));
            }
            leaves.push(Leaf::of_partition(partition, table.estate));
        }
    }
    Ok(number)
}
