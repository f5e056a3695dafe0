//! What columns are made from: rows, or a batch that has all columns.

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchReader};
use std::sync::Arc;

/// Some rows of a table, whose columns can be made one by one.
pub trait Rows {
    fn count(&self) -> usize;

    fn column(&self, name: &str) -> ArrayRef;
}

impl Rows for RecordBatch {
    fn count(&self) -> usize {
        self.num_rows()
    }

    fn column(&self, name: &str) -> ArrayRef {
        let column = self.column_by_name(name).expect("the schemas have the same names");
        match column.as_string_view_opt() {
            // Our schema has strings laid end to end.
            Some(strings) => Arc::new(strings.iter().collect::<StringArray>()),
            None => ArrayRef::clone(column),
        }
    }
}

/// All rows of a reader that makes them one batch, or none if there are no rows.
pub fn only_batch(mut reader: impl RecordBatchReader) -> Result<RecordBatch, ArrowError> {
    reader.next().unwrap_or_else(|| Ok(RecordBatch::new_empty(reader.schema())))
}
