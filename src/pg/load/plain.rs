//! Inserts that are plain: rows go into the table, and nothing but constraints and indexes looks at them.
//!
//! The server decides that. Its planner, hooks included, plans `INSERT INTO t (columns) VALUES ($1, ...)`, and rows may go
//! there in bulk only if the plan inserts just these values into just this table: a distributed table, a hypertable, a view, a
//! rule or a policy all show in the plan. What does not show there is checked here. The server's plan cache notices when
//! the plan is no longer valid.

use super::table::Target;
use crate::error::{Error, Result};
use crate::pg::server::cluster;
use crate::pg::server::lock::lock_for_insert;
use crate::pg::server::node::{Node, NodeType, nodes};
use crate::pg::server::prepared::{Plan, Prepared};
use crate::pg::server::relation::{OpenRelation, look_at};
use crate::pg::server::text::to_c_string;
use crate::pg::values::row_type::{Attribute, RowType};
use pgrx::PgList;
use pgrx::pg_sys::{self, Oid};
use std::ffi::{CStr, CString};

/// An insert into a table that is known to be a plain one.
pub struct PlainInsert {
    table: Oid,
    /// Those that it fills.
    columns: Vec<String>,
    statement: Prepared,
    /// That of the plan that was checked.
    generation: i32,
}

/// A plain insert that stays one until the transaction ends, because its table is locked.
pub struct LockedInsert<'a> {
    insert: &'a PlainInsert,
    plan: Plan,
}

impl PlainInsert {
    /// Has the server plan an insert that fills some columns of a table; `None` if it is not a plain one, and
    /// the executor must do it. The table is locked as by an insert.
    pub fn plan(table: Oid, columns: &[String]) -> Result<Option<Self>> {
        lock_for_insert(table);
        let row_type = row_type(table, columns)?;
        // The planner has no say in how a cluster's rows reach their segments.
        if cluster::is_cluster() || !table_looks_plain(table) {
            return Ok(None);
        }
        let filled = row_type.attributes();
        let mut types: Vec<_> = filled.iter().map(|attribute| attribute.oid).collect();
        let statement = Prepared::new(&insert_values(table, &filled), &mut types)?;
        let plan = statement.plan().filter(|plan| plan_is_plain(plan.statement(), table, &filled));
        let generation = plan.map(|plan| plan.generation());
        Ok(generation.map(|generation| Self { table, columns: columns.to_vec(), statement, generation }))
    }

    /// Locks the table, as an insert does, for the rest of the transaction; `None` if the insert must be planned again,
    /// because the table, the current role or something else that the plan depends on has changed.
    pub fn lock(&self) -> Option<LockedInsert<'_>> {
        // From now on nobody else can change the table.
        lock_for_insert(self.table);
        if !self.statement.is_valid() {
            return None;
        }
        let plan = self.statement.plan().filter(|plan| plan.generation() == self.generation)?;
        Some(LockedInsert { insert: self, plan })
    }
}

/// Whether the server itself executes an INSERT, whatever else that does: its rows go into the table, or into the one below a
/// view, and commit with this transaction. If another extension plans it, its rows may commit independently.
pub fn is_servers_own(table: Oid, statement: &str, parameters: &mut [Oid]) -> Result<bool> {
    let statement = Prepared::new(&to_c_string(statement), parameters)?;
    let Some(plan) = statement.plan() else { return Ok(false) };
    let Some(insert) = modify_table(plan.statement()) else { return Ok(false) };
    // SAFETY: looks up the catalogs.
    let is_view = unsafe { pg_sys::get_rel_relkind(table) as u8 == pg_sys::RELKIND_VIEW };
    Ok(is_view || inserts_into(plan.statement(), insert, table))
}

impl LockedInsert<'_> {
    pub fn table(&self) -> Oid {
        self.insert.table
    }

    /// What it fills.
    pub(super) fn row_type(&self) -> Result<RowType> {
        row_type(self.table(), &self.insert.columns)
    }

    /// Whether rows go into partitions, which are checked when rows come for them.
    pub(super) fn is_partitioned(&self) -> bool {
        // SAFETY: looks up the catalogs.
        unsafe { pg_sys::get_rel_relkind(self.table()) as u8 == pg_sys::RELKIND_PARTITIONED_TABLE }
    }

    /// The insert as the server has planned it.
    pub(super) fn statement(&self) -> &pg_sys::PlannedStmt {
        self.plan.statement()
    }

    /// Which entry of its range table is the table.
    pub(super) fn target(&self) -> pg_sys::Index {
        modify_table(self.statement()).map_or(0, |insert| insert.nominalRelation)
    }
}

/// A table's row type if only some of its columns are filled.
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
fn plan_is_plain(plan: &pg_sys::PlannedStmt, table: Oid, filled: &[Attribute]) -> bool {
    let Some(insert) = modify_table(plan) else { return false };
    let Some(row) = child::<pg_sys::Result, _>(insert.plan.lefttree) else { return false };
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

/// The top node of a plan that writes.
fn modify_table(plan: &pg_sys::PlannedStmt) -> Option<&pg_sys::ModifyTable> {
    child(plan.planTree)
}

/// A node below another of a plan, as one of a type.
fn child<'p, T: NodeType, N>(node: *const N) -> Option<&'p T> {
    // SAFETY: a plan that is held refers to nodes that live, and change, as little as itself.
    unsafe { Node::new(node) }.and_then(Node::read)
}

/// Whether a node's only target is a table.
fn inserts_into(plan: &pg_sys::PlannedStmt, insert: &pg_sys::ModifyTable, table: Oid) -> bool {
    let target = insert.nominalRelation as usize;
    // SAFETY: the lists are the plan's, the first one of numbers.
    let (targets, mut entries) =
        unsafe { (PgList::<i32>::from_pg(insert.resultRelations), nodes(plan.rtable)) };
    let is_target = targets.iter_int().eq([target as i32]);
    // Ranges are counted from 1.
    let entry = target.checked_sub(1).and_then(|place| entries.nth(place)?.read::<pg_sys::RangeTblEntry>());
    is_target
        && entry.is_some_and(|entry| entry.rtekind == pg_sys::RTEKind::RTE_RELATION && entry.relid == table)
}

/// Whether a node makes one row without reading anything.
fn is_one_row(row: &pg_sys::Result) -> bool {
    row.plan.lefttree.is_null()
        && row.plan.righttree.is_null()
        && row.plan.qual.is_null()
        && row.plan.initPlan.is_null()
        && row.resconstantqual.is_null()
}

/// Whether a node makes values for these columns only, and nulls for all others, including dropped ones.
fn row_fills(row: &pg_sys::Result, filled: &[Attribute]) -> bool {
    // SAFETY: the list is one of target entries, the table's columns in their order.
    let entries = unsafe { nodes(row.plan.targetlist) };
    entries.enumerate().all(|(index, entry)| {
        let constant =
            entry.read::<pg_sys::TargetEntry>().and_then(|entry| child::<pg_sys::Const, _>(entry.expr));
        filled.iter().any(|column| column.index == index) || constant.is_some_and(|value| value.constisnull)
    })
}

/// As [`looks_plain`], for a table that is locked.
fn table_looks_plain(table: Oid) -> bool {
    let is_plain = |relation: OpenRelation| looks_plain(relation) && !relation.has_exclusion_constraint();
    look_at(table, is_plain).unwrap_or(false)
}

/// Whether a relation is a table, and nothing but constraints and indexes looks at its rows.
fn looks_plain(relation: OpenRelation) -> bool {
    [pg_sys::RELKIND_RELATION, pg_sys::RELKIND_PARTITIONED_TABLE].contains(&relation.kind())
        && !relation.has_insert_triggers()
        && !relation.has_rules()
        && !relation.has_generated_columns()
}

/// As [`looks_plain`], for a partition that rows were routed to.
pub(super) fn partition_looks_plain(partition: Target) -> bool {
    // SAFETY: what the executor knows of an index lives as long as the partition is open.
    let excludes = |info: *mut pg_sys::IndexInfo| unsafe { !(*info).ii_ExclusionOps.is_null() };
    looks_plain(partition.relation()) && !partition.indexes().any(|(_, info)| excludes(info))
}
