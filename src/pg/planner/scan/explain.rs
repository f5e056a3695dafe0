//! EXPLAIN: which rows and columns the scan makes.

use super::execute::{Scan, ScanNode};
use crate::pg::server::text::to_c_string;
use crate::pg::values::row_type::Attribute;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CStr;

#[pg_guard]
pub unsafe extern "C-unwind" fn explain(
    node: *mut pg_sys::CustomScanState,
    _ancestors: *mut pg_sys::List,
    explain: *mut pg_sys::ExplainState,
) {
    // SAFETY: called by EXPLAIN with a node of ours that has begun.
    let mut node = unsafe { ScanNode::new(node) };
    for (name, value) in properties(node.scan()) {
        let value = to_c_string(&value);
        // SAFETY: both strings live through the call, which copies them.
        unsafe { pg_sys::ExplainPropertyText(name.as_ptr(), value.as_ptr(), explain) };
    }
}

fn properties(scan: &Scan) -> Vec<(&'static CStr, String)> {
    let Some(planned) = scan.planned_call() else { return Vec::new() };
    let mut properties = Vec::new();
    // Arguments that are known only when they are evaluated are known with ANALYZE.
    let constant = planned.planned();
    match constant.as_ref().or(scan.evaluated_call()) {
        Some(call) => {
            properties.push((c"Source", call.source.unique_name()));
            properties.push((c"Options", call.options.to_string()));
            if !call.part.is_whole() {
                properties.push((c"Part", call.part.to_string()));
            }
        }
        None => properties.push((c"Source", "chosen by parameters".to_owned())),
    }
    let is_made = |attribute: &Attribute| scan.columns.contains(&attribute.index);
    let made = planned.row_type().attributes().into_iter().filter(is_made);
    let names: Vec<String> = made.map(|attribute| attribute.name).collect();
    properties.push((c"Columns Made", if names.is_empty() { "none".to_owned() } else { names.join(", ") }));
    properties
}
