//! What a generating function returns: rows one by one, a store with all of them, or rows in formed batches.
//!
//! A function scan stores all rows in a tuplestore before it returns the first. From a function that returns row by row it
//! gets each as a datum, takes that apart and forms the tuple to store. A function that fills the store itself puts in the
//! tuples that threads have formed. A function scan that streams takes those batch by batch, and needs no store.

use super::demand::columns_read;
use super::formed::FormedRows;
use super::reader::Unmatched;
use super::row_type::RowType;
use super::store;
use super::stream::{Row, Rows};
use crate::error::Result;
use crate::pg::server::raw::guarded;
use millrace_sources::Source;
use pgrx::callconv::{CallCx, RetAbi};
use pgrx::is_a;
use pgrx::pg_sys::{self, Datum, FunctionCallInfo, SetFunctionReturnMode};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, Returns, ReturnsError, SqlMapping, SqlTranslatable,
};
use pgrx::prelude::*;
use std::ops::Range;
use std::ptr::null_mut;

/// The answer to a call of a generating function.
pub enum Answer {
    /// Rows one by one.
    Stream(SetOfIterator<'static, Row>),
    /// The caller has them: all in a store, or in batches that it asked for.
    Handed,
}

impl Answer {
    /// Answers this call with `units` of a source: in batches if the caller takes those, with a store if it would make one
    /// anyway.
    pub fn new(
        fcinfo: FunctionCallInfo,
        row_type: RowType,
        name: &str,
        source: Box<dyn Source>,
        units: Range<u64>,
        unmatched: Unmatched,
    ) -> Result<Self> {
        // SAFETY: pgrx passes the call that the server made.
        let Some(result) = (unsafe { stored_result(fcinfo) }) else {
            return Ok(Self::Stream(SetOfIterator::new(Rows::new(
                row_type, name, source, units, unmatched,
            )?)));
        };
        // SAFETY: as above; it is evaluated in the context that the executor made for it.
        let read = unsafe { columns_read(fcinfo, result.econtext) };
        let rows = FormedRows::open(row_type, name, source, units, unmatched, read)?;
        match Request::of(result) {
            Some(request) => request.rows = Some(rows),
            None => store::fill(result, rows)?,
        }
        Ok(Self::Handed)
    }
}

/// A call's request for rows in batches: what a caller that would make a store of them passes, and more.
#[repr(C)]
pub struct Request {
    result: pg_sys::ReturnSetInfo,
    rows: Option<FormedRows>,
}

/// The mode of returning that only a [`Request`] allows.
const IN_BATCHES: i32 = 1 << 20;

impl Request {
    /// For a call that is evaluated in `context`.
    pub fn new(context: *mut pg_sys::ExprContext) -> Self {
        let result = pg_sys::ReturnSetInfo {
            type_: pg_sys::NodeTag::T_ReturnSetInfo,
            econtext: context,
            allowedModes: STORE as i32 | IN_BATCHES,
            setResult: null_mut(),
            setDesc: null_mut(),
            ..Default::default()
        };
        Self { result, rows: None }
    }

    /// The request whose first field this is, if it is one.
    fn of(result: &mut pg_sys::ReturnSetInfo) -> Option<&mut Self> {
        // SAFETY: the server knows no such mode, so that whoever allows it has made a request.
        (result.allowedModes & IN_BATCHES != 0)
            .then(|| unsafe { &mut *std::ptr::from_mut(result).cast::<Self>() })
    }

    /// Calls a function with it, through its call information with arguments; `None` if the function does not answer requests.
    ///
    /// # Safety
    /// The call information is that of a function that returns a set, ready for the call.
    pub unsafe fn call(&mut self, fcinfo: FunctionCallInfo) -> Option<FormedRows> {
        // SAFETY: the function finds the request in its call; the closure owns nothing.
        unsafe {
            (*fcinfo).resultinfo = std::ptr::from_mut(self).cast();
            guarded(|| (*(*fcinfo).flinfo).fn_addr.map(|function| function(fcinfo)));
        }
        self.rows.take()
    }
}

const STORE: SetFunctionReturnMode::Type =
    SetFunctionReturnMode::SFRM_Materialize | SetFunctionReturnMode::SFRM_Materialize_Preferred;

/// Where the caller expects the rows if it prefers a store with all of them, as a function scan does; a select list takes rows
/// one by one.
///
/// # Safety
/// `fcinfo` is of a call under way.
unsafe fn stored_result<'a>(fcinfo: FunctionCallInfo) -> Option<&'a mut pg_sys::ReturnSetInfo> {
    // SAFETY: a node of that tag is one of these, which the call outlives.
    unsafe {
        let result = (*fcinfo).resultinfo;
        if result.is_null() || !is_a(result, pg_sys::NodeTag::T_ReturnSetInfo) {
            return None;
        }
        let result = &mut *result.cast::<pg_sys::ReturnSetInfo>();
        (result.allowedModes as SetFunctionReturnMode::Type & STORE == STORE).then_some(result)
    }
}

/// How an answer is returned.
pub enum Returned {
    Stream(<SetOfIterator<'static, Row> as RetAbi>::Ret),
    Handed,
}

// SAFETY: rows that stream are left to pgrx. What was handed over is with the caller already, and the call that did so is
// the only one.
unsafe impl RetAbi for Answer {
    type Item = Row;
    type Ret = Returned;

    unsafe fn check_fcinfo_and_prepare(fcinfo: FunctionCallInfo) -> CallCx {
        // SAFETY: the caller's call is under way.
        unsafe {
            match stored_result(fcinfo) {
                Some(_) => CallCx::WrappedFn(pg_sys::CurrentMemoryContext),
                None => SetOfIterator::<Row>::check_fcinfo_and_prepare(fcinfo),
            }
        }
    }

    fn to_ret(self) -> Returned {
        match self {
            Self::Stream(rows) => Returned::Stream(rows.to_ret()),
            Self::Handed => Returned::Handed,
        }
    }

    unsafe fn box_ret_in_fcinfo(fcinfo: FunctionCallInfo, returned: Returned) -> Datum {
        match returned {
            // SAFETY: the caller's call is the one that was prepared.
            Returned::Stream(rows) => unsafe { SetOfIterator::box_ret_in_fcinfo(fcinfo, rows) },
            Returned::Handed => Datum::null(),
        }
    }

    unsafe fn fill_fcinfo_fcx(&self, _: FunctionCallInfo) {}

    unsafe fn move_into_fcinfo_fcx(self, _: FunctionCallInfo) {}

    unsafe fn ret_from_fcinfo_fcx(fcinfo: FunctionCallInfo) -> Returned {
        // SAFETY: only a call whose rows stream is called again.
        Returned::Stream(unsafe { SetOfIterator::ret_from_fcinfo_fcx(fcinfo) })
    }

    unsafe fn finish_call_fcinfo(fcinfo: FunctionCallInfo) {
        // SAFETY: as above.
        unsafe { SetOfIterator::<Row>::finish_call_fcinfo(fcinfo) }
    }
}

// SAFETY: only used as a result; the functions' SQL declarations name their types themselves.
unsafe impl SqlTranslatable for Answer {
    fn argument_sql() -> std::result::Result<SqlMapping, ArgumentError> {
        Err(ArgumentError::NotValidAsArgument("Answer"))
    }

    fn return_sql() -> std::result::Result<Returns, ReturnsError> {
        Ok(Returns::SetOf(SqlMapping::literal("record")))
    }
}
