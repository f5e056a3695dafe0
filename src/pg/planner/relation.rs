//! Base relations of a query in planning.

use crate::pg::planner::call::GeneratingCall;
use crate::pg::server::node::{Node, nodes};
use pgrx::pg_sys::{self, AttrNumber, Index};

/// A base relation that is a call of a generating function, while the planner looks for its paths, before it plans joins.
pub struct BaseRelation<'p> {
    pub(super) root: *mut pg_sys::PlannerInfo,
    pub(super) rel: *mut pg_sys::RelOptInfo,
    pub call: GeneratingCall<'p>,
}

impl<'p> BaseRelation<'p> {
    /// `None` for other relations.
    ///
    /// # Safety
    /// The planner is planning this query for `'p`, and this is a base relation of it.
    pub unsafe fn new(root: *mut pg_sys::PlannerInfo, rel: *mut pg_sys::RelOptInfo) -> Option<Self> {
        // SAFETY: it is a base relation, which has a number.
        let call = unsafe { call_of(root, (*rel).relid) }?;
        Some(Self { root, rel, call })
    }

    pub fn rel(&self) -> &'p pg_sys::RelOptInfo {
        // SAFETY: the planner's node, which outlives our call; its lists of paths and its widths are all that changes, and
        // nothing holds this reference while they do.
        unsafe { &*self.rel }
    }

    pub fn target(&self) -> &'p pg_sys::PathTarget {
        // SAFETY: every base relation has a target by the time its paths are made; what is said of its rows holds for it.
        unsafe { &*self.rel().reltarget }
    }

    /// Whether its rows are what the query inserts, or returns to one who reads forward and to the end.
    pub fn is_handed_on(&self) -> bool {
        // SAFETY: the planner has the query that it plans.
        let (root, query) = unsafe { (&*self.root, &*(*self.root).parse) };
        match query.commandType {
            pg_sys::CmdType::CMD_INSERT => true,
            pg_sys::CmdType::CMD_SELECT => {
                let is_grouped = query.hasAggs
                    || query.hasWindowFuncs
                    || !query.groupClause.is_null()
                    || !query.distinctClause.is_null();
                // SAFETY: the planner has the state of all its queries, and the set of this one's relations.
                let (runs_to_end, relations) =
                    unsafe { ((*root.glob).parallelModeOK, pg_sys::bms_num_members(root.all_baserels)) };
                // Cursors, which may be closed early or read backwards, are not planned for parallel processes.
                runs_to_end
                    && root.query_level == 1
                    && relations == 1
                    && !is_grouped
                    && query.limitCount.is_null()
            }
            _ => false,
        }
    }

    /// The calls among the relations before this one, with their numbers.
    pub fn calls_before(&self) -> impl Iterator<Item = (Index, GeneratingCall<'p>)> {
        let root = self.root;
        // SAFETY: relations are counted from 1 on, and this is one of them.
        (1..self.rel().relid).filter_map(move |relid| Some((relid, unsafe { call_of(root, relid) }?)))
    }

    /// Its columns among the expressions of its target.
    pub fn columns_in_target(&self) -> impl Iterator<Item = &'p pg_sys::Var> {
        let rel = self.rel();
        // SAFETY: a list of expressions.
        let expressions = unsafe { nodes(self.target().exprs) };
        let columns = expressions.filter_map(Node::read::<pg_sys::Var>);
        // A column of another relation may be among them, in place of a column of this one's parent.
        columns.filter(|var| {
            i64::from(var.varno) == i64::from(rel.relid)
                && (rel.min_attr..=rel.max_attr).contains(&var.varattno)
        })
    }

    /// Sets how wide the values of one of those are, instead of the width that the planner took from its type.
    pub fn set_width(&self, column: AttrNumber, width: i32) {
        let place = (column - self.rel().min_attr) as usize;
        // SAFETY: there is a width for each column from the least to the greatest, and this is one of them.
        unsafe {
            let stored = self.rel().attr_widths.add(place);
            let before = stored.replace(width);
            (*self.rel().reltarget).width += width - before;
        }
    }
}

/// The call that a relation of a query is, if the scan can replace it.
///
/// # Safety
/// The planner is planning this query for `'p`, and it has as many relations.
unsafe fn call_of<'p>(root: *mut pg_sys::PlannerInfo, relid: Index) -> Option<GeneratingCall<'p>> {
    // SAFETY: the planner's array has an entry, or null, for each relation of the query, from 1 on.
    let entry = unsafe { Node::new(*(*root).simple_rte_array.add(relid as usize)) }?;
    GeneratingCall::of_range_table(entry.read()?)
}
