//! Errors, warnings and notices as the server has them: with texts in the database's encoding.
//!
//! pgrx hands UTF-8 to the server when it reports. Here the server copies what it is given, so that the message
//! reaches client, log and exception handlers in the encoding they expect.

use crate::pg::server::text::to_message;
use pgrx::pg_sys::{self, panic::CaughtError};
use pgrx::prelude::*;
use std::ffi::{CStr, CString, c_char};
use std::ptr::null_mut;

/// What is reported, in the database's encoding.
#[derive(Debug)]
pub struct Report {
    code: PgSqlErrorCode,
    message: CString,
    detail: Option<CString>,
    hint: Option<CString>,
}

impl Report {
    pub fn new(code: PgSqlErrorCode, message: impl AsRef<str>) -> Self {
        Self { code, message: to_message(message.as_ref()), detail: None, hint: None }
    }

    pub fn detail(self, detail: impl AsRef<str>) -> Self {
        Self { detail: Some(to_message(detail.as_ref())), ..self }
    }

    pub fn hint(self, hint: impl AsRef<str>) -> Self {
        Self { hint: Some(to_message(hint.as_ref())), ..self }
    }

    /// The error that a handler has caught and not flushed yet.
    pub fn caught(error: &CaughtError) -> Self {
        match error {
            CaughtError::PostgresError(_) => {
                // SAFETY: an error of the server's is on its stack until the handler ends; the copy is complete.
                let copy = unsafe { pg_sys::CopyErrorData() };
                // SAFETY: as above; each text is null or a C string.
                unsafe {
                    let text = |text: *mut c_char| (!text.is_null()).then(|| CStr::from_ptr(text).to_owned());
                    Self {
                        code: (*copy).sqlerrcode.into(),
                        message: text((*copy).message).unwrap_or_default(),
                        detail: text((*copy).detail),
                        hint: text((*copy).hint),
                    }
                }
            }
            CaughtError::ErrorReport(report) | CaughtError::RustPanic { ereport: report, .. } => Self {
                detail: report.detail().map(to_message),
                hint: report.hint().map(to_message),
                ..Self::new(report.sql_error_code(), report.message())
            },
        }
    }

    /// Raises it as an error.
    pub fn raise(self) -> ! {
        self.report(PgLogLevel::ERROR);
        unreachable!("an error does not return")
    }

    /// Reports it at this level.
    pub fn report(self, level: PgLogLevel) {
        let pointer =
            |text: &Option<CString>| text.as_ref().map_or(null_mut(), |text| text.as_ptr().cast_mut());
        let mut data = pg_sys::ErrorData {
            elevel: level as i32,
            sqlerrcode: self.code as i32,
            message: self.message.as_ptr().cast_mut(),
            detail: pointer(&self.detail),
            hint: pointer(&self.hint),
            ..Default::default()
        };
        // SAFETY: the server copies the texts, which live through the call.
        unsafe { pg_sys::ThrowErrorData(&mut data) };
    }

    /// In at most `limit` bytes; texts are cut if necessary.
    pub fn to_bytes(&self, limit: usize) -> Vec<u8> {
        let mut bytes = (self.code as i32).to_ne_bytes().to_vec();
        let texts = [Some(&self.message), self.detail.as_ref(), self.hint.as_ref()];
        let each = (limit.saturating_sub(bytes.len()) / texts.len()).saturating_sub(1);
        for text in texts {
            let text = text.map_or(&[][..], |text| text.to_bytes());
            // SAFETY: the text is as long as the server is told.
            let cut = unsafe { pg_sys::pg_mbcliplen(text.as_ptr().cast(), text.len() as i32, each as i32) };
            bytes.extend_from_slice(&text[..cut as usize]);
            bytes.push(0);
        }
        bytes
    }

    /// What [`Report::to_bytes`] made, in this database.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (code, texts) = bytes.split_first_chunk()?;
        let mut texts = texts.split(|&byte| byte == 0);
        let mut next = || CString::new(texts.next()?).ok();
        let code = PgSqlErrorCode::from(i32::from_ne_bytes(*code));
        let (message, detail, hint) = (next()?, next()?, next()?);
        let given = |text: CString| (!text.is_empty()).then_some(text);
        Some(Self { code, message, detail: given(detail), hint: given(hint) })
    }
}

/// Sends the client a notice.
pub fn notice(message: impl AsRef<str>) {
    Report::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message).report(PgLogLevel::NOTICE);
}

/// Sends the client a warning.
pub fn warning(message: impl AsRef<str>) {
    Report::new(PgSqlErrorCode::ERRCODE_WARNING, message).report(PgLogLevel::WARNING);
}
