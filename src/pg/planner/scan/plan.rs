//! Planning: when the scan takes a call's place, what it costs, and the plan's node.

use super::{PATH, SCAN};
use crate::guc;
use crate::pg::planner::relation::BaseRelation;
use crate::pg::planner::{foreign_keys, statistics};
use crate::pg::server::node::{make_node, nodes};
use crate::pg::server::{cluster, compat, process, raw};
use pgrx::pg_sys::{self, NodeTag};
use pgrx::prelude::*;
use std::ptr::null_mut;

static mut PREVIOUS_HOOK: pg_sys::set_rel_pathlist_hook_type = None;

/// Hooks into the planner, so that it asks for our paths.
pub fn register() {
    // SAFETY: runs once, on the process's only thread.
    unsafe {
        PREVIOUS_HOOK = pg_sys::set_rel_pathlist_hook;
        pg_sys::set_rel_pathlist_hook = Some(set_rel_pathlist);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn set_rel_pathlist(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    rti: pg_sys::Index,
    rte: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: called by the planner with its own nodes, before it plans joins. Nothing here needs dropping when a hook
    // that was there before ours raises an error.
    let relation = unsafe {
        if let Some(previous) = PREVIOUS_HOOK {
            raw::guarded(|| previous(root, rel, rti, rte));
        }
        BaseRelation::new(root, rel)
    };
    if let Some(relation) = relation {
        statistics::set_widths(&relation);
        foreign_keys::add(&relation);
        relation.offer_scan();
    }
}

impl<'p> BaseRelation<'p> {
    /// Replaces the function scan where the scan can do its work, and does it sooner.
    fn offer_scan(&self) {
        // Plans travel to Cloudberry's segments as text, and only a plain function scan runs on all of them.
        if !guc::enable_scan() || cluster::is_cluster() {
            return;
        }
        let Some(columns) = self.columns_read() else { return };
        // Threads make the rows of a function scan that streams, as whole tuples, which is how they are handed on.
        if !(self.is_handed_on() && guc::stream_function_scans() && guc::generate_ahead()) {
            // SAFETY: the paths that are there are the function scan's, which nothing refers to yet, and ours is complete.
            unsafe {
                (*self.rel).pathlist = null_mut();
                pg_sys::add_path(self.rel, self.path(0, 0.0));
            }
        }
        let workers = self.workers();
        if workers > 0 {
            // SAFETY: the path is complete.
            unsafe {
                pg_sys::add_partial_path(self.rel, self.path(workers, self.preparation_cost(&columns)))
            };
        }
    }

    /// The columns of the relation that the query reads, each once; `None` if it reads whole rows, which the scan does not
    /// make. (Locking clauses and UPDATE ... FROM do so.)
    ///
    /// The expressions may contain columns of relations that it is joined with laterally: those become parameters.
    fn columns_read(&self) -> Option<Vec<&'p pg_sys::Var>> {
        const FLAGS: u32 = pg_sys::PVC_RECURSE_AGGREGATES
            | pg_sys::PVC_RECURSE_WINDOWFUNCS
            | pg_sys::PVC_RECURSE_PLACEHOLDERS;
        let mut columns: Vec<&pg_sys::Var> = Vec::new();
        // SAFETY: both are lists of expressions of the planner's.
        let lists = unsafe {
            let clauses = pg_sys::extract_actual_clauses(self.rel().baserestrictinfo, false);
            [self.target().exprs, clauses].map(|list| pg_sys::pull_var_clause(list.cast(), FLAGS as i32))
        };
        for list in lists {
            // SAFETY: the list's nodes are those of the expressions.
            let vars = unsafe { nodes(list) }.filter_map(|node| node.read::<pg_sys::Var>());
            for var in vars.filter(|var| i64::from(var.varno) == i64::from(self.rel().relid)) {
                if var.varattno <= 0 {
                    return None;
                }
                if !columns.iter().any(|other| other.varattno == var.varattno) {
                    columns.push(var);
                }
            }
        }
        Some(columns)
    }

    /// How many workers may share the scan; 0 if none.
    fn workers(&self) -> i32 {
        let rel = self.rel();
        if !rel.consider_parallel || !rel.lateral_relids.is_null() {
            return 0;
        }
        let pages = rel.rows * f64::from(self.target().width.max(1)) / f64::from(pg_sys::BLCKSZ);
        // SAFETY: computes a number from the relation's estimates and settings.
        unsafe {
            let most = pg_sys::max_parallel_workers_per_gather;
            pg_sys::compute_parallel_worker(self.rel, pages, -1.0, most)
        }
    }

    /// What it costs a worker to prepare before its first row of these columns, unless the postmaster has done that for all.
    fn preparation_cost(&self, columns: &[&pg_sys::Var]) -> f64 {
        let opened = self.call.planned().and_then(|call| call.open().ok());
        let Some((source, _)) = opened.filter(|_| !process::was_preloaded()) else { return 0.0 };
        let schema = source.schema();
        let attributes = self.call.row_type().attributes();
        let read = attributes
            .iter()
            .filter(|attribute| columns.iter().any(|column| column.varattno as usize == attribute.index + 1));
        let columns: Vec<usize> =
            read.filter_map(|attribute| schema.index_of(&attribute.name).ok()).collect();
        let rows = source.preparation(&columns).map_or(0.0, |preparation| preparation.cost_in_rows());
        rows * cost_of_row()
    }

    /// A path that this many workers share, or none.
    fn path(&self, workers: i32, startup_cost: f64) -> *mut pg_sys::Path {
        let (rel, target) = (self.rel(), self.target());
        let processes = processes(workers);
        // SAFETY: the lists and settings are the planner's.
        let (columns, cost_of_operator) =
            unsafe { (nodes(target.exprs).count() as f64, pg_sys::cpu_operator_cost) };
        let per_row = cost_of_row()
            + cost_of_operator * columns
            + rel.baserestrictcost.per_tuple
            + target.cost.per_tuple;
        let custom = make_node::<pg_sys::CustomPath>();
        // SAFETY: a new node, in which the fields that a path needs are filled in.
        unsafe {
            (*custom).flags = compat::CUSTOM_PATH_FLAGS;
            (*custom).methods = &PATH.0;
            let path = &mut (*custom).path;
            path.pathtype = NodeTag::T_CustomScan;
            path.parent = self.rel;
            path.pathtarget = rel.reltarget;
            path.param_info = pg_sys::get_baserel_parampathinfo(self.root, self.rel, rel.lateral_relids);
            path.parallel_aware = workers > 0;
            path.parallel_safe = rel.consider_parallel;
            path.parallel_workers = workers;
            path.rows = (rel.rows / processes).max(1.0);
            path.startup_cost = rel.baserestrictcost.startup + target.cost.startup + startup_cost;
            path.total_cost = path.startup_cost + per_row * rel.tuples.max(rel.rows) / processes;
            custom.cast()
        }
    }
}

/// What reading a row without columns costs.
fn cost_of_row() -> f64 {
    // SAFETY: a plain setting of this process.
    unsafe { pg_sys::cpu_tuple_cost / 2.0 }
}

/// How many processes share a scan: the workers, and the leader for the share of its time that is left.
fn processes(workers: i32) -> f64 {
    let workers = f64::from(workers);
    // SAFETY: a plain setting of this process.
    let leader =
        if unsafe { pg_sys::parallel_leader_participation } { (1.0 - 0.3 * workers).max(0.0) } else { 0.0 };
    if workers > 0.0 { workers + leader } else { 1.0 }
}

#[pg_guard]
pub unsafe extern "C-unwind" fn plan(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    path: *mut pg_sys::CustomPath,
    tlist: *mut pg_sys::List,
    clauses: *mut pg_sys::List,
    _custom_plans: *mut pg_sys::List,
) -> *mut pg_sys::Plan {
    // SAFETY: called by the planner for a path of ours, so for a relation that is a call of ours, all of whose columns
    // that are read the scan can make. A new node, in which what a plan needs is filled in.
    unsafe {
        let scan = make_node::<pg_sys::CustomScan>();
        (*scan).scan.plan.targetlist = tlist;
        (*scan).scan.plan.qual = pg_sys::extract_actual_clauses(clauses, false);
        (*scan).flags = (*path).flags;
        (*scan).methods = &SCAN.0;
        if let Some(relation) = BaseRelation::new(root, rel) {
            (*scan).custom_exprs = pg_sys::lappend(null_mut(), relation.call.copy().cast());
            let columns = relation.columns_read().unwrap_or_default();
            (*scan).custom_scan_tlist = target_list(&columns);
            // A list within the list, because other extensions take its elements for nodes.
            (*scan).custom_private = pg_sys::lappend(null_mut(), numbers(&columns).cast());
        }
        scan.cast()
    }
}

/// The columns as the scan's rows have them.
fn target_list(columns: &[&pg_sys::Var]) -> *mut pg_sys::List {
    let mut list = null_mut();
    for (number, &var) in (1..).zip(columns) {
        // SAFETY: copies a node, and adds a new one to a list of nodes.
        unsafe {
            let copy = pg_sys::copyObjectImpl((&raw const *var).cast());
            let entry = pg_sys::makeTargetEntry(copy.cast(), number, null_mut(), false);
            list = pg_sys::lappend(list, entry.cast());
        }
    }
    list
}

/// The number of columns, followed by their numbers in the row type, from 1. It is never empty, because an empty list is a
/// null pointer, which is no node.
fn numbers(columns: &[&pg_sys::Var]) -> *mut pg_sys::List {
    let numbers = std::iter::once(columns.len() as i32).chain(columns.iter().map(|var| var.varattno.into()));
    // SAFETY: adds to a list of integers, which begins empty.
    numbers.fold(null_mut(), |list, number| unsafe { pg_sys::lappend_int(list, number) })
}
