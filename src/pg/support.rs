//! What the planner asks of the generating functions: how many rows a call returns.

use super::row::relation_name;
use crate::generate::{self, PartArguments};
use pgrx::pg_sys::{self, NodeTag, Oid};
use pgrx::prelude::*;
use pgrx::{FromDatum, Internal, PgList, is_a};

/// The support function of every generating function: answers row estimates and, with a null pointer,
/// declines everything else.
#[pg_extern(sql = false)]
pub fn generate_support(request: Internal) -> Internal {
    let declined = || Internal::from(Some(pg_sys::Datum::null()));
    // SAFETY: the server calls a support function with a node of the kind its tag says.
    unsafe {
        let Some(request) = request.unwrap() else { return declined() };
        let node = request.cast_mut_ptr::<pg_sys::Node>();
        if !is_a(node, NodeTag::T_SupportRequestRows) {
            return declined();
        }
        let rows_request = node.cast::<pg_sys::SupportRequestRows>();
        match estimate((*rows_request).node) {
            Some(rows) => {
                (*rows_request).rows = rows as f64;
                Internal::from(Some(request))
            }
            None => declined(),
        }
    }
}

/// The number of rows of a call whose arguments are known when it is planned.
///
/// # Safety
/// `node` is a node of an expression.
unsafe fn estimate(node: *mut pg_sys::Node) -> Option<u64> {
    // SAFETY: the tag is checked before the node is read as what it says.
    unsafe {
        if !is_a(node, NodeTag::T_FuncExpr) {
            return None;
        }
        let call = node.cast::<pg_sys::FuncExpr>();
        let row_type = relation_name((*call).funcresulttype);
        let mut arguments = Vec::new();
        for argument in PgList::<pg_sys::Node>::from_pg((*call).args).iter_ptr() {
            // A row type's value never matters, only its type.
            if is_a(argument, NodeTag::T_Const) {
                arguments.push(&*argument.cast::<pg_sys::Const>());
            } else if pg_sys::exprType(argument) != (*call).funcresulttype {
                return None;
            }
        }
        let table = match value::<String>(&arguments, pg_sys::TEXTOID, 0) {
            Some(name) => name,
            None => generate::table_of_row_type(&row_type).to_owned(),
        };
        let part = PartArguments {
            sf: value(&arguments, pg_sys::FLOAT8OID, 0),
            part: value(&arguments, pg_sys::INT4OID, 0),
            parts: value(&arguments, pg_sys::INT4OID, 1),
        };
        generate::estimated_rows(&table, &part).ok()
    }
}

/// The value of the `nth` constant of a type, if it is not null.
unsafe fn value<T: FromDatum>(constants: &[&pg_sys::Const], oid: Oid, nth: usize) -> Option<T> {
    let constant = constants.iter().filter(|constant| constant.consttype == oid).nth(nth)?;
    // SAFETY: the constant is of the type that T is read from.
    unsafe { T::from_datum(constant.constvalue, constant.constisnull) }
}
