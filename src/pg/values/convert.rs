//! The server's own assignment casts, for columns that are not of a source's natural type.

use crate::pg::server::raw::guarded;
use crate::pg::server::text::from_c_string;
use pgrx::pg_sys::{self, Datum, Oid};

/// Converts values of one type to another as an `INSERT` would: with the target's casts, type modifier
/// and domain constraints.
pub struct Conversion {
    state: *mut pg_sys::ExprState,
    context: *mut pg_sys::ExprContext,
}

impl Conversion {
    /// `None` if there is no assignment cast. What it allocates lives as long as the current memory
    /// context, and so must the conversion.
    pub fn new(from: Oid, to: Oid, typmod: i32) -> Option<Self> {
        // SAFETY: the nodes are allocated and complete before they are used, and live in the current
        // memory context. The placeholder is the one the server itself uses for a value to be cast: it
        // stands for the `caseValue` of the expression's context.
        unsafe {
            let size = std::mem::size_of::<pg_sys::CaseTestExpr>();
            let placeholder = pg_sys::palloc0(size).cast::<pg_sys::CaseTestExpr>();
            (*placeholder).xpr.type_ = pg_sys::NodeTag::T_CaseTestExpr;
            (*placeholder).typeId = from;
            (*placeholder).typeMod = -1;
            (*placeholder).collation = pg_sys::get_typcollation(from);
            let cast = pg_sys::coerce_to_target_type(
                std::ptr::null_mut(),
                placeholder.cast(),
                from,
                to,
                typmod,
                pg_sys::CoercionContext::COERCION_ASSIGNMENT,
                pg_sys::CoercionForm::COERCE_IMPLICIT_CAST,
                -1,
            );
            if cast.is_null() {
                return None;
            }
            let planned = pg_sys::expression_planner(cast.cast());
            Some(Self {
                state: pg_sys::ExecInitExpr(planned, std::ptr::null_mut()),
                context: pg_sys::CreateStandaloneExprContext(),
            })
        }
    }

    /// Converts a value; the result is allocated in the current memory context.
    pub fn convert(&self, value: Option<Datum>) -> Option<Datum> {
        // SAFETY: state and context were made by `new` and are alive; the expression reads its one
        // input from the context.
        unsafe {
            (*self.context).caseValue_datum = value.unwrap_or(Datum::null());
            (*self.context).caseValue_isNull = value.is_none();
            let mut is_null = false;
            let evaluate = (*self.state).evalfunc?;
            // A value that does not fit raises the server's error, which must unwind through our frames.
            let converted = guarded(|| evaluate(self.state, self.context, &mut is_null));
            (!is_null).then_some(converted)
        }
    }
}

/// A type as SQL writes it, with its modifier.
pub fn type_name(oid: Oid, typmod: i32) -> String {
    // SAFETY: returns a palloc'ed C string for any OID, known or not.
    unsafe {
        let flags = pg_sys::FORMAT_TYPE_TYPEMOD_GIVEN | pg_sys::FORMAT_TYPE_ALLOW_INVALID;
        let name = pg_sys::format_type_extended(oid, typmod, flags as u16);
        from_c_string(std::ffi::CStr::from_ptr(name))
    }
}
