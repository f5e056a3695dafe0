//! Calls of the generating functions as the planner sees them: which function, with which arguments.

use crate::call::{Call, source_of_row_type};
use crate::error::{Error, Result};
use crate::pg::server::text::{Json, Text};
use crate::pg::values::row_type::relation_name;
use pgrx::pg_sys::{self, Datum, NodeTag, Oid};
use pgrx::prelude::*;
use pgrx::{FromDatum, Internal, PgList, is_a};

/// Reads the arguments of a call that returns `row_type`; each is a type and a value or null. Each generating
/// function has some of the same arguments in the same order, so their types tell which is which.
///
/// # Safety
/// The values are of their types.
pub unsafe fn request(arguments: &[(Oid, Option<Datum>)], row_type: Oid) -> Result<Call> {
    let nth =
        |oid, nth| arguments.iter().filter(|(other, _)| *other == oid).nth(nth).map(|(_, value)| *value);
    // SAFETY: the caller vouches for the types.
    unsafe {
        let part = read(nth(pg_sys::INT4OID, 0).flatten());
        let parts = read(nth(pg_sys::INT4OID, 1).flatten());
        let row_type = relation_name(row_type);
        let source = source_of_row_type(&row_type);
        if let Some(options) = nth(pg_sys::JSONBOID, 0) {
            let rows =
                nth(pg_sys::INT8OID, 0).map(|rows| read(rows).ok_or(Error::Null("rows"))).transpose()?;
            return Call::synthetic(
                source,
                rows,
                read::<Json>(options).map(|options| options.0),
                part,
                parts,
            );
        }
        let table = match nth(pg_sys::TEXTOID, 0) {
            Some(name) => read(name).ok_or(Error::Null("table_name"))?,
            None => Text::from(source),
        };
        Call::tpch(&table, read(nth(pg_sys::FLOAT8OID, 0).flatten()), part, parts)
    }
}

/// # Safety
/// The value, if there is one, is of the type that T is read from.
unsafe fn read<T: FromDatum>(value: Option<Datum>) -> Option<T> {
    // SAFETY: the caller vouches for the type.
    unsafe { T::from_datum(value?, false) }
}

/// What a call asks for as far as that is known when it is planned: `None` if an argument is not.
///
/// # Safety
/// `call` is a call of a generating function.
pub unsafe fn constant_request(call: *mut pg_sys::FuncExpr) -> Option<Call> {
    // SAFETY: the caller vouches for the node; tags are checked before nodes are read as what they say.
    unsafe {
        let row_type = (*call).funcresulttype;
        let mut arguments = Vec::new();
        for argument in PgList::<pg_sys::Node>::from_pg((*call).args).iter_ptr() {
            let oid = pg_sys::exprType(argument);
            if is_a(argument, NodeTag::T_Const) {
                let constant = argument.cast::<pg_sys::Const>();
                arguments.push((oid, (!(*constant).constisnull).then_some((*constant).constvalue)));
            } else if oid != row_type {
                // A row type's value never matters, only its type.
                return None;
            }
        }
        self::request(&arguments, row_type).ok()
    }
}

/// The support function of every generating function: answers row estimates and, with a null pointer,
/// declines everything else.
#[pg_extern(sql = false)]
pub fn generate_support(request: Internal) -> Internal {
    let declined = || Internal::from(Some(Datum::null()));
    // SAFETY: the server calls a support function with a node of the kind its tag says.
    unsafe {
        let Some(request) = request.unwrap() else { return declined() };
        let node = request.cast_mut_ptr::<pg_sys::Node>();
        if !is_a(node, NodeTag::T_SupportRequestRows) {
            return declined();
        }
        let rows_request = node.cast::<pg_sys::SupportRequestRows>();
        let call = (*rows_request).node;
        // What a wrong call would return is not known, and planning it is no error.
        let known = if is_a(call, NodeTag::T_FuncExpr) { constant_request(call.cast()) } else { None };
        let rows = known.and_then(|call| call.estimated_rows().ok());
        match rows {
            Some(rows) => {
                (*rows_request).rows = rows as f64;
                Internal::from(Some(request))
            }
            None => declined(),
        }
    }
}

/// The call of a generating function that a range table entry is, if the scan can stand for it.
///
/// # Safety
/// `rte` is a range table entry in planning.
pub unsafe fn scanned_call(rte: *mut pg_sys::RangeTblEntry) -> Option<*mut pg_sys::FuncExpr> {
    // SAFETY: the caller vouches for the entry; tags are checked before nodes are read as what they say.
    unsafe {
        let entry = &*rte;
        if entry.rtekind != pg_sys::RTEKind::RTE_FUNCTION || entry.funcordinality {
            return None;
        }
        let functions = PgList::<pg_sys::RangeTblFunction>::from_pg(entry.functions);
        let function = functions.get_ptr(0).filter(|_| functions.len() == 1)?;
        let expression = (*function).funcexpr;
        if !is_a(expression, NodeTag::T_FuncExpr) || !(*function).funccolnames.is_null() {
            return None;
        }
        // Arguments of other tables' columns would tie the scan to a join.
        if pg_sys::contain_var_clause(expression) {
            return None;
        }
        let call = expression.cast::<pg_sys::FuncExpr>();
        // A wrong row type is left to the function to complain of.
        let is_composite = pg_sys::get_typ_typrelid((*call).funcresulttype) != Oid::INVALID;
        (is_composite && is_generating((*call).funcid)).then_some(call)
    }
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
