//! Arguments of a function call, by the names that the catalog has for them.

use crate::call::{Argument, Arguments};
use crate::error::{Error, Result};
use crate::pg::server::text::{Json, Text, from_c_string};
use pgrx::FromDatum;
use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::{CStr, c_char};
use std::ptr::null_mut;

/// What the catalog says about a function's arguments.
pub struct Signature {
    function: String,
    /// Names and types, by position.
    arguments: Vec<(String, Oid)>,
}

impl Signature {
    pub fn of(function: Oid) -> Result<Self> {
        let (mut types, mut names, mut modes) = (null_mut(), null_mut(), null_mut());
        // SAFETY: the catalog's row is there until it is released, and what is read from it is copied; its arrays have as
        // many elements as it says. A function whose arguments have no names has a null pointer for them.
        unsafe {
            let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
            let row = pg_sys::SearchSysCache1(cache, Datum::from(function));
            if row.is_null() {
                return Err(Error::UnknownFunction(function.to_u32()));
            }
            let count = pg_sys::get_func_arg_info(row, &mut types, &mut names, &mut modes);
            let names_of = |place| if names.is_null() { String::new() } else { name(*names.add(place)) };
            let argument = |place| (names_of(place), *types.add(place));
            let arguments = (0..count as usize).map(argument).collect();
            pg_sys::ReleaseSysCache(row);
            Ok(Self { function: name(pg_sys::get_func_name(function)), arguments })
        }
    }

    /// Whether the value of an argument is read; other values do not matter.
    pub fn reads(&self, place: usize) -> bool {
        self.arguments.get(place).is_some_and(|(_, oid)| is_read(*oid))
    }

    /// The arguments of a call that returns rows of a type, from their values in order.
    ///
    /// # Safety
    /// The values that are read are of the types that the function is declared with.
    pub unsafe fn arguments(
        self,
        row_type: String,
        values: impl IntoIterator<Item = Option<Datum>>,
    ) -> Arguments {
        let read = |((name, oid), value): (_, Option<Datum>)| {
            // SAFETY: the values are of the types of the declaration, in its order.
            (name, value.and_then(|value| unsafe { read(oid, value) }))
        };
        let values = self.arguments.into_iter().zip(values).map(read).collect();
        Arguments { function: self.function, row_type, values }
    }
}

/// The arguments of the call that `fcinfo` is, whose rows are of a type of this name.
pub fn of_call(fcinfo: pg_sys::FunctionCallInfo, row_type: &str) -> Result<Arguments> {
    // SAFETY: `fcinfo` is this call's, which has as many arguments as it says; the server has made them be of the types
    // that the function is declared with.
    unsafe {
        let call = &*fcinfo;
        let arguments = call.args.as_slice(call.nargs as usize);
        let values = arguments.iter().map(|argument| (!argument.isnull).then_some(argument.value));
        Ok(Signature::of((*call.flinfo).fn_oid)?.arguments(row_type.to_owned(), values))
    }
}

fn is_read(oid: Oid) -> bool {
    use pg_sys::{BOOLOID, FLOAT8OID, INT2OID, INT4OID, INT8OID, JSONBOID, TEXTOID};
    matches!(oid, BOOLOID | INT2OID | INT4OID | INT8OID | FLOAT8OID | TEXTOID | JSONBOID)
}

/// # Safety
/// The value is of the type.
unsafe fn read(oid: Oid, value: Datum) -> Option<Argument> {
    // SAFETY: each arm reads the type that the value is of, as asked for above.
    unsafe {
        match oid {
            pg_sys::BOOLOID => bool::from_datum(value, false).map(Argument::Boolean),
            pg_sys::INT2OID => i16::from_datum(value, false).map(|value| Argument::Integer(value.into())),
            pg_sys::INT4OID => i32::from_datum(value, false).map(|value| Argument::Integer(value.into())),
            pg_sys::INT8OID => i64::from_datum(value, false).map(Argument::Integer),
            pg_sys::FLOAT8OID => f64::from_datum(value, false).map(Argument::Float),
            pg_sys::TEXTOID => Text::from_datum(value, false).map(|text| Argument::Text(text.into())),
            pg_sys::JSONBOID => Json::from_datum(value, false).map(|json| Argument::Json(json.0)),
            _ => None,
        }
    }
}

/// # Safety
/// Null or a C string of the server's.
unsafe fn name(name: *const c_char) -> String {
    // SAFETY: if not null, it is a C string, as asked for above.
    if name.is_null() { String::new() } else { from_c_string(unsafe { CStr::from_ptr(name) }) }
}
