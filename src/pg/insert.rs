//! Inserting rows in bulk, straight from Arrow columns: no plan, no expressions, no copy of the rows.

use super::activity::{self, Inserted, Path};
use super::cluster;
use super::compat;
use super::feed::Feed;
use super::growth::Growth;
use super::index::Indexes;
use super::raw::{self, guarded};
use super::route::Router;
use super::row::{Reader, RowType, columns_of};
use super::slot::{self, palloc_node};
use super::tuple::{Former, Tuples};
use super::wal;
use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use millrace_sources::Source;
use pgrx::PgList;
use pgrx::pg_sys::{self, Datum, NodeTag, Oid};
use std::collections::HashMap;
use std::ffi::{CStr, c_char};
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::Arc;

const ROW_EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
/// To close what was opened, but to keep its lock to the end of the transaction.
const KEEP_LOCK: pg_sys::LOCKMODE = pg_sys::NoLock as pg_sys::LOCKMODE;

/// The path for a table whose columns the source fills all.
///
/// In bulk go rows that nothing but constraints and indexes looks at: no trigger, no row security, no
/// rule, no view, no foreign table, no exclusion constraint, in the table and all its partitions. All tables
/// of Cloudberry, where rows must reach their segments, go to the executor.
pub fn path(table: Oid) -> Path {
    // SAFETY: the catalogs are read on the backend's only thread; the list is the server's, and
    // names the table itself first.
    unsafe {
        if cluster::is_cluster() || !may_insert_unfiltered(table) {
            return Path::Executor;
        }
        let family = guarded(|| raw::find_all_inheritors(table, ROW_EXCLUSIVE, null_mut()));
        let family = PgList::<Oid>::from_pg(family);
        // Heirs that are no partitions take none of the rows.
        let is_partitioned = pg_sys::get_rel_relkind(table) == pg_sys::RELKIND_PARTITIONED_TABLE as c_char;
        let tables = if is_partitioned { family.len() } else { 1 };
        if family.iter_oid().take(tables).all(is_plain) { Path::Bulk } else { Path::Executor }
    }
}

/// As [`looks_plain`]; the table is locked from now on.
fn is_plain(table: Oid) -> bool {
    // SAFETY: the relation is open while it is looked at.
    unsafe {
        let relation = pg_sys::try_relation_open(table, ROW_EXCLUSIVE);
        if relation.is_null() {
            return false;
        }
        let plain = looks_plain(relation);
        pg_sys::relation_close(relation, KEEP_LOCK);
        plain
    }
}

/// Whether a relation is a table, and nothing but constraints and indexes looks at its rows.
///
/// # Safety
/// `relation` is open.
unsafe fn looks_plain(relation: pg_sys::Relation) -> bool {
    // SAFETY: the caller vouches for the relation.
    unsafe {
        let kind = (*(*relation).rd_rel).relkind as u8;
        [pg_sys::RELKIND_RELATION, pg_sys::RELKIND_PARTITIONED_TABLE].contains(&kind)
            && !has_insert_triggers((*relation).trigdesc)
            && (*relation).rd_rules.is_null()
            && !has_exclusion_constraint(relation)
    }
}

/// # Safety
/// `triggers` is null or an open relation's.
unsafe fn has_insert_triggers(triggers: *const pg_sys::TriggerDesc) -> bool {
    // SAFETY: the caller vouches for the pointer.
    unsafe { triggers.as_ref() }.is_some_and(|triggers| {
        triggers.trig_insert_before_row
            || triggers.trig_insert_after_row
            || triggers.trig_insert_instead_row
            || triggers.trig_insert_before_statement
            || triggers.trig_insert_after_statement
            || triggers.trig_insert_new_table
    })
}

/// # Safety
/// `relation` is open.
unsafe fn has_exclusion_constraint(relation: pg_sys::Relation) -> bool {
    // SAFETY: the caller vouches for the relation, whose lock keeps its indexes from being dropped.
    unsafe {
        let indexes = PgList::<Oid>::from_pg(pg_sys::RelationGetIndexList(relation));
        indexes.iter_oid().any(|index| {
            let index = pg_sys::index_open(index, ROW_EXCLUSIVE);
            let excludes = (*(*index).rd_index).indisexclusion;
            pg_sys::index_close(index, KEEP_LOCK);
            excludes
        })
    }
}

/// Whether the current user may insert into all columns, and any row.
fn may_insert_unfiltered(table: Oid) -> bool {
    // SAFETY: both look up catalogs and raise no error for a table that exists.
    unsafe {
        let granted =
            pg_sys::pg_class_aclcheck(table, pg_sys::GetUserId(), pg_sys::ACL_INSERT as pg_sys::AclMode);
        granted == pg_sys::AclResult::ACLCHECK_OK
            && pg_sys::check_enable_rls(table, Oid::INVALID, true)
                != pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
    }
}

/// Rows that go to the access method at once, about as many as COPY hands over.
const ROWS_AT_ONCE: usize = 1024;

/// Inserts `units` of a source into tables whose path is [`Path::Bulk`], the same rows into each; returns what
/// each took. Columns the source does not have are null.
pub fn bulk_insert(
    tables: &[Oid],
    name: &str,
    source: Box<dyn Source>,
    units: Range<u64>,
) -> Result<Vec<Inserted>> {
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
        loads.push((insert, reader, Inserted::none(Path::Bulk)));
    }
    let before = activity::generation();
    let mut feed = Feed::ahead(source, units, columns, Arc::new(prepare(formers)))?;
    while let Some(batches) = feed.next()? {
        for ((insert, reader, inserted), batch) in loads.iter_mut().zip(batches) {
            inserted.measure(|| insert.insert(batch, reader))?;
        }
    }
    let generation = activity::generation().since(before);
    let finish = |(insert, _, mut inserted): (Insert, Reader, Inserted)| {
        inserted.rows = inserted.measure(|| insert.finish());
        inserted.add(generation);
        inserted
    };
    Ok(loads.into_iter().map(finish).collect())
}

/// Rows of a batch for one of the tables.
enum Batch {
    /// As the table stores them.
    Tuples(Tuples),
    /// To be read value by value.
    Columns(RecordBatch),
}

/// Makes of a batch what each table takes; null formers are for tables that take columns.
fn prepare(formers: Vec<Option<Former>>) -> impl Fn(RecordBatch) -> std::result::Result<Vec<Batch>, Error> {
    move |batch| {
        let prepare = |former: &Option<Former>| match former {
            Some(former) => former.form(&batch).map(Batch::Tuples),
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
                    return Err(Error::NewPartition(relation_name((*partition).ri_RelationDesc)).into());
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

/// # Safety
/// `relation` is open.
unsafe fn relation_name(relation: pg_sys::Relation) -> String {
    // SAFETY: the caller vouches for the relation; a name ends with a zero byte.
    unsafe { CStr::from_ptr((*(*relation).rd_rel).relname.data.as_ptr()) }.to_string_lossy().into_owned()
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

/// A table without partitions, and rows on their way into it.
struct Leaf {
    result: *mut pg_sys::ResultRelInfo,
    indexes: Indexes,
    /// From the partitioned table's row type to its own; null if that is the same.
    map: *mut pg_sys::TupleConversionMap,
    /// Whether rows that were not routed here must be checked to belong here.
    is_bounded: bool,
    /// Whether it is one of several.
    is_routed: bool,
    /// Whether it is stored as a heap, whose slots take tuples.
    is_heap: bool,
    growth: Option<Growth>,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    /// How many of the slots are filled.
    filled: usize,
    state: pg_sys::BulkInsertState,
    command: pg_sys::CommandId,
}

/// Slots that stay in memory while no row is in them, over all leaves.
const SLOTS_KEPT: usize = 4 * ROWS_AT_ONCE;

impl Leaf {
    /// # Safety
    /// `result` is open with its indexes.
    unsafe fn of_table(result: *mut pg_sys::ResultRelInfo, estate: *mut pg_sys::EState) -> Self {
        // SAFETY: the caller vouches for the relation.
        unsafe {
            let relation = (*result).ri_RelationDesc;
            let is_heap = (*relation).rd_tableam == pg_sys::GetHeapamTableAmRoutine();
            Self {
                result,
                indexes: Indexes::new(result, estate),
                map: null_mut(),
                is_bounded: (*(*relation).rd_rel).relispartition,
                is_routed: false,
                is_heap,
                growth: if is_heap { Growth::new(relation) } else { None },
                slots: Vec::with_capacity(ROWS_AT_ONCE),
                filled: 0,
                state: pg_sys::GetBulkInsertState(),
                command: pg_sys::GetCurrentCommandId(true),
            }
        }
    }

    /// # Safety
    /// As [`Leaf::of_table`]; `result` is a partition that a router found.
    unsafe fn of_partition(result: *mut pg_sys::ResultRelInfo, estate: *mut pg_sys::EState) -> Self {
        // SAFETY: the caller vouches for the relation.
        unsafe {
            let map = compat::root_to_partition_map(result, estate);
            Self { map, is_bounded: false, is_routed: true, ..Self::of_table(result, estate) }
        }
    }

    /// The next slot to fill, empty.
    fn next_slot(&mut self) -> *mut pg_sys::TupleTableSlot {
        if self.filled == self.slots.len() {
            // SAFETY: the relation is open.
            self.slots.push(unsafe { pg_sys::table_slot_create((*self.result).ri_RelationDesc, null_mut()) });
        }
        self.slots[self.filled]
    }

    /// Takes over a row of the partitioned table, which stays where it is.
    ///
    /// # Safety
    /// `row` holds a row of the partitioned table, and is a slot for heap tuples.
    unsafe fn take(&mut self, row: *mut pg_sys::TupleTableSlot) {
        let slot = self.next_slot();
        // SAFETY: the caller vouches for the row; without a map both slots are of the same width.
        unsafe {
            if let Some(map) = self.map.as_ref() {
                guarded(|| raw::execute_attr_map_slot(map.attrMap, row, slot));
            } else if let Some((tuple, length)) = slot::lent(row).filter(|_| self.is_heap) {
                slot::lend(slot, tuple, length);
            } else {
                slot::read_all(row);
                let ((from, from_nulls), (to, to_nulls)) = (slot::row(row), slot::row(slot));
                to.copy_from_slice(from);
                to_nulls.copy_from_slice(from_nulls);
                slot::store_virtual(slot);
            }
        }
        self.filled += 1;
    }

    /// Checks the rows in the slots, hands them to the access method, then to the indexes. Returns how many.
    ///
    /// # Safety
    /// The filled slots hold rows of the table.
    unsafe fn flush(&mut self, estate: *mut pg_sys::EState) -> usize {
        let filled = std::mem::take(&mut self.filled);
        if filled == 0 {
            return 0;
        }
        let slots = &mut self.slots[..filled];
        let (result, command, state) = (self.result, self.command, self.state);
        let (is_bounded, is_heap) = (self.is_bounded, self.is_heap);
        // SAFETY: the caller vouches for the slots; the access method of a table can insert. The closure owns
        // nothing.
        unsafe {
            let relation = (*result).ri_RelationDesc;
            if let Some(growth) = &mut self.growth {
                growth.make_room(slots);
            }
            guarded(|| {
                let constraints = (*(*relation).rd_att).constr.as_ref();
                for &mut slot in &mut *slots {
                    (*slot).tts_tableOid = (*relation).rd_id;
                    if constraints.is_some_and(|constraints| {
                        constraints.num_check > 0 || !(is_heap && slot::is_free_of_nulls(slot))
                    }) {
                        raw::ExecConstraints(result, slot, estate);
                    }
                    if is_bounded {
                        raw::ExecPartitionCheck(result, slot, estate, true);
                    }
                }
                if let Some(multi_insert) = (*(*relation).rd_tableam).multi_insert {
                    multi_insert(relation, slots.as_mut_ptr(), slots.len() as i32, command, 0, state);
                }
            });
            if let Some(growth) = &mut self.growth {
                growth.note(slots);
            }
            self.indexes.add(slots);
            for &mut slot in slots {
                if self.is_heap {
                    slot::take_back(slot)
                } else {
                    slot::clear(slot)
                };
            }
            if self.is_routed {
                // Many leaves would pin many buffers.
                pg_sys::ReleaseBulkInsertStatePin(self.state);
            }
        }
        filled
    }

    /// Drops all but so many slots.
    fn keep_slots(&mut self, count: usize) {
        for slot in self.slots.drain(count.min(self.slots.len())..) {
            // SAFETY: the slot was made by `next_slot` and is used no more.
            unsafe { pg_sys::ExecDropSingleTupleTableSlot(slot) };
        }
    }

    /// Inserts the index entries that were collected, and gives back what was made; whoever opened the
    /// relation closes it.
    ///
    /// # Safety
    /// No slot is filled.
    unsafe fn finish(mut self) {
        self.keep_slots(0);
        self.indexes.finish();
        if let Some(growth) = self.growth {
            growth.finish();
        }
        // SAFETY: the relation is still open; the state is given back once.
        unsafe {
            let relation = (*self.result).ri_RelationDesc;
            if let Some(finish) = (*(*relation).rd_tableam).finish_bulk_insert {
                guarded(|| finish(relation, 0));
            }
            pg_sys::FreeBulkInsertState(self.state);
        }
    }
}
