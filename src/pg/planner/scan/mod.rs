//! The streaming scan: generating functions in FROM without storing their rows first.
//!
//! PostgreSQL's function scan runs a function to its end before it returns the first row. This custom
//! scan takes its place: rows stream, so LIMIT stops early; only columns that are read are made; workers
//! share the work by taking ranges of units from a common counter.
//!
//! The plan node has no relation of its own to scan (`scanrelid` 0), because the executor would open it
//! as a table. Its rows are those of `custom_scan_tlist`, the columns that the query reads.

use crate::call::Call;
use crate::error::{Result, or_raise};
use crate::guc;
use crate::pg::planner::call::{self, scanned_call};
use crate::pg::planner::foreign_keys;
use crate::pg::planner::statistics;
use crate::pg::server::cluster;
use crate::pg::server::compat;
use crate::pg::server::process;
use crate::pg::server::slot::{clear, store_virtual};
use crate::pg::server::text::to_c_string;
use crate::pg::values::row_type::{Attribute, RowType};
use crate::pg::values::stream::Stream;
use pgrx::pg_sys::{self, Datum, NodeTag};
use pgrx::prelude::*;
use pgrx::{PgList, PgMemoryContexts};
use std::ffi::{CStr, c_void};
use std::ops::Range;
use std::ptr::{addr_of_mut, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};

const NAME: &CStr = c"MillraceScan";

/// Methods that PostgreSQL takes by pointer and never writes to.
struct Methods<T>(T);

// SAFETY: the structs hold function pointers and static strings, and are never written to.
unsafe impl<T> Sync for Methods<T> {}

static PATH: Methods<pg_sys::CustomPathMethods> = Methods(pg_sys::CustomPathMethods {
    CustomName: NAME.as_ptr(),
    PlanCustomPath: Some(plan),
    ReparameterizeCustomPathByChild: None,
});

static SCAN: Methods<pg_sys::CustomScanMethods> = Methods(pg_sys::CustomScanMethods {
    CustomName: NAME.as_ptr(),
    CreateCustomScanState: Some(create_state),
});

static EXEC: Methods<pg_sys::CustomExecMethods> = Methods(pg_sys::CustomExecMethods {
    CustomName: NAME.as_ptr(),
    BeginCustomScan: Some(begin),
    ExecCustomScan: Some(execute),
    EndCustomScan: Some(end),
    ReScanCustomScan: Some(rescan),
    MarkPosCustomScan: None,
    RestrPosCustomScan: None,
    EstimateDSMCustomScan: Some(estimate_shared),
    InitializeDSMCustomScan: Some(initialize_shared),
    ReInitializeDSMCustomScan: Some(reinitialize_shared),
    InitializeWorkerCustomScan: Some(initialize_worker),
    ShutdownCustomScan: None,
    ExplainCustomScan: Some(explain),
});

static mut PREVIOUS_HOOK: pg_sys::set_rel_pathlist_hook_type = None;

/// Offers the scan to the planner; called when the library is loaded.
pub fn register() {
    // SAFETY: runs once, on the process's only thread; the methods are static.
    unsafe {
        pg_sys::RegisterCustomScanMethods(&SCAN.0);
        PREVIOUS_HOOK = pg_sys::set_rel_pathlist_hook;
        pg_sys::set_rel_pathlist_hook = Some(set_rel_pathlist);
    }
}

// Planning.

#[pg_guard]
unsafe extern "C-unwind" fn set_rel_pathlist(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    rti: pg_sys::Index,
    rte: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: called by the planner with its own nodes.
    unsafe {
        if let Some(previous) = PREVIOUS_HOOK {
            previous(root, rel, rti, rte);
        }
        let Some(call) = scanned_call(rte) else { return };
        statistics::set_widths(rel, call);
        foreign_keys::add(root, rel, call);
        // Plans go to Cloudberry's segments by way of text, and a plain function scan is what runs on all of them.
        if guc::enable_scan()
            && !cluster::is_cluster()
            && let Some(columns) = columns_read(rel)
        {
            replace_paths(root, rel, worker_startup_cost(call, &columns));
        }
    }
}

/// The columns of the relation that its part of the plan reads, each once; `None` if it reads the row as
/// a whole, which the scan does not make. (Locking clauses and UPDATE ... FROM read it so.)
///
/// # Safety
/// `rel` is a base relation in planning.
unsafe fn columns_read(rel: *mut pg_sys::RelOptInfo) -> Option<Vec<*mut pg_sys::Var>> {
    const FLAGS: u32 =
        pg_sys::PVC_RECURSE_AGGREGATES | pg_sys::PVC_RECURSE_WINDOWFUNCS | pg_sys::PVC_RECURSE_PLACEHOLDERS;
    // SAFETY: the caller vouches for the relation; `pull_var_clause` returns Var nodes only.
    unsafe {
        let clauses = pg_sys::extract_actual_clauses((*rel).baserestrictinfo, false);
        let mut columns: Vec<*mut pg_sys::Var> = Vec::new();
        for list in [(*(*rel).reltarget).exprs, clauses] {
            let vars = pg_sys::pull_var_clause(list.cast(), FLAGS as i32);
            for var in PgList::<pg_sys::Var>::from_pg(vars).iter_ptr() {
                if (*var).varattno <= 0 {
                    return None;
                }
                if !columns.iter().any(|other| (**other).varattno == (*var).varattno) {
                    columns.push(var);
                }
            }
        }
        Some(columns)
    }
}

/// What making the whole text pool costs, measured against reading rows: as much as some 20 million rows
/// without columns.
const TEXT_POOL_COST: f64 = 100_000.0;

/// What a worker must do before its first row: make the text pool, if the scan reads texts and the
/// postmaster has not made it for all.
///
/// # Safety
/// As [`call::constant_request`]; `columns` are columns of what it returns.
unsafe fn worker_startup_cost(call: *mut pg_sys::FuncExpr, columns: &[*mut pg_sys::Var]) -> f64 {
    // SAFETY: the caller vouches for the nodes.
    unsafe {
        let Some(request) = call::constant_request(call) else { return 0.0 };
        let Ok((source, _)) = request.open() else { return 0.0 };
        let schema = source.schema();
        let attributes = RowType::of_type((*call).funcresulttype).attributes();
        let read = |attribute: &Attribute| {
            columns.iter().any(|column| (**column).varattno as usize == attribute.index + 1)
        };
        let names = attributes.iter().filter(|attribute| read(attribute)).map(|attribute| &attribute.name);
        let columns: Vec<usize> = names.filter_map(|name| schema.index_of(name).ok()).collect();
        let makes_pool = source.needs_text_pool(&columns) && !process::was_preloaded();
        if makes_pool { TEXT_POOL_COST } else { 0.0 }
    }
}

/// Puts the scan in the place of the function scan, and a parallel one beside it.
///
/// # Safety
/// `root` and `rel` are the planner's.
unsafe fn replace_paths(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    worker_startup_cost: f64,
) {
    // SAFETY: the caller vouches for both; paths are complete before they are added.
    unsafe {
        (*rel).pathlist = null_mut();
        pg_sys::add_path(rel, path(root, rel, 0));
        if (*rel).consider_parallel && (*rel).lateral_relids.is_null() {
            let pages = (*rel).rows * f64::from((*(*rel).reltarget).width.max(1)) / f64::from(pg_sys::BLCKSZ);
            let workers =
                pg_sys::compute_parallel_worker(rel, pages, -1.0, pg_sys::max_parallel_workers_per_gather);
            if workers > 0 {
                let path = path(root, rel, workers);
                (*path).startup_cost += worker_startup_cost;
                (*path).total_cost += worker_startup_cost;
                pg_sys::add_partial_path(rel, path);
            }
        }
    }
}

/// # Safety
/// As [`replace_paths`].
unsafe fn path(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    workers: i32,
) -> *mut pg_sys::Path {
    // SAFETY: a zeroed node of its size is valid; the fields a path needs are filled in.
    unsafe {
        let custom = pg_sys::palloc0(std::mem::size_of::<pg_sys::CustomPath>()).cast::<pg_sys::CustomPath>();
        let path = &mut (*custom).path;
        path.type_ = NodeTag::T_CustomPath;
        path.pathtype = NodeTag::T_CustomScan;
        path.parent = rel;
        path.pathtarget = (*rel).reltarget;
        path.param_info = pg_sys::get_baserel_parampathinfo(root, rel, (*rel).lateral_relids);
        path.parallel_aware = workers > 0;
        path.parallel_safe = (*rel).consider_parallel;
        path.parallel_workers = workers;
        let processes = processes(workers);
        let columns = PgList::<pg_sys::Node>::from_pg((*(*rel).reltarget).exprs).len() as f64;
        let per_row = pg_sys::cpu_tuple_cost / 2.0
            + pg_sys::cpu_operator_cost * columns
            + (*rel).baserestrictcost.per_tuple
            + (*(*rel).reltarget).cost.per_tuple;
        path.rows = ((*rel).rows / processes).max(1.0);
        path.startup_cost = (*rel).baserestrictcost.startup + (*(*rel).reltarget).cost.startup;
        path.total_cost = path.startup_cost + per_row * (*rel).tuples.max((*rel).rows) / processes;
        (*custom).flags = compat::CUSTOM_PATH_FLAGS;
        (*custom).methods = &PATH.0;
        custom.cast()
    }
}

/// How many processes share a scan: the workers, and the leader as far as it has time for it.
fn processes(workers: i32) -> f64 {
    let workers = f64::from(workers);
    // SAFETY: a plain setting of this process.
    let leader =
        if unsafe { pg_sys::parallel_leader_participation } { (1.0 - 0.3 * workers).max(0.0) } else { 0.0 };
    if workers > 0.0 { workers + leader } else { 1.0 }
}

#[pg_guard]
unsafe extern "C-unwind" fn plan(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    path: *mut pg_sys::CustomPath,
    tlist: *mut pg_sys::List,
    clauses: *mut pg_sys::List,
    _custom_plans: *mut pg_sys::List,
) -> *mut pg_sys::Plan {
    // SAFETY: called by the planner for a path of ours, whose relation was checked when it was added. A
    // zeroed node of its size is valid; the fields a plan needs are filled in.
    unsafe {
        let scan = pg_sys::palloc0(std::mem::size_of::<pg_sys::CustomScan>()).cast::<pg_sys::CustomScan>();
        (*scan).scan.plan.type_ = NodeTag::T_CustomScan;
        (*scan).scan.plan.targetlist = tlist;
        (*scan).scan.plan.qual = pg_sys::extract_actual_clauses(clauses, false);
        (*scan).flags = (*path).flags;
        let rte = *(*root).simple_rte_array.add((*rel).relid as usize);
        let call = scanned_call(rte).map_or(null_mut(), |call| pg_sys::copyObjectImpl(call.cast()));
        (*scan).custom_exprs = pg_sys::lappend(null_mut(), call);
        for (index, &var) in columns_read(rel).unwrap_or_default().iter().enumerate() {
            let copy = pg_sys::copyObjectImpl(var.cast());
            let entry = pg_sys::makeTargetEntry(copy.cast(), index as i16 + 1, null_mut(), false);
            (*scan).custom_scan_tlist = pg_sys::lappend((*scan).custom_scan_tlist, entry.cast());
            (*scan).custom_private = pg_sys::lappend_int((*scan).custom_private, i32::from((*var).varattno));
        }
        (*scan).methods = &SCAN.0;
        scan.cast()
    }
}

// Execution.

/// The executor's node, with what is ours behind what is its own.
#[repr(C)]
struct State {
    node: pg_sys::CustomScanState,
    /// The call, with its arguments ready to be evaluated.
    call: *mut pg_sys::SetExprState,
    /// Which column of the row type each column of the scan is, counted from 0.
    columns: *mut Vec<usize>,
    /// Where the rows come from, made when the first is asked for; dropped with the executor's memory.
    progress: *mut Option<Progress>,
    /// What the progress needs beyond Rust's memory; emptied with it.
    memory: pg_sys::MemoryContext,
    /// Whether anything is allocated for a row: by casts, conditions or projections.
    uses_row_memory: bool,
    /// The next unit nobody has taken, where several processes share the scan.
    shared: *const AtomicU64,
}

/// A scan under way.
struct Progress {
    /// What the arguments came to.
    request: Call,
    stream: Stream,
    units: Range<u64>,
}

/// How many units a process takes at a time from those it shares.
const UNITS_PER_TURN: u64 = 8192;

#[pg_guard]
unsafe extern "C-unwind" fn create_state(_scan: *mut pg_sys::CustomScan) -> *mut pg_sys::Node {
    // SAFETY: a zeroed node of its size is valid.
    unsafe {
        let state = pg_sys::palloc0(std::mem::size_of::<State>()).cast::<State>();
        (*state).node.ss.ps.type_ = NodeTag::T_CustomScanState;
        (*state).node.methods = &EXEC.0;
        state.cast()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn begin(
    node: *mut pg_sys::CustomScanState,
    estate: *mut pg_sys::EState,
    _flags: i32,
) {
    // SAFETY: called by the executor with a node of ours, in its query's memory context.
    unsafe {
        let state = node.cast::<State>();
        let scan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
        let call = PgList::<pg_sys::Expr>::from_pg((*scan).custom_exprs).get_ptr(0).unwrap_or(null_mut());
        // Checks the right to execute the function, too.
        (*state).call = pg_sys::ExecInitTableFunctionResult(
            call,
            (*node).ss.ps.ps_ExprContext,
            addr_of_mut!((*node).ss.ps),
        );
        let columns = PgList::<i32>::from_pg((*scan).custom_private);
        let columns = columns.iter_int().map(|attribute| attribute as usize - 1).collect::<Vec<_>>();
        let mut memory = PgMemoryContexts::For((*estate).es_query_cxt);
        (*state).columns = memory.leak_and_drop_on_delete(columns);
        (*state).progress = memory.leak_and_drop_on_delete(None);
        (*state).memory = pg_sys::AllocSetContextCreateExtended(
            (*estate).es_query_cxt,
            NAME.as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        );
    }
}

/// Evaluates the arguments and opens the source.
///
/// # Safety
/// `state` was begun and has no progress yet.
unsafe fn start(state: *mut State) -> Result<Progress> {
    // SAFETY: the caller vouches for the state; what is read was filled in by `begin`.
    unsafe {
        let context = (*state).node.ss.ps.ps_ExprContext;
        let expression = (*(*state).call).expr.cast::<pg_sys::FuncExpr>();
        let nodes = PgList::<pg_sys::Node>::from_pg((*expression).args);
        let states = PgList::<pg_sys::ExprState>::from_pg((*(*state).call).args);
        let arguments: Vec<_> = nodes
            .iter_ptr()
            .zip(states.iter_ptr())
            .map(|(node, argument)| (pg_sys::exprType(node), evaluate(argument, context)))
            .collect();
        let request = call::request(&arguments, (*expression).funcresulttype)?;
        let row_type = RowType::of_type((*expression).funcresulttype);
        let (source, units) = request.open()?;
        let mine = if (*state).shared.is_null() { units.clone() } else { 0..0 };
        let columns = &*(*state).columns;
        let stream = Stream::of_columns(&row_type, &request.source, source, mine, columns)?;
        Ok(Progress { request, stream, units })
    }
}

/// # Safety
/// Both are of the same node, and alive.
unsafe fn evaluate(expression: *mut pg_sys::ExprState, context: *mut pg_sys::ExprContext) -> Option<Datum> {
    // SAFETY: the caller vouches for both.
    unsafe {
        let mut is_null = false;
        let value = (*expression).evalfunc?(expression, context, &mut is_null);
        (!is_null).then_some(value)
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn execute(node: *mut pg_sys::CustomScanState) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: called by the executor with a node of ours. Each row is in the memory that is reset for the
    // next one. (`ExecScan` does the same, but rechecks rows for EvalPlanQual in a way that does not fit
    // scans without a relation; the rows of a function never change, so there is nothing to recheck.)
    unsafe {
        let state = node.cast::<State>();
        let slot = (*node).ss.ss_ScanTupleSlot;
        let context = (*node).ss.ps.ps_ExprContext;
        let row_memory = (*context).ecxt_per_tuple_memory;
        if (*(*state).progress).is_none() {
            let before = pg_sys::MemoryContextSwitchTo((*state).memory);
            let progress = start(state);
            pg_sys::MemoryContextSwitchTo(before);
            let progress = or_raise(progress);
            let ps = &(*node).ss.ps;
            (*state).uses_row_memory =
                progress.stream.converts() || !ps.qual.is_null() || !ps.ps_ProjInfo.is_null();
            *(*state).progress = Some(progress);
        }
        let (qual, projection) = ((*node).ss.ps.qual, (*node).ss.ps.ps_ProjInfo);
        loop {
            if (*state).uses_row_memory {
                pg_sys::MemoryContextReset(row_memory);
            }
            clear(slot);
            let before = pg_sys::MemoryContextSwitchTo(row_memory);
            let filled = fill(state, slot);
            if !or_raise(filled) {
                pg_sys::MemoryContextSwitchTo(before);
                return if projection.is_null() { slot } else { clear((*projection).pi_state.resultslot) };
            }
            (*context).ecxt_scantuple = slot;
            let passes = qual.is_null() || evaluate(qual, context).is_some_and(|passes| passes.value() != 0);
            let row = if passes { Some(project(projection, slot)) } else { None };
            pg_sys::MemoryContextSwitchTo(before);
            match row {
                Some(row) => return row,
                None if !(*node).ss.ps.instrument.is_null() => (*(*node).ss.ps.instrument).nfiltered1 += 1.0,
                None => {}
            }
        }
    }
}

/// Puts the next row into the slot; false at the end.
///
/// # Safety
/// `state` is in progress and `slot` is its scan's.
unsafe fn fill(state: *mut State, slot: *mut pg_sys::TupleTableSlot) -> Result<bool> {
    // SAFETY: the slot is a virtual one with as many values as the scan has columns.
    unsafe {
        let Some(progress) = &mut *(*state).progress else { return Ok(false) };
        let width = (*(*slot).tts_tupleDescriptor).natts as usize;
        let values = std::slice::from_raw_parts_mut((*slot).tts_values, width);
        let nulls = std::slice::from_raw_parts_mut((*slot).tts_isnull, width);
        progress.stream.release();
        while !progress.stream.read(values, nulls)? {
            let Some(shared) = (*state).shared.as_ref() else { return Ok(false) };
            let start = progress.units.start + shared.fetch_add(UNITS_PER_TURN, Ordering::Relaxed);
            if start >= progress.units.end {
                return Ok(false);
            }
            progress.stream.go_on_with(start..(start + UNITS_PER_TURN).min(progress.units.end));
        }
        store_virtual(slot);
        Ok(true)
    }
}

/// What the node returns for the row in `slot`, as `ExecProject` makes it.
///
/// # Safety
/// `projection` is null or that of the node whose scan slot this is.
unsafe fn project(
    projection: *mut pg_sys::ProjectionInfo,
    slot: *mut pg_sys::TupleTableSlot,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the caller vouches for both; the expression fills the result slot.
    unsafe {
        if projection.is_null() {
            return slot;
        }
        let result = clear((*projection).pi_state.resultslot);
        evaluate(addr_of_mut!((*projection).pi_state), (*projection).pi_exprContext);
        store_virtual(result);
        result
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn end(node: *mut pg_sys::CustomScanState) {
    // SAFETY: called by the executor with a node of ours.
    unsafe { stop(node) };
}

#[pg_guard]
unsafe extern "C-unwind" fn rescan(node: *mut pg_sys::CustomScanState) {
    // SAFETY: called by the executor with a node of ours. Arguments may have changed.
    unsafe {
        stop(node);
        clear((*node).ss.ss_ScanTupleSlot);
    }
}

/// # Safety
/// `node` is ours and was begun.
unsafe fn stop(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the caller vouches for the node.
    unsafe {
        let state = node.cast::<State>();
        *(*state).progress = None;
        pg_sys::MemoryContextReset((*state).memory);
    }
}

// Sharing between processes.

#[pg_guard]
unsafe extern "C-unwind" fn estimate_shared(
    _node: *mut pg_sys::CustomScanState,
    _context: *mut pg_sys::ParallelContext,
) -> pg_sys::Size {
    std::mem::size_of::<AtomicU64>()
}

#[pg_guard]
unsafe extern "C-unwind" fn initialize_shared(
    node: *mut pg_sys::CustomScanState,
    _context: *mut pg_sys::ParallelContext,
    shared: *mut c_void,
) {
    // SAFETY: the memory is of the size asked for, aligned for anything, and outlives the scan.
    unsafe {
        shared.cast::<AtomicU64>().write(AtomicU64::new(0));
        (*node.cast::<State>()).shared = shared.cast();
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn reinitialize_shared(
    _node: *mut pg_sys::CustomScanState,
    _context: *mut pg_sys::ParallelContext,
    shared: *mut c_void,
) {
    // SAFETY: initialised before; no worker runs while it is set back.
    unsafe { (*shared.cast::<AtomicU64>()).store(0, Ordering::Relaxed) };
}

#[pg_guard]
unsafe extern "C-unwind" fn initialize_worker(
    node: *mut pg_sys::CustomScanState,
    _toc: *mut pg_sys::shm_toc,
    shared: *mut c_void,
) {
    // SAFETY: the leader initialised it, and it outlives the worker's scan.
    unsafe { (*node.cast::<State>()).shared = shared.cast() };
}

// EXPLAIN.

#[pg_guard]
unsafe extern "C-unwind" fn explain(
    node: *mut pg_sys::CustomScanState,
    _ancestors: *mut pg_sys::List,
    explain: *mut pg_sys::ExplainState,
) {
    // SAFETY: called by EXPLAIN with a node of ours that was begun.
    unsafe {
        let state = node.cast::<State>();
        let call = (*(*state).call).expr.cast::<pg_sys::FuncExpr>();
        // Arguments that are known only when they are evaluated are so with ANALYZE.
        let planned = call::constant_request(call);
        let request = planned.as_ref().or((*(*state).progress).as_ref().map(|progress| &progress.request));
        if let Some(request) = request {
            property(explain, c"Source", &request.source);
            property(explain, c"Options", &request.options.to_string());
            if !request.part.is_whole() {
                property(explain, c"Part", &request.part.to_string());
            }
        } else {
            property(explain, c"Source", "chosen by parameters");
        }
        let row_type = RowType::of_type((*call).funcresulttype);
        let attributes = row_type.attributes();
        let columns = &*(*state).columns;
        let names: Vec<_> = attributes
            .iter()
            .filter(|attribute| columns.contains(&attribute.index))
            .map(|attribute| attribute.name.as_str())
            .collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        property(explain, c"Columns Made", &names);
    }
}

/// # Safety
/// `explain` is EXPLAIN's state.
unsafe fn property(explain: *mut pg_sys::ExplainState, name: &CStr, value: &str) {
    let value = to_c_string(value);
    // SAFETY: both strings live through the call, which copies them.
    unsafe { pg_sys::ExplainPropertyText(name.as_ptr(), value.as_ptr(), explain) };
}
