//! Execution: a scan from its beginning to its end, row by row.

use super::{EXEC, NAME};
use crate::call::Call;
use crate::error::{Error, Result, or_raise};
use crate::pg::planner::call::{GeneratingCall, evaluate_arguments};
use crate::pg::server::memory::within;
use crate::pg::server::node::{Node, NodeType, make_node};
use crate::pg::server::raw;
use crate::pg::server::slot::{Slot, clear, passes, store_virtual};
use crate::pg::values::stream::Stream;
use pgrx::pg_sys::{self, NodeTag};
use pgrx::prelude::*;
use pgrx::{PgList, PgMemoryContexts, PgTupleDesc};
use std::ops::Range;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

/// The executor's node, followed by our own fields.
#[repr(C)]
struct State {
    node: pg_sys::CustomScanState,
    /// Made when the scan begins; dropped with the query's memory.
    scan: *mut Scan,
}

// SAFETY: it begins with the executor's node; zeroes are valid in that, and in what is ours behind it.
unsafe impl NodeType for State {
    const TAG: NodeTag = NodeTag::T_CustomScanState;
}

/// A node of ours that has begun, while the executor calls us with it.
#[repr(transparent)]
pub struct ScanNode(*mut State);

impl ScanNode {
    /// # Safety
    /// The executor calls us with this node, which has begun.
    pub unsafe fn new(node: *mut pg_sys::CustomScanState) -> Self {
        Self(node.cast())
    }

    pub fn scan(&mut self) -> &mut Scan {
        // SAFETY: the node has begun, so that there is a scan. The executor makes one call at a time, and none of ours calls
        // it back while it holds the scan.
        unsafe { &mut *(*self.0).scan }
    }

    /// The slot of the scan's rows, empty: a virtual one, with a column for each of the scan's.
    fn slot(&self) -> Slot {
        // SAFETY: the executor made it of the plan's `custom_scan_tlist`, and nobody reads it until we return.
        unsafe { Slot::new(clear((*self.0).node.ss.ss_ScanTupleSlot)) }
    }
}

/// A scan that has begun.
pub struct Scan {
    /// The call, with its arguments ready to be evaluated.
    call: *mut pg_sys::SetExprState,
    context: *mut pg_sys::ExprContext,
    /// For each column of the scan, its number in the row type, counted from 0.
    pub columns: Vec<usize>,
    /// Whether reading a row may allocate memory, which lasts until the next row; true until that is known.
    converts: bool,
    /// Where the rows come from; made when the first is asked for.
    progress: Option<Progress>,
    /// The server's memory that the progress uses; emptied with it.
    memory: pg_sys::MemoryContext,
    /// The next unit nobody has taken, where several processes share the scan.
    pub shared: Option<&'static AtomicU64>,
}

/// A scan that has read the values of its arguments.
struct Progress {
    call: Call,
    stream: Stream,
    units: Range<u64>,
}

/// How many units a process takes at a time from those it shares.
const UNITS_PER_TURN: u64 = 8192;

#[pg_guard]
pub unsafe extern "C-unwind" fn create_state(_scan: *mut pg_sys::CustomScan) -> *mut pg_sys::Node {
    let state = make_node::<State>();
    // SAFETY: a new node.
    unsafe { (*state).node.methods = &EXEC.0 };
    state.cast()
}

#[pg_guard]
pub unsafe extern "C-unwind" fn begin(
    node: *mut pg_sys::CustomScanState,
    estate: *mut pg_sys::EState,
    _flags: i32,
) {
    // SAFETY: called by the executor with a node that `create_state` made, in its query's memory, where what is
    // allocated lives as long as the scan.
    unsafe {
        let mut memory = PgMemoryContexts::For((*estate).es_query_cxt);
        (*node.cast::<State>()).scan = memory.leak_and_drop_on_delete(Scan::new(node));
    }
}

impl Scan {
    /// # Safety
    /// The executor begins with this node.
    unsafe fn new(node: *mut pg_sys::CustomScanState) -> Self {
        // SAFETY: the node's plan is one that `plan` made: with the call as its only expression, and a list of numbers.
        unsafe {
            let ps = &raw mut (*node).ss.ps;
            let plan = (*ps).plan.cast::<pg_sys::CustomScan>();
            let call = PgList::<pg_sys::Expr>::from_pg((*plan).custom_exprs).get_ptr(0).unwrap_or(null_mut());
            let numbers = PgList::<pg_sys::List>::from_pg((*plan).custom_private).get_ptr(0);
            let numbers = PgList::<i32>::from_pg(numbers.unwrap_or(null_mut()));
            let context = (*ps).ps_ExprContext;
            Self {
                // Checks the right to execute the function, too.
                call: pg_sys::ExecInitTableFunctionResult(call, context, ps),
                context,
                // The first says how many there are.
                columns: numbers.iter_int().skip(1).map(|number| number as usize - 1).collect(),
                converts: true,
                progress: None,
                memory: new_memory(),
                shared: None,
            }
        }
    }

    /// The call, as it is in the plan.
    pub fn planned_call(&self) -> Option<GeneratingCall<'_>> {
        // SAFETY: the expression is the plan's, which lives as long as the scan.
        GeneratingCall::new(unsafe { Node::new((*self.call).expr) }?)
    }

    /// What the call asked for, if a row was.
    pub fn evaluated_call(&self) -> Option<&Call> {
        self.progress.as_ref().map(|progress| &progress.call)
    }

    /// Puts the next row into the slot; false at the end.
    #[inline]
    fn next(&mut self, slot: &mut Slot) -> Result<bool> {
        let progress = match &mut self.progress {
            Some(progress) => progress,
            None => {
                // SAFETY: the memory is the scan's.
                let progress = unsafe { within(self.memory, || self.start(&slot.row_type())) }?;
                self.converts = progress.stream.converts();
                self.progress.insert(progress)
            }
        };
        progress.stream.release();
        // SAFETY: the stream reads rows of the slot's row type, by `RowType::check_types`, which stay until the next is asked for.
        while !unsafe { slot.write(|values, nulls| progress.stream.read(values, nulls)) }? {
            let Some(shared) = self.shared else { return Ok(false) };
            let start = progress.units.start + shared.fetch_add(UNITS_PER_TURN, Ordering::Relaxed);
            if start >= progress.units.end {
                return Ok(false);
            }
            progress.stream.go_on_with(start..(start + UNITS_PER_TURN).min(progress.units.end));
        }
        Ok(true)
    }

    /// Evaluates the arguments and opens the source. `expected` is the row type that the plan's expressions expect.
    fn start(&self, expected: &PgTupleDesc) -> Result<Progress> {
        let planned = self.planned_call().ok_or(Error::NotComposite)?;
        // SAFETY: these are the values of the call's arguments, which are ready to be evaluated in this context.
        let call = unsafe { planned.evaluated(evaluate_arguments(self.call, self.context))? };
        let row_type = planned.row_type();
        let expected = expected.iter().map(|expected| expected.type_oid().value());
        row_type.check_types(self.columns.iter().copied().zip(expected))?;
        let (source, units) = call.open()?;
        let mine = if self.shared.is_none() { units.clone() } else { 0..0 };
        let stream = Stream::of_columns(&row_type, &call.source.unique_name(), source, mine, &self.columns)?;
        Ok(Progress { call, stream, units })
    }

    /// Resets the scan to before its first row.
    fn stop(&mut self) {
        self.progress = None;
        // SAFETY: what was in it went with the progress.
        unsafe { pg_sys::MemoryContextReset(self.memory) };
    }
}

/// A memory context of the scan's own within the current one.
fn new_memory() -> pg_sys::MemoryContext {
    // SAFETY: the current context lives, and the name is static.
    unsafe {
        pg_sys::AllocSetContextCreateExtended(
            pg_sys::CurrentMemoryContext,
            NAME.as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    }
}

/// Puts the next row into the node's slot, in the memory of a row; false at the end.
#[pg_guard]
unsafe extern "C-unwind" fn next(node: *mut pg_sys::CustomScanState) -> bool {
    // SAFETY: as `execute`, which calls it.
    let mut node = unsafe { ScanNode::new(node) };
    let mut slot = node.slot();
    or_raise(node.scan().next(&mut slot))
}

/// The next row that meets the node's conditions, as `ExecScan` finds it. (That one rechecks rows for EvalPlanQual in a
/// way that does not fit scans without a relation; the rows of a function never change, so there is nothing to recheck.)
///
/// Conditions and projections are the server's, and their errors jump out of here. So this is a frame like C's: it owns
/// nothing and calls the server's functions without a guard; whatever may panic is in [`next`].
pub unsafe extern "C-unwind" fn execute(node: *mut pg_sys::CustomScanState) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: called by the executor with a node of ours that has begun. What is allocated for a row is in the memory
    // that is reset for the next one.
    unsafe {
        let ss = &raw mut (*node).ss;
        let (qual, projection, context) = ((*ss).ps.qual, (*ss).ps.ps_ProjInfo, (*ss).ps.ps_ExprContext);
        let is_plain = qual.is_null() && projection.is_null();
        let before = pg_sys::MemoryContextSwitchTo((*context).ecxt_per_tuple_memory);
        let row = loop {
            if !is_plain || ScanNode::new(node).scan().converts {
                raw::MemoryContextReset((*context).ecxt_per_tuple_memory);
            }
            let found = next(node);
            (*context).ecxt_scantuple = (*ss).ss_ScanTupleSlot;
            if !found || passes(qual, context) {
                break project(projection, (*ss).ss_ScanTupleSlot, found);
            }
            if let Some(instrument) = (*ss).ps.instrument.as_mut() {
                instrument.nfiltered1 += 1.0;
            }
        };
        pg_sys::MemoryContextSwitchTo(before);
        row
    }
}

/// What the node returns for the row in `slot`, as `ExecProject` makes it, or an empty slot at the end. A frame like
/// C's, as [`execute`].
///
/// # Safety
/// `projection` is null or that of the node whose scan slot this is.
unsafe fn project(
    projection: *mut pg_sys::ProjectionInfo,
    slot: *mut pg_sys::TupleTableSlot,
    found: bool,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the expression fills the result slot with what it makes of the row in the scan's, which is the context's.
    unsafe {
        if projection.is_null() {
            return slot;
        }
        let state = &raw mut (*projection).pi_state;
        let result = clear((*state).resultslot);
        if let Some(evaluate) = (*state).evalfunc.filter(|_| found) {
            let mut is_null = false;
            evaluate(state, (*projection).pi_exprContext, &mut is_null);
            store_virtual(result);
        }
        result
    }
}

#[pg_guard]
pub unsafe extern "C-unwind" fn end(node: *mut pg_sys::CustomScanState) {
    // SAFETY: called by the executor with a node of ours that has begun.
    unsafe { ScanNode::new(node) }.scan().stop();
}

#[pg_guard]
pub unsafe extern "C-unwind" fn rescan(node: *mut pg_sys::CustomScanState) {
    // SAFETY: called by the executor with a node of ours that has begun.
    let mut node = unsafe { ScanNode::new(node) };
    // Arguments may have changed.
    node.scan().stop();
    node.slot();
}
