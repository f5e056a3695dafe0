//! Which columns of a function scan's rows a query reads.
//!
//! A function is not told, but the plan that is being executed says it: each column that is read is a variable in the
//! scan's own expressions or, where the scan passes all its columns on as they are, in those of the node above it.

use crate::pg::server::node::only_function;
use pgrx::pg_sys::{self, Bitmapset, FunctionCallInfo, NodeTag, Plan};
use pgrx::{PgList, is_a};
use std::ptr::null_mut;

/// The positions of the columns of this call's rows that the plan reads; `None` if it reads all, or that is not known.
///
/// # Safety
/// `fcinfo` is of a call under way, `context` the one it is evaluated in.
pub unsafe fn columns_read(
    fcinfo: FunctionCallInfo,
    context: *mut pg_sys::ExprContext,
) -> Option<Vec<usize>> {
    // SAFETY: the executor's state and its plan outlive the call.
    unsafe {
        let statement = (*context).ecxt_estate.as_ref()?.es_plannedstmt.as_ref()?;
        let mut search = Search { call: (*(*fcinfo).flinfo).fn_expr, read: null_mut(), found: false };
        search.visit(statement.planTree, null_mut());
        for plan in PgList::<Plan>::from_pg(statement.subplans).iter_ptr() {
            search.visit(plan, null_mut());
        }
        search.columns().filter(|_| search.found)
    }
}

/// A search for the scans of a call, and for what is read of them.
struct Search {
    /// The call's expression, a node of the plan.
    call: *mut pg_sys::Node,
    /// The attributes that are read, numbered as in the server's sets: see [`MEMBER`].
    read: *mut Bitmapset,
    found: bool,
}

/// How much larger an attribute's number is in a set, so that the system columns' numbers fit.
const MEMBER: i32 = -pg_sys::FirstLowInvalidHeapAttributeNumber;

impl Search {
    /// # Safety
    /// `plan` is null or a node of a plan below `parent`, which is null at the top.
    unsafe fn visit(&mut self, plan: *mut Plan, parent: *mut Plan) {
        if plan.is_null() {
            return;
        }
        // SAFETY: a node is what its tag says; those listed are all that have children of another kind.
        unsafe {
            if is_a(plan.cast(), NodeTag::T_FunctionScan) {
                self.note(plan.cast(), parent);
            }
            self.visit((*plan).lefttree, plan);
            self.visit((*plan).righttree, plan);
            let children = match (*plan).type_ {
                NodeTag::T_Append => (*plan.cast::<pg_sys::Append>()).appendplans,
                NodeTag::T_MergeAppend => (*plan.cast::<pg_sys::MergeAppend>()).mergeplans,
                NodeTag::T_CustomScan => (*plan.cast::<pg_sys::CustomScan>()).custom_plans,
                NodeTag::T_SubqueryScan => {
                    return self.visit((*plan.cast::<pg_sys::SubqueryScan>()).subplan, plan);
                }
                _ => return,
            };
            for child in PgList::<Plan>::from_pg(children).iter_ptr() {
                self.visit(child, plan);
            }
        }
    }

    /// Notes what is read of a scan, if this call is all that it scans.
    ///
    /// # Safety
    /// As [`Search::visit`].
    unsafe fn note(&mut self, scan: *mut pg_sys::FunctionScan, parent: *mut Plan) {
        // SAFETY: the nodes are of a plan; its lists are of the nodes that these fields have.
        unsafe {
            if only_function((*scan).functions).is_none_or(|function| function.funcexpr != self.call) {
                return;
            }
            self.found = true;
            let (plan, relation) = (&(*scan).scan.plan, (*scan).scan.scanrelid);
            pg_sys::pull_varattnos(plan.qual.cast(), relation, &mut self.read);
            let taken = outputs_taken(parent);
            for entry in PgList::<pg_sys::TargetEntry>::from_pg(plan.targetlist).iter_ptr() {
                // Anything but a plain column is computed whether it is taken or not.
                let is_passed_on = is_a((*entry).expr.cast(), NodeTag::T_Var);
                let is_taken =
                    |taken: *mut Bitmapset| pg_sys::bms_is_member(i32::from((*entry).resno) + MEMBER, taken);
                if !is_passed_on || taken.is_none_or(is_taken) {
                    pg_sys::pull_varattnos((*entry).expr.cast(), relation, &mut self.read);
                }
            }
        }
    }

    /// The positions of the columns that are read; `None` if a row is read as a whole.
    fn columns(&self) -> Option<Vec<usize>> {
        let mut columns = Vec::new();
        let mut member = -1;
        loop {
            // SAFETY: the set is one of the server's, which null is too.
            member = unsafe { pg_sys::bms_next_member(self.read, member) };
            if member < 0 {
                return Some(columns);
            }
            // The first attribute is number 1, the row as a whole 0.
            columns.push(usize::try_from(member - MEMBER - 1).ok()?);
        }
    }
}

/// Which of its child's outputs an aggregate reads; `None` for other nodes, which may read all.
///
/// # Safety
/// `node` is null or a node of a plan.
unsafe fn outputs_taken(node: *mut Plan) -> Option<*mut Bitmapset> {
    // SAFETY: a node is what its tag says; an aggregate has as many grouping columns as it counts.
    unsafe {
        if node.is_null() || !is_a(node.cast(), NodeTag::T_Agg) {
            return None;
        }
        let aggregate = node.cast::<pg_sys::Agg>();
        if !(*aggregate).chain.is_null() {
            return None;
        }
        let mut taken = null_mut();
        for expressions in [(*aggregate).plan.targetlist, (*aggregate).plan.qual] {
            pg_sys::pull_varattnos(expressions.cast(), pg_sys::OUTER_VAR as pg_sys::Index, &mut taken);
        }
        for group in 0..(*aggregate).numCols as usize {
            let column = *(*aggregate).grpColIdx.add(group);
            taken = pg_sys::bms_add_member(taken, i32::from(column) + MEMBER);
        }
        Some(taken)
    }
}
