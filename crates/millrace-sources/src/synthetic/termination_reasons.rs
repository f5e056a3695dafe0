//! `termination_reasons`: why calls end, 20 rows. The codes are cause values of ITU-T Q.850.

use super::{Table, array};
use crate::registry::OptionHelp;
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Why a call ended.
pub struct Reason {
    pub code: i32,
    name: &'static str,
    category: &'static str,
    /// Whether it was answered, and so lasted some time.
    pub answered: bool,
}

/// The position of the normal reason.
pub const NORMAL: u8 = 0;

/// All reasons, the normal one first.
pub const REASONS: [Reason; 20] = [
    answered(16, "normal call clearing", "normal"),
    answered(31, "normal, unspecified", "normal"),
    refused(17, "user busy", "user"),
    refused(18, "no user responding", "user"),
    refused(19, "no answer from user", "user"),
    refused(20, "subscriber absent", "user"),
    refused(21, "call rejected", "user"),
    refused(1, "unallocated number", "number"),
    refused(22, "number changed", "number"),
    refused(28, "invalid number format", "number"),
    refused(3, "no route to destination", "network"),
    refused(27, "destination out of order", "network"),
    refused(38, "network out of order", "network"),
    answered(41, "temporary failure", "network"),
    answered(102, "recovery on timer expiry", "network"),
    refused(34, "no circuit available", "resource"),
    refused(42, "switching equipment congestion", "resource"),
    refused(47, "resource unavailable", "resource"),
    refused(55, "incoming calls barred", "service"),
    refused(58, "bearer capability not available", "service"),
];

const fn answered(code: i32, name: &'static str, category: &'static str) -> Reason {
    Reason { code, name, category, answered: true }
}

const fn refused(code: i32, name: &'static str, category: &'static str) -> Reason {
    Reason { code, name, category, answered: false }
}

pub struct TerminationReasons;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {}

impl Table for TerminationReasons {
    const FAMILY: &'static str = "cdr";
    const NAME: &'static str = "termination_reasons";
    const ROW_TYPE: &'static str = "cdr_termination_reasons";
    const ABOUT: &'static str = "why calls of source cdr end: 20 rows";
    const OPTIONS: &'static [OptionHelp] = &[];
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("termination_code", DataType::Int32),
        ("reason", DataType::Utf8),
        ("category", DataType::Utf8),
        ("answered", DataType::Boolean),
    ];

    type Options = Options;
    type Rows = Range<u64>;

    fn new(_: Options) -> Result<Self, String> {
        Ok(Self)
    }

    fn units(&self) -> u64 {
        REASONS.len() as u64
    }

    fn rows(&self, rows: Range<u64>) -> Range<u64> {
        rows
    }

    fn column(&self, name: &str, rows: &Range<u64>) -> ArrayRef {
        let reasons = rows.clone().map(|row| &REASONS[row as usize]);
        match name {
            "termination_code" => array::int32(reasons.map(|reason| reason.code)),
            "reason" => array::strings(reasons.map(|reason| reason.name)),
            "category" => array::strings(reasons.map(|reason| reason.category)),
            "answered" => array::boolean(reasons.map(|reason| reason.answered)),
            _ => unreachable!("termination_reasons has no column {name}"),
        }
    }
}
