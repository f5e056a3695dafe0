//! Inserts that are plain: rows go into the table, and nothing but constraints and indexes looks at them.
//!
//! The server says so. Its planner, with whatever hooks it, plans `INSERT INTO t (columns) VALUES ($1, ...)`, and
//! only if that gives an insert of just these values into just this table may rows go there in bulk: a distributed
//! table, a hypertable, a view, a rule or a policy all show in the plan. What does not is looked at here. The server's
//! cache of plans notices when the plan no longer holds.

use super::{NO_LOCK, ROW_EXCLUSIVE};
use crate::error::{Error, Result};
use crate::pg::server::cluster;
use crate::pg::server::compat;
use crate::pg::server::prepared::{Plan, Prepared};
use crate::pg::values::row_type::{Attribute, RowType};
use pgrx::PgList;
use pgrx::pg_sys::{self, NodeTag, Oid};
use std::ffi::{CStr, CString};

/// An insert into a table that is known to be a plain one.
pub struct PlainInsert {
    table: Oid,
    /// Those that it fills.
    columns: Vec<String>,
    statement: Prepared,
    /// That of the plan which was looked at.
    generation: i32,
}

/// A plain insert that stays one until the transaction ends, because its table is locked.
pub struct LockedInsert<'a> {
    insert: &'a PlainInsert,
    /// Holds the statement.
    _plan: Plan,
    statement: *const pg_sys::PlannedStmt,
}

impl PlainInsert {
    /// Has the server plan an insert that fills some columns of a table; `None` if it is not a plain one, and
    /// the executor must do it. The table is locked as by an insert.
    pub fn plan(table: Oid, columns: &[String]) -> Result<Option<Self>> {
        // SAFETY: any OID may be locked.
        unsafe { pg_sys::LockRelationOid(table, ROW_EXCLUSIVE) };
        let row_type = row_type(table, columns)?;
        // The planner has no say in how a cluster's rows reach their segments.
        if cluster::is_cluster() || !table_looks_plain(table) {
            return Ok(None);
        }
        let filled = row_type.attributes();
        let mut types: Vec<_> = filled.iter().map(|attribute| attribute.oid).collect();
        let statement = Prepared::new(&insert_values(table, &filled), &mut types)?;
        let plan = statement.plan();
        // SAFETY: the plan is held meanwhile.
        let is_plain = plan.statement().is_some_and(|plan| unsafe { plan_is_plain(plan, table, &filled) });
        let generation = plan.generation();
        drop(plan);
        Ok(is_plain.then(|| Self { table, columns: columns.to_vec(), statement, generation }))
    }

    /// Locks the table, as an insert does, for the rest of the transaction; `None` if the insert must be
    /// planned anew, since the table, the current role or something else has changed that the plan depends on.
    pub fn lock(&self) -> Option<LockedInsert<'_>> {
        // SAFETY: any OID may be locked. From now on nobody else can change the table.
        unsafe { pg_sys::LockRelationOid(self.table, ROW_EXCLUSIVE) };
        if !self.statement.is_valid() {
            return None;
        }
        let plan = self.statement.plan();
        let statement = plan.statement().filter(|_| plan.generation() == self.generation)?;
        Some(LockedInsert { insert: self, _plan: plan, statement })
    }
}

impl LockedInsert<'_> {
    pub fn table(&self) -> Oid {
        self.insert.table
    }

    /// What it fills.
    pub(super) fn row_type(&self) -> Result<RowType> {
        row_type(self.table(), &self.insert.columns)
    }

    /// Whether rows go into partitions, which are looked at when rows come for them.
    pub(super) fn is_partitioned(&self) -> bool {
        // SAFETY: looks up the catalogs.
        unsafe { pg_sys::get_rel_relkind(self.table()) as u8 == pg_sys::RELKIND_PARTITIONED_TABLE }
    }

    /// The insert as the server has planned it, with one target: the table.
    pub(super) fn statement(&self) -> *const pg_sys::PlannedStmt {
        self.statement
    }
}

/// A table's row type, of which only some columns are filled.
fn row_type(table: Oid, columns: &[String]) -> Result<RowType> {
    let row_type =
        RowType::of_table(table).ok_or_else(|| Error::UnknownTarget(table.to_u32().to_string()))?;
    Ok(row_type.filling(columns))
}

/// `INSERT INTO table (columns) VALUES ($1, ...)`, in the server's encoding.
fn insert_values(table: Oid, columns: &[Attribute]) -> CString {
    // SAFETY: the table is locked, so that it has names, which are C strings of the server's.
    let names = columns.iter().map(|column| unsafe {
        let name = pg_sys::get_attname(table, column.index as i16 + 1, false);
        CStr::from_ptr(pg_sys::quote_identifier(name)).to_bytes()
    });
    // SAFETY: as above.
    let table = unsafe {
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(table));
        CStr::from_ptr(pg_sys::quote_qualified_identifier(schema, pg_sys::get_rel_name(table))).to_bytes()
    };
    let names = names.collect::<Vec<_>>().join(&b", "[..]);
    let parameters: Vec<_> = (1..=columns.len()).map(|number| format!("${number}")).collect();
    let parameters = parameters.join(", ");
    let statement =
        [b"INSERT INTO ", table, b" (", &names, b") VALUES (", parameters.as_bytes(), b")"].concat();
    // There is no zero byte in a C string.
    CString::new(statement).unwrap_or_default()
}

/// Whether a plan puts parameters into `filled` columns of a table and nulls into the others, and does nothing else.
///
/// # Safety
/// `plan` is a planned statement.
unsafe fn plan_is_plain(plan: *const pg_sys::PlannedStmt, table: Oid, filled: &[Attribute]) -> bool {
    // SAFETY: the caller vouches for the plan, whose nodes are what their tags say.
    unsafe {
        let plan = &*plan;
        let Some(insert) = node::<pg_sys::ModifyTable>(plan.planTree.cast(), NodeTag::T_ModifyTable) else {
            return false;
        };
        let Some(row) = node::<pg_sys::Result>(insert.plan.lefttree.cast(), NodeTag::T_Result) else {
            return false;
        };
        plan.commandType == pg_sys::CmdType::CMD_INSERT
            && insert.operation == pg_sys::CmdType::CMD_INSERT
            && plan.subplans.is_null()
            && inserts_into(plan, insert, table)
            && insert.onConflictAction == pg_sys::OnConflictAction::ONCONFLICT_NONE
            && insert.withCheckOptionLists.is_null()
            && insert.returningLists.is_null()
            && insert.rowMarks.is_null()
            && insert.plan.initPlan.is_null()
            && is_one_row(row)
            && row_fills(row, filled)
    }
}

/// Whether a node's only target is a table.
///
/// # Safety
/// The node is the plan's.
unsafe fn inserts_into(plan: &pg_sys::PlannedStmt, insert: &pg_sys::ModifyTable, table: Oid) -> bool {
    // SAFETY: the caller vouches for the node; ranges are counted from 1.
    unsafe {
        let is_one = insert.resultRelations.as_ref().is_some_and(|relations| relations.length == 1);
        if !is_one || pg_sys::list_nth_int(insert.resultRelations, 0) != insert.nominalRelation as i32 {
            return false;
        }
        let entry = pg_sys::list_nth(plan.rtable, insert.nominalRelation as i32 - 1);
        let entry = &*entry.cast::<pg_sys::RangeTblEntry>();
        entry.rtekind == pg_sys::RTEKind::RTE_RELATION && entry.relid == table
    }
}

/// Whether a node makes one row, of nothing.
fn is_one_row(row: &pg_sys::Result) -> bool {
    row.plan.lefttree.is_null()
        && row.plan.righttree.is_null()
        && row.plan.qual.is_null()
        && row.plan.initPlan.is_null()
        && row.resconstantqual.is_null()
}

/// Whether a node makes values for these columns alone: of others, which a table's dropped columns are among, come nulls.
///
/// # Safety
/// The node makes rows for an insert.
unsafe fn row_fills(row: &pg_sys::Result, filled: &[Attribute]) -> bool {
    // SAFETY: the list is one of target entries, the table's columns in their order.
    let entries = unsafe { PgList::<pg_sys::TargetEntry>::from_pg(row.plan.targetlist) };
    entries.iter_ptr().enumerate().all(|(index, entry)| {
        // SAFETY: as above.
        let constant = || unsafe { node::<pg_sys::Const>((*entry).expr.cast(), NodeTag::T_Const) };
        filled.iter().any(|column| column.index == index) || constant().is_some_and(|value| value.constisnull)
    })
}

/// A node as its tag says; `None` for other nodes, and for none.
///
/// # Safety
/// `node` is null or a node, and `T` the type of nodes with that tag.
unsafe fn node<'a, T>(node: *const pg_sys::Node, tag: NodeTag) -> Option<&'a T> {
    // SAFETY: the caller vouches for the node.
    unsafe { node.as_ref().filter(|node| node.type_ == tag).map(|_| &*node.cast::<T>()) }
}

/// As [`looks_plain`], for a table that is locked.
fn table_looks_plain(table: Oid) -> bool {
    // SAFETY: the relation is open while it is looked at.
    unsafe {
        let relation = pg_sys::try_relation_open(table, NO_LOCK);
        if relation.is_null() {
            return false;
        }
        let is_plain = looks_plain(relation) && !has_exclusion_constraint(relation);
        pg_sys::relation_close(relation, NO_LOCK);
        is_plain
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
            && !compat::has_generated_columns(relation)
    }
}

/// As [`looks_plain`], for a partition that rows were routed to.
///
/// # Safety
/// `partition` is open with its indexes.
pub(super) unsafe fn partition_looks_plain(partition: *mut pg_sys::ResultRelInfo) -> bool {
    // SAFETY: the caller vouches for the partition, which has as many indexes as it says.
    unsafe {
        let mut indexes = 0..(*partition).ri_NumIndices.max(0) as usize;
        looks_plain((*partition).ri_RelationDesc)
            && indexes.all(|nth| (**(*partition).ri_IndexRelationInfo.add(nth)).ii_ExclusionOps.is_null())
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
            pg_sys::index_close(index, NO_LOCK);
            excludes
        })
    }
}
