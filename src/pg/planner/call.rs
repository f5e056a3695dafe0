//! Calls of the generating functions, as plans contain them.

use crate::call::Call;
use crate::error::Result;
use crate::pg::server::arguments::Signature;
use crate::pg::server::node::{Node, nodes, only_function};
use crate::pg::server::raw;
use crate::pg::values::row_type::{RowType, relation_name};
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::prelude::*;
use pgrx::{Internal, PgList};

/// A call of a generating function that returns rows of a composite type.
#[derive(Clone, Copy)]
pub struct GeneratingCall<'p>(&'p pg_sys::FuncExpr);

impl<'p> GeneratingCall<'p> {
    /// `None` if it is a call of another function, or has a wrong type, which the function will report.
    pub fn new(node: Node<'p>) -> Option<Self> {
        let call = node.read::<pg_sys::FuncExpr>()?;
        // SAFETY: looks the type up in the catalog; zero if it is not a composite one.
        let is_composite = unsafe { pg_sys::get_typ_typrelid(call.funcresulttype) } != Oid::INVALID;
        (is_composite && is_generating(call.funcid)).then_some(Self(call))
    }

    /// The call that a range table entry is, if the scan can replace it.
    pub fn of_range_table(entry: &'p pg_sys::RangeTblEntry) -> Option<Self> {
        // SAFETY: the entry's kind says what else is in it, which nobody changes either for `'p`.
        unsafe {
            if entry.rtekind != pg_sys::RTEKind::RTE_FUNCTION || entry.funcordinality {
                return None;
            }
            let function = only_function(entry.functions)?;
            // With columns of other tables among its arguments, the scan would depend on a join.
            if pg_sys::contain_var_clause(function.funcexpr) {
                return None;
            }
            Self::new(Node::new(function.funcexpr)?)
        }
    }

    /// The row type as it is now, which may not be as it was when the query was parsed.
    pub fn row_type(self) -> RowType {
        RowType::of_type(self.0.funcresulttype)
    }

    /// The expressions of its arguments.
    pub fn arguments(self) -> impl Iterator<Item = Node<'p>> {
        // SAFETY: a call has a list of expressions, for which the same holds as for itself.
        unsafe { nodes(self.0.args) }
    }

    /// What it asks for, if that is known at planning time: `None` if an argument is not known, or is wrong.
    pub fn planned(self) -> Option<Call> {
        let signature = Signature::of(self.0.funcid).ok()?;
        let mut values = Vec::new();
        for (place, argument) in self.arguments().enumerate() {
            values.push(match argument.read::<pg_sys::Const>() {
                Some(constant) => (!constant.constisnull).then_some(constant.constvalue),
                None if signature.reads(place) => return None,
                None => None,
            });
        }
        // SAFETY: the parser has made the arguments be of the types that the function is declared with.
        unsafe { self.read(signature, values) }.ok()
    }

    /// What it asks for, from the values of its arguments.
    ///
    /// # Safety
    /// The values are those of [`Self::arguments`].
    #[cfg(not(feature = "cbdb"))]
    pub unsafe fn evaluated(self, values: Vec<Option<Datum>>) -> Result<Call> {
        // SAFETY: the values are the arguments', whose types the parser has made the function's.
        unsafe { self.read(Signature::of(self.0.funcid)?, values) }
    }

    /// # Safety
    /// As [`Signature::arguments`].
    unsafe fn read(self, signature: Signature, values: Vec<Option<Datum>>) -> Result<Call> {
        // SAFETY: the values are of the types that the function is declared with, as asked for above.
        let arguments = unsafe { signature.arguments(relation_name(self.0.funcresulttype), values) };
        Call::read(&arguments)
    }

    /// A copy of the expression.
    #[cfg(not(feature = "cbdb"))]
    pub fn copy(self) -> *mut pg_sys::Expr {
        // SAFETY: copies a node, which is one.
        unsafe { pg_sys::copyObjectImpl((&raw const *self.0).cast()).cast() }
    }
}

/// The values of a call's arguments.
///
/// # Safety
/// The call is one of a function, ready to be evaluated in this context.
pub unsafe fn evaluate_arguments(
    call: *const pg_sys::SetExprState,
    context: *mut pg_sys::ExprContext,
) -> Vec<Option<Datum>> {
    // SAFETY: the states are those of the call's arguments, in order.
    let states = unsafe { PgList::<pg_sys::ExprState>::from_pg((*call).args) };
    let evaluate = |state: *mut pg_sys::ExprState| {
        let mut is_null = false;
        // SAFETY: the state is ready to be evaluated in this context; the closure owns nothing.
        let value = unsafe { raw::guarded(|| (*state).evalfunc.map(|f| f(state, context, &mut is_null))) };
        value.filter(|_| !is_null)
    };
    states.iter_ptr().map(evaluate).collect()
}

/// The support function of every generating function: answers requests for row estimates, and declines all others by
/// returning a null pointer.
#[pg_extern(sql = false)]
pub fn generate_support(request: Internal) -> Internal {
    let declined = || Internal::from(Some(Datum::null()));
    let Some(datum) = request.unwrap().filter(|datum| !datum.is_null()) else { return declined() };
    // SAFETY: the server calls a support function with a node, of the kind that its tag says.
    let Some(rows) = (unsafe { Node::new(datum.cast_mut_ptr::<pg_sys::Node>()) }).and_then(estimated_rows)
    else {
        return declined();
    };
    // SAFETY: a number of rows was asked for, so it is such a request, whose field is for the answer.
    unsafe { (*datum.cast_mut_ptr::<pg_sys::SupportRequestRows>()).rows = rows as f64 };
    Internal::from(Some(datum))
}

/// The number of rows of the call in a request. For a wrong call it is not known; planning one is no error.
fn estimated_rows(request: Node) -> Option<u64> {
    let node = request.read::<pg_sys::SupportRequestRows>()?.node;
    // SAFETY: the request is for a node of the query that is being planned.
    let call = GeneratingCall::new(unsafe { Node::new(node) }?)?;
    call.planned()?.estimated_rows().ok()
}

/// Whether a function is one of ours that return generated rows.
fn is_generating(function: Oid) -> bool {
    // SAFETY: the support function is looked up in the catalog, and its address only compared.
    unsafe {
        let support = pg_sys::get_func_support(function);
        if support == Oid::INVALID {
            return false;
        }
        let mut info = pg_sys::FmgrInfo::default();
        pg_sys::fmgr_info(support, &mut info);
        info.fn_addr.is_some_and(|address| address as usize == generate_support_wrapper as *const () as usize)
    }
}
