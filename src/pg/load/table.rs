//! A table open for inserts, as COPY opens it.

use super::plain::LockedInsert;
use super::route::Router;
use crate::pg::server::compat;
use crate::pg::server::node::make_node;
use crate::pg::server::own_slot::OwnSlot;
use crate::pg::server::relation::OpenRelation;
use pgrx::PgMemoryContexts;
use pgrx::pg_sys;
use std::marker::PhantomData;

/// A table open for inserts. It is closed by [`OpenTable::close`], or by the transaction's end if an error comes first.
pub(super) struct OpenTable<'i> {
    executor: Executor,
    result: *mut pg_sys::ResultRelInfo,
    /// How rows find their partitions, if it is partitioned; if not, its indexes are open.
    router: Option<Router>,
    /// Holds the plan that the executor's state refers to.
    insert: PhantomData<&'i pg_sys::PlannedStmt>,
}

/// The state of an executor that has only one table to insert into.
#[derive(Clone, Copy)]
pub(super) struct Executor {
    estate: *mut pg_sys::EState,
    expressions: *mut pg_sys::ExprContext,
}

impl Executor {
    fn new() -> Self {
        // SAFETY: both live in a memory context of their own, until the state is freed.
        unsafe {
            let estate = pg_sys::CreateExecutorState();
            Self { estate, expressions: pg_sys::MakePerTupleExprContext(estate) }
        }
    }

    /// The pointer, for the server's functions.
    pub fn as_ptr(self) -> *mut pg_sys::EState {
        self.estate
    }

    /// Where expressions over rows are evaluated.
    pub fn expressions(self) -> *mut pg_sys::ExprContext {
        self.expressions
    }

    /// The memory of the current rows.
    pub fn memory_of_rows(self) -> pg_sys::MemoryContext {
        // SAFETY: made with the state.
        unsafe { (*self.expressions).ecxt_per_tuple_memory }
    }

    /// Runs `work` with the memory that is freed with the state as the current context.
    fn in_memory<T>(self, work: impl FnOnce() -> T) -> T {
        // SAFETY: the state has such a context.
        unsafe { PgMemoryContexts::For((*self.estate).es_query_cxt).switch_to(|_| work()) }
    }
}

impl<'i> OpenTable<'i> {
    /// Opens it in the current memory context, after the server has checked the rights of the current user.
    pub fn open(insert: &'i LockedInsert) -> Self {
        let statement = insert.statement();
        compat::check_permissions(statement);
        let executor = Executor::new();
        let target = insert.target();
        let result = make_node::<pg_sys::ResultRelInfo>();
        // SAFETY: the state is new, and the statement outlives it: an insert into this entry of its range table.
        unsafe {
            compat::init_range_table(executor.as_ptr(), statement, target);
            pg_sys::ExecInitResultRelation(executor.as_ptr(), result, target);
        }
        let mut table = Self { executor, result, router: None, insert: PhantomData };
        table.open_below();
        table
    }

    /// Prepares to route rows to its partitions, or opens its indexes.
    fn open_below(&mut self) {
        if self.relation().kind() == pg_sys::RELKIND_PARTITIONED_TABLE {
            self.router = Some(Router::new(&self.target()));
        } else {
            // SAFETY: the table is open, and closed with its indexes.
            unsafe { pg_sys::ExecOpenIndices(self.result, false) };
        }
    }

    pub fn relation(&self) -> OpenRelation<'_> {
        self.target().relation()
    }

    pub fn is_partitioned(&self) -> bool {
        self.router.is_some()
    }

    /// The table itself, as a target of rows.
    pub fn target(&self) -> Target<'_> {
        Target { result: self.result, executor: self.executor, table: PhantomData }
    }

    /// The partition for the row in a slot, open with its indexes; `None` if the table is not partitioned. Raises the
    /// server's error where there is none for the row.
    ///
    /// # Safety
    /// The slot holds a row of this table.
    pub unsafe fn partition_for(&self, row: &OwnSlot) -> Option<Target<'_>> {
        let router = self.router.as_ref()?;
        // SAFETY: the row is one of the table's, whose router this is.
        let result = unsafe { router.partition_for(row) };
        Some(Target { result, executor: self.executor, table: PhantomData })
    }

    /// A slot for rows of a partitioned table, whose own kind of slot takes no tuples.
    pub fn slot_to_route(&self) -> Option<OwnSlot<'_>> {
        let relation = self.router.as_ref().map(|_| self.relation())?;
        // SAFETY: the executor's memory lives as long as the table is open.
        Some(self.executor.in_memory(|| unsafe { OwnSlot::for_tuples(relation) }))
    }

    /// Frees what expressions over rows have allocated, none of which is in use any more.
    pub fn forget_rows(&self) {
        // SAFETY: it is a context of this executor's, for just that.
        unsafe { pg_sys::MemoryContextReset(self.executor.memory_of_rows()) };
    }

    /// Closes it with its indexes and partitions; its lock stays.
    pub fn close(self) {
        let estate = self.executor.as_ptr();
        // SAFETY: it was opened by `open`. References of slots go first, as in COPY.
        unsafe {
            pg_sys::ExecResetTupleTable((*estate).es_tupleTable, false);
            if let Some(router) = self.router {
                router.close();
            }
            pg_sys::ExecCloseResultRelations(estate);
            pg_sys::ExecCloseRangeTableRelations(estate);
            pg_sys::FreeExecutorState(estate);
        }
    }
}

/// A table or partition that stores rows, open with its indexes as long as the table is open.
#[derive(Clone, Copy)]
pub(super) struct Target<'t> {
    result: *mut pg_sys::ResultRelInfo,
    pub executor: Executor,
    table: PhantomData<&'t ()>,
}

impl<'t> Target<'t> {
    /// For the server, which has one of these for each target.
    pub fn as_ptr(self) -> *mut pg_sys::ResultRelInfo {
        self.result
    }

    pub fn relation(self) -> OpenRelation<'t> {
        // SAFETY: it is open.
        unsafe { OpenRelation::new((*self.result).ri_RelationDesc) }
    }

    /// Its indexes, each with what the executor knows about it.
    pub fn indexes(self) -> impl Iterator<Item = (OpenRelation<'t>, *mut pg_sys::IndexInfo)> {
        // SAFETY: it is open; the arrays have as many entries as it says, of indexes that are open as long.
        unsafe {
            let count = (*self.result).ri_NumIndices.max(0) as usize;
            (0..count).map(move |nth| {
                let relation = *(*self.result).ri_IndexRelationDescs.add(nth);
                (OpenRelation::new(relation), *(*self.result).ri_IndexRelationInfo.add(nth))
            })
        }
    }

    /// How a partitioned table's rows become rows of this partition; null if they are the same.
    pub fn map_from_root(self) -> *mut pg_sys::AttrMap {
        // SAFETY: the partition is open, and so is what routing made for it.
        unsafe {
            let map = compat::root_to_partition_map(self.result, self.executor.as_ptr());
            map.as_ref().map_or(std::ptr::null_mut(), |map| map.attrMap)
        }
    }

    /// A slot for its rows.
    pub fn slot(self) -> OwnSlot<'t> {
        // SAFETY: the executor's memory lives as long as the table is open, for which the slot is borrowed.
        self.executor.in_memory(|| unsafe { OwnSlot::of_table(self.relation()) })
    }
}
