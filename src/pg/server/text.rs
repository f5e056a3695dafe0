//! Texts between Rust, which has them in UTF-8, and the server, which has them in the database's encoding.
//!
//! pgrx takes the server's bytes for UTF-8. In a database of another encoding that holds for ASCII only, so
//! arguments, results and values of queries are of the types here, and names go through [`from_server`] and
//! [`to_server`].

use crate::error::Error;
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::UnboxDatum;
use pgrx::nullable::Nullable;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, Returns, ReturnsError, SqlMapping, SqlTranslatable,
};
use pgrx::prelude::*;
use pgrx::{FromDatum, IntoDatum, PgTryBuilder, direct_function_call, direct_function_call_as_datum};
use serde_json::Value;
use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::ops::Deref;

const UTF8: i32 = pg_sys::pg_enc::PG_UTF8 as i32;
const SQL_ASCII: i32 = pg_sys::pg_enc::PG_SQL_ASCII as i32;

/// Whether UTF-8 can be stored as it is. SQL_ASCII takes any bytes, and those of ours are valid UTF-8.
pub fn stores_utf8() -> bool {
    // SAFETY: reads what the backend knows since it chose its database.
    [UTF8, SQL_ASCII].contains(&unsafe { pg_sys::GetDatabaseEncoding() })
}

/// A text in the database's encoding as Rust has it. Raises an error if that is not valid UTF-8.
pub fn from_server(bytes: &[u8]) -> String {
    let utf8 = if bytes.is_ascii() || stores_utf8() {
        String::from_utf8(bytes.to_vec())
    } else {
        // SAFETY: the server reads as many bytes as it is told, and returns a C string, as bytes that are not
        // ASCII are never UTF-8 already in another encoding.
        let converted = unsafe {
            let converted = pg_sys::pg_server_to_any(bytes.as_ptr().cast(), bytes.len() as i32, UTF8);
            CStr::from_ptr(converted).to_bytes().to_vec()
        };
        String::from_utf8(converted)
    };
    utf8.unwrap_or_else(|error| invalid(&error.as_bytes()[error.utf8_error().valid_up_to()..]))
}

/// As [`from_server`], of a C string.
pub fn from_c_string(text: &CStr) -> String {
    from_server(text.to_bytes())
}

/// A text in the database's encoding. Raises the server's error if that lacks a character.
pub fn to_server(text: &str) -> Cow<'_, [u8]> {
    if let Some(zero) = text.find('\0') {
        invalid(&text.as_bytes()[zero..]);
    }
    if text.is_ascii() || stores_utf8() {
        return text.as_bytes().into();
    }
    // SAFETY: the server reads as many bytes as it is told, and returns a C string, as UTF-8 that is not ASCII is
    // never valid in another encoding already.
    unsafe {
        let converted = pg_sys::pg_any_to_server(text.as_ptr().cast(), text.len() as i32, UTF8);
        CStr::from_ptr(converted).to_bytes().to_vec().into()
    }
}

/// As [`to_server`], as a C string: the text of a query, or a name.
pub fn to_c_string(text: &str) -> CString {
    // There is no zero byte in it: `to_server` refuses it, and no encoding of the server's has one in a character.
    CString::new(to_server(text)).unwrap_or_default()
}

/// As [`to_c_string`] for messages, which must not fail: a character that the encoding lacks becomes `?`.
pub fn to_message(text: &str) -> CString {
    let text = text.replace('\0', "?");
    // SAFETY: reads the state of this backend's transaction. Without one there are no conversions.
    let can_convert = stores_utf8() || unsafe { pg_sys::IsTransactionState() };
    let converted = if can_convert { try_to_c_string(&text) } else { None };
    converted.unwrap_or_else(|| {
        let mut bytes = Vec::with_capacity(text.len());
        for character in text.chars() {
            let mut buffer = [0; 4];
            let character = &*character.encode_utf8(&mut buffer);
            match try_to_c_string(character).filter(|_| can_convert || character.is_ascii()) {
                Some(converted) => bytes.extend(converted.to_bytes()),
                None => bytes.push(b'?'),
            }
        }
        CString::new(bytes).unwrap_or_default()
    })
}

/// `None` if the database's encoding lacks a character.
fn try_to_c_string(text: &str) -> Option<CString> {
    // Nothing but the conversion runs, which holds nothing that an aborted subtransaction would have to give back.
    PgTryBuilder::new(|| Some(to_c_string(text)))
        .catch_when(PgSqlErrorCode::ERRCODE_UNTRANSLATABLE_CHARACTER, |_| None)
        .execute()
}

/// Raises the server's error for bytes that are not valid UTF-8.
fn invalid(bytes: &[u8]) -> ! {
    Error::InvalidText(bytes.iter().take(4).copied().collect()).raise()
}

/// A `text` or `varchar` of the server's, or a value for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    pub fn into_string(self) -> String {
        self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl FromDatum for Text {
    unsafe fn from_polymorphic_datum(datum: Datum, is_null: bool, oid: Oid) -> Option<Self> {
        // SAFETY: the caller's datum is a text, whose bytes are laid out as those of a bytea.
        let bytes = unsafe { <&[u8]>::from_polymorphic_datum(datum, is_null, oid) };
        bytes.map(|bytes| Self(from_server(bytes)))
    }
}

impl IntoDatum for Text {
    fn into_datum(self) -> Option<Datum> {
        to_server(&self.0).as_ref().into_datum()
    }

    fn type_oid() -> Oid {
        pg_sys::TEXTOID
    }

    fn is_compatible_with(other: Oid) -> bool {
        [pg_sys::TEXTOID, pg_sys::VARCHAROID].contains(&other)
    }
}

/// A `jsonb` of the server's, or a value for one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Json(pub Value);

impl FromDatum for Json {
    /// Raises an error for what `jsonb` can hold but [`Value`] cannot: large numbers and deep nesting.
    unsafe fn from_polymorphic_datum(datum: Datum, is_null: bool, _: Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the caller's datum is a jsonb; the C string lives in the current memory context.
        let text = unsafe { direct_function_call::<&CStr>(pg_sys::jsonb_out, &[Some(datum)]) }?;
        let value = serde_json::from_str(&from_c_string(text));
        Some(Self(value.unwrap_or_else(|error| Error::Json(error).raise())))
    }
}

impl IntoDatum for Json {
    fn into_datum(self) -> Option<Datum> {
        let text = to_c_string(&self.0.to_string());
        // SAFETY: the argument is a C string, which lives through the call.
        unsafe { direct_function_call_as_datum(pg_sys::jsonb_in, &[text.as_c_str().into_datum()]) }
    }

    fn type_oid() -> Oid {
        pg_sys::JSONBOID
    }
}

/// Makes a type that converts from and to datums one of arguments, results and elements of arrays.
macro_rules! pass {
    ($type:ty, $sql:literal) => {
        // SAFETY: the datum of an argument of this SQL type is what FromDatum reads.
        unsafe impl<'fcx> ArgAbi<'fcx> for $type {
            unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
                let number = arg.index() + 1;
                // SAFETY: as above.
                let value = unsafe { arg.unbox_arg_using_from_datum() };
                value.unwrap_or_else(|| Error::NullArgument(number).raise())
            }

            unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
                // SAFETY: as above.
                unsafe { arg.unbox_arg_using_from_datum() }.into()
            }
        }

        // SAFETY: the value is a copy, which no lifetime of the datum's limits.
        unsafe impl UnboxDatum for $type {
            type As<'src> = Self;

            unsafe fn unbox<'src>(datum: pgrx::datum::Datum<'src>) -> Self
            where
                Self: 'src,
            {
                // SAFETY: the caller's datum is of this SQL type, and not null.
                unsafe { Self::from_datum(datum.sans_lifetime(), false) }.unwrap_or_default()
            }
        }

        // SAFETY: the datum is of the SQL type that the function is declared to return.
        unsafe impl BoxRet for $type {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
                match self.into_datum() {
                    // SAFETY: as above.
                    Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
                    None => fcinfo.return_null(),
                }
            }
        }

        // SAFETY: this is the SQL type that the conversions are for.
        unsafe impl SqlTranslatable for $type {
            fn argument_sql() -> Result<SqlMapping, ArgumentError> {
                Ok(SqlMapping::literal($sql))
            }

            fn return_sql() -> Result<Returns, ReturnsError> {
                Ok(Returns::One(SqlMapping::literal($sql)))
            }
        }
    };
}

pass!(Text, "text");
pass!(Json, "jsonb");
