//! Inserting rows in bulk, straight from Arrow columns: no plan, no expressions, no copy of the rows.

use super::ROWS_AT_ONCE;
use super::leaf::{Leaf, SLOTS_KEPT, Writer};
use super::plain::{LockedInsert, partition_looks_plain};
use super::table::{OpenTable, Target};
use crate::error::{Error, Result};
use crate::pg::server::own_slot::OwnSlot;
use crate::pg::server::progress::{self, Measured};
use crate::pg::server::subtransaction;
use crate::pg::server::wal;
use crate::pg::values::feed::Feed;
use crate::pg::values::reader::{Reader, columns_of};
use crate::pg::values::tuple::{Batch, Former, Tuples};
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use millrace_sources::Source;
use pgrx::PgMemoryContexts;
use pgrx::pg_sys::{self, Oid};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// What became of a bulk insert.
pub enum Outcome {
    /// All rows are in each of the tables; what was measured for each.
    Inserted(Vec<Measured>),
    /// No row is in any of them: this table has a partition into which only the executor can insert.
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
    // Only the rows show which partitions are used, and by then others may be in the tables.
    let may_stop =
        inserts.iter().any(LockedInsert::is_partitioned) && source.rows(units.clone()) > ROWS_AT_ONCE as u64;
    let mut memory = PgMemoryContexts::new("millrace bulk insert");
    // SAFETY: nothing that is allocated there outlives the call, except errors, which own their texts.
    let inserted = unsafe {
        memory.switch_to(|_| {
            let load = || load(inserts, name, source, units);
            if may_stop { subtransaction::attempt(load) } else { load() }
        })
    };
    match inserted {
        Ok(measured) => Ok(Outcome::Inserted(measured)),
        Err(Stop::NeedsExecutor(table)) => Ok(Outcome::NeedsExecutor(table)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Opens the tables, inserts the rows, and closes the tables. After an error, the transaction's end closes them.
fn load(
    inserts: &[LockedInsert],
    name: &str,
    source: &Arc<dyn Source>,
    units: Range<u64>,
) -> Stoppable<Vec<Measured>> {
    let tables: Vec<_> = inserts.iter().map(OpenTable::open).collect();
    let mut load = Load::begin(&tables, inserts, name, &source.schema())?;
    let done = match load.run(source, units) {
        Err(stop @ Stop::Failed(_)) => return Err(stop),
        Err(stop @ Stop::NeedsExecutor(_)) => {
            load.close();
            Err(stop)
        }
        Ok(()) => Ok(load.finish()),
    };
    tables.into_iter().for_each(OpenTable::close);
    if done.is_ok() {
        // SAFETY: within a transaction; what follows in it must see the rows.
        unsafe { pg_sys::CommandCounterIncrement() };
    }
    done
}

/// A bulk insert in progress into several open tables.
struct Load<'t> {
    /// Which columns of the source are read.
    columns: Vec<usize>,
    tables: Vec<(Insert<'t>, Reader, Measured)>,
    /// `None` for tables that take columns, not tuples.
    formers: Vec<Option<Former>>,
}

impl<'t> Load<'t> {
    fn begin(tables: &'t [OpenTable], inserts: &[LockedInsert], name: &str, schema: &Schema) -> Result<Self> {
        let row_types = inserts.iter().map(LockedInsert::row_type).collect::<Result<Vec<_>>>()?;
        let mut columns = Vec::new();
        for row_type in &row_types {
            columns.extend(columns_of(row_type, name, schema)?);
        }
        columns.sort_unstable();
        columns.dedup();
        let mut load = Self { columns, tables: Vec::new(), formers: Vec::new() };
        for (table, row_type) in tables.iter().zip(&row_types) {
            let reader = Reader::new(row_type, name, schema, &load.columns)?;
            let mut insert = Insert::begin(table);
            load.formers.push(if insert.takes_tuples() { reader.former(row_type) } else { None });
            load.tables.push((insert, reader, Measured::default()));
        }
        Ok(load)
    }

    /// Makes the rows and inserts them.
    fn run(&mut self, source: &Arc<dyn Source>, units: Range<u64>) -> Stoppable<()> {
        let before = progress::generation();
        let columns = std::mem::take(&mut self.columns);
        let formers = std::mem::take(&mut self.formers);
        let mut feed = Feed::ahead(source, units, columns, Arc::new(prepare(formers)))?;
        while let Some(batches) = feed.next()? {
            self.insert(batches)?;
        }
        let generation = progress::generation().since(before);
        self.tables.iter_mut().for_each(|(.., measured)| measured.add(generation));
        Ok(())
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

    /// Inserts what is left to insert; returns what was measured for each table.
    fn finish(self) -> Vec<Measured> {
        let finish = |(insert, _, mut measured): (Insert, Reader, Measured)| {
            measured.rows = measured.measure(|| insert.finish());
            measured
        };
        self.tables.into_iter().map(finish).collect()
    }

    /// Leaves the rest undone.
    fn close(self) {
        self.tables.into_iter().for_each(|(insert, ..)| insert.close());
    }
}

/// Turns a batch into the form that each table takes: tuples, or columns where there is no former.
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
    /// The slot is of the table that the rows were made for. Once they are dropped or released, it is only cleared.
    unsafe fn next(&mut self, slot: &mut OwnSlot, memory: &mut PgMemoryContexts) -> Result<bool> {
        // SAFETY: former and reader make rows of the table's row type, which stay as long as is asked for above.
        unsafe {
            match self {
                Rows::Tuples(tuples) => {
                    Ok(tuples.next().is_some_and(|(tuple, length)| slot.lend(tuple, length)))
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

/// A bulk insert in progress into one table.
struct Insert<'t> {
    table: &'t OpenTable<'t>,
    writer: Writer,
    /// The row to find the partition of, if the table is partitioned.
    routed: Option<OwnSlot<'t>>,
    /// Where rows go: the table itself, or those partitions that rows have come for.
    leaves: Vec<Leaf<'t>>,
    /// Which of the leaves a partition is.
    partitions: HashMap<*mut pg_sys::ResultRelInfo, usize>,
    /// Converted values of the rows in the slots; emptied when those are inserted.
    converted: PgMemoryContexts,
    rows: i64,
}

impl<'t> Insert<'t> {
    fn begin(table: &'t OpenTable) -> Self {
        let routed = table.slot_to_route();
        let leaves = if routed.is_none() { vec![Leaf::of_table(table.target())] } else { Vec::new() };
        let converted = PgMemoryContexts::new("millrace converted values");
        let (writer, partitions) = (Writer::new(table), HashMap::new());
        Self { table, writer, routed, leaves, partitions, converted, rows: 0 }
    }

    /// Whether rows may be formed into tuples before they come.
    fn takes_tuples(&mut self) -> bool {
        self.routed.is_some() || self.leaves.iter_mut().all(Leaf::takes_tuples)
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
        let Self { table, routed, leaves, partitions, converted, .. } = self;
        // SAFETY: the rows and the slots were made for this table. The slots are cleared when they are flushed, before
        // the rows go, and the one that is routed is filled anew before anybody looks at it. After an error nobody does.
        unsafe {
            let Some(row) = routed else {
                return Ok(leaves[0].fill(|slot| rows.next(slot, converted))?);
            };
            if !rows.next(row, converted)? {
                return Ok(false);
            }
            if let Some(partition) = table.partition_for(row) {
                leaf_of(leaves, partitions, partition, table)?.take(row);
            }
            Ok(true)
        }
    }

    /// Inserts the rows in the slots.
    fn flush(&mut self) {
        let slots_each = SLOTS_KEPT / self.leaves.len();
        for leaf in &mut self.leaves {
            self.rows += leaf.flush(&mut self.writer) as i64;
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

    /// Gives back what it holds.
    fn close(self) {
        self.writer.close();
    }
}

/// The leaf of the partition that a row of a table belongs to.
fn leaf_of<'l, 't>(
    leaves: &'l mut Vec<Leaf<'t>>,
    partitions: &mut HashMap<*mut pg_sys::ResultRelInfo, usize>,
    partition: Target<'t>,
    table: &OpenTable,
) -> Stoppable<&'l mut Leaf<'t>> {
    let next = leaves.len();
    let number = *partitions.entry(partition.as_ptr()).or_insert(next);
    if number == next {
        if !partition_looks_plain(partition) {
            return Err(Stop::NeedsExecutor(table.relation().oid()));
        }
        leaves.push(Leaf::of_partition(partition));
    }
    Ok(&mut leaves[number])
}
