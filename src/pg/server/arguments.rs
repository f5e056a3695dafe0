//! Arguments of a function call, by the names that the catalog has for them.

use crate::call::{Argument, Arguments};
use crate::error::{Error, Result};
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::{FromDatum, direct_function_call_as_datum};
use std::ffi::{CStr, c_char};
use std::ptr::null_mut;

/// What the catalog says of a function's arguments.
pub struct Signature {
    function: String,
    /// Names and types, by position.
    arguments: Vec<(String, Oid)>,
}

impl Signature {
    pub fn of(function: Oid) -> Result<Self> {
        let (mut types, mut names, mut modes) = (null_mut(), null_mut(), null_mut());
        // SAFETY: the catalog's row is there until it is released, and what is read of it is copied: arrays of as many
        // elements as are counted. A function whose arguments have no names has a null pointer for them.
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

    /// Whether the value of an argument is read; of others it does not matter.
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
    ) -> Result<Arguments> {
        let mut read_values = Vec::with_capacity(self.arguments.len());
        for ((name, oid), value) in self.arguments.into_iter().zip(values) {
            // SAFETY: the caller vouches for the types of the values.
            let value = match value {
                Some(value) => unsafe { read(oid, value)? },
                None => None,
            };
            read_values.push((name, value));
        }
        Ok(Arguments { function: self.function, row_type, values: read_values })
    }
}

/// The arguments of the call that `fcinfo` is, whose rows are of a type of this name.
pub fn of_call(fcinfo: pg_sys::FunctionCallInfo, row_type: &str) -> Result<Arguments> {
    // SAFETY: `fcinfo` is this call's, which has as many arguments as it says; the server has seen to it that they are
    // of the types that the function is declared with.
    unsafe {
        let call = &*fcinfo;
        let arguments = call.args.as_slice(call.nargs as usize);
        let values = arguments.iter().map(|argument| (!argument.isnull).then_some(argument.value));
        Signature::of((*call.flinfo).fn_oid)?.arguments(row_type.to_owned(), values)
    }
}

fn is_read(oid: Oid) -> bool {
    use pg_sys::{FLOAT8OID, INT2OID, INT4OID, INT8OID, JSONBOID, TEXTOID};
    matches!(oid, INT2OID | INT4OID | INT8OID | FLOAT8OID | TEXTOID | JSONBOID)
}

/// # Safety
/// The value is of the type.
unsafe fn read(oid: Oid, value: Datum) -> Result<Option<Argument>> {
    // SAFETY: the caller vouches for the type.
    unsafe {
        Ok(match oid {
            pg_sys::INT2OID => i16::from_datum(value, false).map(|value| Argument::Integer(value.into())),
            pg_sys::INT4OID => i32::from_datum(value, false).map(|value| Argument::Integer(value.into())),
            pg_sys::INT8OID => i64::from_datum(value, false).map(Argument::Integer),
            pg_sys::FLOAT8OID => f64::from_datum(value, false).map(Argument::Float),
            pg_sys::TEXTOID => <&[u8]>::from_datum(value, false).map(|bytes| Argument::Text(utf8(bytes))),
            pg_sys::JSONBOID => match direct_function_call_as_datum(pg_sys::jsonb_out, &[Some(value)]) {
                Some(text) => Some(Argument::Json(json(&name(text.cast_mut_ptr()))?)),
                None => None,
            },
            _ => None,
        })
    }
}

/// JSON that the server accepted may still be nested too deeply, or have numbers that no float can hold.
fn json(text: &str) -> Result<serde_json::Value> {
    serde_json::from_str(text).map_err(|error| Error::Argument {
        name: "options",
        value: error.to_string(),
        hint: "Options are a JSON object, such as {\"seed\": 1}.",
    })
}

/// # Safety
/// Null or a C string in the server's encoding.
unsafe fn name(name: *const c_char) -> String {
    // SAFETY: the caller vouches for the string.
    if name.is_null() { String::new() } else { utf8(unsafe { CStr::from_ptr(name) }.to_bytes()) }
}

/// Text of the server's as UTF-8. Raises the server's error where its encoding has characters that UTF-8 lacks, or
/// says nothing of what its bytes mean.
fn utf8(text: &[u8]) -> String {
    // SAFETY: the text is as long as is said; what comes back is the same text, or another that ends with a zero.
    unsafe {
        let start = text.as_ptr().cast::<c_char>();
        let encoded = pg_sys::pg_server_to_any(start, text.len() as i32, pg_sys::pg_enc::PG_UTF8 as i32);
        let bytes = if std::ptr::eq(encoded, start) { text } else { CStr::from_ptr(encoded).to_bytes() };
        String::from_utf8_lossy(bytes).into_owned()
    }
}
