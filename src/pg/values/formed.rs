//! A range of a source as a function scan takes it: batches of tuples that threads have formed, of the columns that the query
//! reads.

use super::feed::Feed;
use super::reader::{Reader, Unmatched, match_columns};
use super::row_type::{Attribute, RowType};
use super::tuple::{Batch, Former};
use crate::error::Result;
use arrow::array::RecordBatch;
use millrace_sources::Source;
use std::ops::Range;
use std::sync::Arc;

/// Rows in batches, made ahead.
pub struct FormedRows {
    pub row_type: RowType,
    /// Reads the batches that are not tuples.
    pub reader: Reader,
    feed: Feed<Batch>,
}

impl FormedRows {
    /// `units` of a source, with values in the columns at the positions `read`, or in all, and null in the others. What it
    /// allocates lives as long as the current memory context, and so must the rows.
    pub(super) fn open(
        row_type: RowType,
        name: &str,
        source: Box<dyn Source>,
        units: Range<u64>,
        unmatched: Unmatched,
        read: Option<Vec<usize>>,
    ) -> Result<Self> {
        let schema = source.schema();
        let (attributes, columns) = match_columns(&row_type, name, &schema, unmatched)?;
        let is_read =
            |attribute: &Attribute| read.as_ref().is_none_or(|read| read.contains(&attribute.index));
        let (attributes, columns): (Vec<_>, Vec<_>) =
            attributes.into_iter().zip(columns).filter(|(attribute, _)| is_read(attribute)).unzip();
        let reader = Reader::open(attributes, &schema, &columns)?;
        let prepare = Arc::new(prepare(reader.former(&row_type)));
        let feed = Feed::ahead(&source.into(), units, columns, prepare)?;
        Ok(Self { row_type, reader, feed })
    }

    /// The next batch. If it is not tuples, the reader has its rows.
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        let batch = self.feed.next()?;
        if let Some(Batch::Columns(columns)) = &batch {
            self.reader.take(columns);
        }
        Ok(batch)
    }
}

fn prepare(former: Option<Former>) -> impl Fn(RecordBatch) -> Result<Batch> {
    move |batch| match &former {
        Some(former) => former.form(&batch),
        None => Ok(Batch::Columns(batch)),
    }
}
