//! Which tables take rows in bulk.

use super::{KEEP_LOCK, ROW_EXCLUSIVE};
use crate::pg::server::cluster;
use crate::pg::server::raw::{self, guarded};
use pgrx::PgList;
use pgrx::pg_sys::{self, Oid};
use std::ffi::c_char;
use std::ptr::null_mut;

/// Whether a table, all of whose columns the source fills, takes its rows in bulk.
///
/// In bulk go rows that nothing but constraints and indexes looks at: no trigger, no row security, no
/// rule, no view, no foreign table, no exclusion constraint, in the table and all its partitions. All tables
/// of Cloudberry, where rows must reach their segments, go to the executor.
pub fn takes_bulk(table: Oid) -> bool {
    // SAFETY: the catalogs are read on the backend's only thread; the list is the server's, and
    // names the table itself first.
    unsafe {
        if cluster::is_cluster() || !may_insert_unfiltered(table) {
            return false;
        }
        let family = guarded(|| raw::find_all_inheritors(table, ROW_EXCLUSIVE, null_mut()));
        let family = PgList::<Oid>::from_pg(family);
        // Heirs that are no partitions take none of the rows.
        let is_partitioned = pg_sys::get_rel_relkind(table) == pg_sys::RELKIND_PARTITIONED_TABLE as c_char;
        let tables = if is_partitioned { family.len() } else { 1 };
        family.iter_oid().take(tables).all(is_plain)
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
pub(super) unsafe fn looks_plain(relation: pg_sys::Relation) -> bool {
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
