//! Function scans that stream.
//!
//! The server's function scan runs a function to its end and stores its rows before it returns the first. Where the planner
//! takes such a scan for a generating function, as it always does on a cluster, the node is the server's, but what the executor
//! calls for its next row is ours: rows come from threads that make them ahead, so LIMIT stops early, nothing is stored, and
//! rows are made while earlier ones are inserted.
//!
//! A scan that may be read backwards, or again with the same arguments, is left to the server, which has the rows in its store.
//!
//! What a scan has in the making belongs to its expression context: the executor calls what is registered there when the
//! scan begins again, and when the query ends.

use crate::error::{Error, Result, or_raise};
use crate::guc;
use crate::pg::planner::call::evaluate_arguments;
use crate::pg::server::memory::within;
use crate::pg::server::node::{Node, nodes, only_function};
use crate::pg::server::raw;
use crate::pg::server::slot::{Slot, clear};
use crate::pg::values::answer::Request;
use crate::pg::values::convert::type_name;
use crate::pg::values::formed::FormedRows;
use crate::pg::values::row_type::RowType;
use crate::pg::values::tuple::Batch;
use pgrx::pg_sys::{self, Datum, ExprContext, FunctionScanState, NodeTag, PlanState, ScanState};
use pgrx::prelude::*;
use pgrx::{PgMemoryContexts, is_a};
use std::ffi::c_void;
use std::ptr::{from_mut, null_mut};

/// A function in C, as SQL calls it.
pub type Function = unsafe extern "C-unwind" fn(pg_sys::FunctionCallInfo) -> Datum;

/// The functions whose scans stream: they answer a [`Request`].
static mut STREAMING: &[Function] = &[];

static mut PREVIOUS_HOOK: pg_sys::ExecutorStart_hook_type = None;

/// Has scans of these functions stream; called when the library is loaded.
pub fn register(functions: &'static [Function]) {
    // SAFETY: runs once, on the process's only thread.
    unsafe {
        STREAMING = functions;
        PREVIOUS_HOOK = pg_sys::ExecutorStart_hook;
        pg_sys::ExecutorStart_hook = Some(executor_start);
    }
}

/// Starts a query as the executor does, and has its scans stream.
#[pg_guard]
unsafe extern "C-unwind" fn executor_start(query: *mut pg_sys::QueryDesc, flags: i32) {
    // SAFETY: called by the executor with a query that it starts. The closure owns nothing.
    unsafe {
        raw::guarded(|| match PREVIOUS_HOOK {
            Some(previous) => previous(query, flags),
            None => raw::standard_ExecutorStart(query, flags),
        });
        let state = (*query).planstate;
        if guc::stream_function_scans() && !state.is_null() && has_functions((*query).plannedstmt) {
            let mut scans: Vec<*mut FunctionScanState> = Vec::new();
            collect(state, from_mut(&mut scans).cast());
            for scan in scans.into_iter().filter(|&scan| can_stream(scan)) {
                pg_sys::ExecSetExecProcNode(scan.cast(), Some(execute));
            }
        }
    }
}

/// Whether functions are in FROM anywhere in a statement.
///
/// # Safety
/// A statement that is executed.
unsafe fn has_functions(statement: *const pg_sys::PlannedStmt) -> bool {
    // SAFETY: its range table is a list of nodes that nobody changes meanwhile.
    unsafe { nodes((*statement).rtable) }
        .filter_map(Node::read::<pg_sys::RangeTblEntry>)
        .any(|entry| entry.rtekind == pg_sys::RTEKind::RTE_FUNCTION)
}

/// Adds the function scans of a tree to a list.
#[pg_guard]
unsafe extern "C-unwind" fn collect(state: *mut PlanState, scans: *mut c_void) -> bool {
    // SAFETY: the server's walker passes on nodes that are not null, and the list of whoever called it. The closure owns
    // nothing.
    unsafe {
        if is_a(state.cast(), NodeTag::T_FunctionScanState) {
            (*scans.cast::<Vec<*mut FunctionScanState>>()).push(state.cast());
        }
        raw::guarded(|| raw::planstate_tree_walker(state, collect, scans))
    }
}

/// Whether a scan is one of a generating function alone, and only goes forward.
///
/// # Safety
/// A scan that the executor has started.
unsafe fn can_stream(scan: *mut FunctionScanState) -> bool {
    const STORED: u32 = pg_sys::EXEC_FLAG_REWIND | pg_sys::EXEC_FLAG_BACKWARD | pg_sys::EXEC_FLAG_MARK;
    // SAFETY: the node was started with its plan, whose function is looked up in the catalog. Of its address nothing is read.
    unsafe {
        if (*scan).eflags as u32 & STORED != 0 || (*scan).ordinality {
            return false;
        }
        let slot = (*scan).ss.ss_ScanTupleSlot;
        if !std::ptr::eq((*slot).tts_ops, &raw const pg_sys::TTSOpsMinimalTuple) {
            return false;
        }
        let Some(expression) = expression_of(scan.cast()) else { return false };
        let Some(call) = Node::new(expression).and_then(Node::read::<pg_sys::FuncExpr>) else { return false };
        // Subqueries have states in the plan's tree, where they are made when the query starts.
        if pg_sys::contain_subplans(expression) {
            return false;
        }
        let mut info = pg_sys::FmgrInfo::default();
        pg_sys::fmgr_info(call.funcid, &mut info);
        let address = info.fn_addr.map(|function| function as usize);
        let functions = STREAMING;
        functions.iter().any(|&function| Some(function as usize) == address)
    }
}

/// What a scan scans, if it is one function alone.
///
/// # Safety
/// As [`can_stream`].
unsafe fn expression_of(scan: *const ScanState) -> Option<*mut pg_sys::Node> {
    // SAFETY: the plan of such a node is a function scan, which nobody changes.
    unsafe {
        let plan = (*scan).ps.plan.cast::<pg_sys::FunctionScan>();
        Some(only_function((*plan).functions)?.funcexpr)
    }
}

/// The next row that meets the node's conditions. A frame like C's: conditions and projections are the server's, and their
/// errors jump out of here.
unsafe extern "C-unwind" fn execute(node: *mut PlanState) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: called by the executor with a scan that it has started.
    unsafe { raw::ExecScan(node.cast(), Some(next), Some(recheck)) }
}

/// The rows of a function never change, so there is nothing to recheck.
#[pg_guard]
unsafe extern "C-unwind" fn recheck(_node: *mut ScanState, _slot: *mut pg_sys::TupleTableSlot) -> bool {
    true
}

/// Puts the next row into the node's slot, which is empty at the end.
#[pg_guard]
unsafe extern "C-unwind" fn next(node: *mut ScanState) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: called by the executor with one of the scans that `can_stream` has chosen; nothing else uses its slot meanwhile.
    // What reading a row allocates is in the memory that is reset for the next one.
    unsafe {
        let context = (*node).ps.ps_ExprContext;
        let rows = match rows_of(context) {
            Some(rows) => rows,
            None => or_raise(start(node)),
        };
        let mut slot = Slot::new((*node).ss_ScanTupleSlot);
        within((*context).ecxt_per_tuple_memory, || or_raise((*rows).next(&mut slot)));
        slot.as_ptr()
    }
}

/// What a scan has in the making.
struct Rows {
    formed: FormedRows,
    batch: Option<Batch>,
}

impl Rows {
    /// Puts the next row into the slot, which is empty at the end.
    #[inline]
    fn next(&mut self, slot: &mut Slot) -> Result<()> {
        loop {
            match &mut self.batch {
                Some(Batch::Tuples(tuples)) => {
                    if let Some(tuple) = tuples.next_minimal() {
                        // SAFETY: the slot is one for such tuples, which were formed for its row type, and stay until the
                        // next batch is taken.
                        unsafe { raw::ExecStoreMinimalTuple(tuple, slot.as_ptr(), false) };
                        return Ok(());
                    }
                }
                Some(Batch::Columns(_)) => {
                    let reader = &mut self.formed.reader;
                    // SAFETY: it is a slot; the values are of its row type, and stay until the next row is asked for.
                    let is_filled = unsafe {
                        clear(slot.as_ptr());
                        reader.release();
                        slot.fill(|values, nulls| reader.read(values, nulls))
                    };
                    if is_filled? {
                        return Ok(());
                    }
                }
                None => {}
            }
            // SAFETY: it is a slot, which lets go of the batch's last tuple.
            unsafe { clear(slot.as_ptr()) };
            self.batch = self.formed.next_batch()?;
            if self.batch.is_none() {
                return Ok(());
            }
        }
    }
}

/// What is registered with an expression context: the rows, in memory of their own, which drops them when it goes.
struct Registered {
    memory: PgMemoryContexts,
    rows: *mut Rows,
}

/// The rows that a scan has in the making.
///
/// # Safety
/// A scan's expression context.
unsafe fn rows_of(context: *mut ExprContext) -> Option<*mut Rows> {
    // SAFETY: the list is the context's own; what is registered with our function is what `start` has registered.
    unsafe {
        let mut callback = (*context).ecxt_callbacks;
        while let Some(entry) = callback.as_ref() {
            if entry.function.is_some_and(|function| function as usize == stop as *const () as usize) {
                return Some((*entry.arg.cast_mut_ptr::<Registered>()).rows);
            }
            callback = entry.next;
        }
        None
    }
}

/// Evaluates the arguments of a scan's call and registers its rows.
///
/// # Safety
/// As [`next`].
unsafe fn start(node: *mut ScanState) -> Result<*mut Rows> {
    // SAFETY: the query's memory outlives what is registered with its expression contexts. If that memory goes without a call
    // of `stop`, because the query failed, it takes the rows' memory with it.
    unsafe {
        let context = (*node).ps.ps_ExprContext;
        let query = (*context).ecxt_per_query_memory;
        let mut memory = within(query, || PgMemoryContexts::new("millrace rows"));
        let rows = within(memory.value(), || open(node))?;
        let rows = memory.leak_and_drop_on_delete(rows);
        let registered = pg_sys::MemoryContextAlloc(query, size_of::<Registered>()).cast::<Registered>();
        registered.write(Registered { memory, rows });
        pg_sys::RegisterExprContextCallback(context, Some(stop), Datum::from(registered));
        Ok(rows)
    }
}

/// # Safety
/// As [`next`].
unsafe fn open(node: *mut ScanState) -> Result<Rows> {
    // SAFETY: the call is the node's; it is made ready, with a check of the right to execute the function, and called as the
    // server would.
    unsafe {
        let context = (*node).ps.ps_ExprContext;
        let expression = expression_of(node).ok_or(Error::NotComposite)?;
        let call = pg_sys::ExecInitTableFunctionResult(expression.cast(), context, null_mut());
        let fcinfo = (*call).fcinfo;
        let values = evaluate_arguments(call, context);
        for (argument, value) in (*fcinfo).args.as_mut_slice(values.len()).iter_mut().zip(values) {
            argument.value = value.unwrap_or(Datum::null());
            argument.isnull = value.is_none();
        }
        let formed = Request::new(context).call(fcinfo).ok_or(Error::NotComposite)?;
        check_row_type(&formed.row_type, &Slot::new((*node).ss_ScanTupleSlot))?;
        Ok(Rows { formed, batch: None })
    }
}

/// Refuses rows that are not of the slot's row type.
fn check_row_type(row_type: &RowType, slot: &Slot) -> Result<()> {
    let (expected, found) = (slot.row_type(), &row_type.attributes());
    if let Some(added) = found.iter().find(|attribute| attribute.index >= expected.len()) {
        let (position, found) = (added.index + 1, type_name(added.oid, -1));
        return Err(Error::RowTypeChanged { position, found, expected: "no column".to_owned() });
    }
    let columns = expected.iter().enumerate().filter(|(_, column)| !column.is_dropped());
    row_type.check_types(columns.map(|(place, column)| (place, column.type_oid().value())))
}

/// Drops what a scan has in the making, when it begins again or the query ends.
#[pg_guard]
unsafe extern "C-unwind" fn stop(registered: Datum) {
    let registered = registered.cast_mut_ptr::<Registered>();
    // SAFETY: the executor calls what is registered once; `start` has registered this.
    unsafe {
        drop(registered.read().memory);
        pg_sys::pfree(registered.cast());
    }
}
