//! Heap tuples formed straight from Arrow columns, by any thread.
//!
//! This does what `heap_form_tuple` does, but without datums: each value is written once, to its place in the tuple. A tuple
//! is a header, a bit for each column if one of them is null, and the values, each at a multiple of its alignment
//! (`access/htup_details.h`).

use crate::error::Error;
use crate::pg::server::text::stores_utf8;
use crate::pg::values::encode::{Column, Layout, Value, write_text};
use arrow::array::RecordBatch;
use pgrx::pg_sys::{self, HeapTupleHeaderData};
use std::mem::offset_of;
use std::sync::{Arc, Mutex};

/// How a column of a source gets into the rows of a type.
#[derive(Clone)]
pub struct Field {
    pub name: String,
    /// Which column of a batch it is.
    pub place: usize,
    /// Position in the row.
    pub index: usize,
    pub layout: Layout,
    /// Whether short values of varying length have short headers.
    pub is_packable: bool,
}

/// Forms the tuples of a table.
pub struct Former {
    fields: Vec<Field>,
    /// Columns of the table; those that are not formed are null.
    width: usize,
    /// Whether texts are stored as they come.
    stores_utf8: bool,
    /// Memory of tuples that are not used any more, kept for the next ones.
    spare: Spare,
}

/// The rows of a batch as threads prepare them.
pub enum Batch {
    /// As they are stored.
    Tuples(Tuples),
    /// To be read value by value.
    Columns(RecordBatch),
}

type Spare = Arc<Mutex<Vec<Vec<u64>>>>;

impl Former {
    /// Forms tuples of `fields`, which are in the table's order.
    pub fn new(fields: Vec<Field>, width: usize) -> Self {
        Self { fields, width, stores_utf8: stores_utf8(), spare: Spare::default() }
    }

    /// The rows of a batch as tuples, unless they have texts in an encoding that only the server can convert to.
    pub fn form(&self, batch: &RecordBatch) -> Result<Batch, Error> {
        let column = |field: &Field| Column::new(&field.name, batch.column(field.place), field.layout);
        let columns: Vec<_> = self.fields.iter().filter_map(column).collect();
        if !self.stores_utf8 && !columns.iter().all(Column::is_ascii) {
            return Ok(Batch::Columns(batch.clone()));
        }
        let nullable: Vec<_> = columns.iter().filter(|column| column.has_nulls()).collect();
        let lacks_columns = columns.len() < self.width;
        let mut tuples = Tuples::new(&self.spare);
        for row in 0..batch.num_rows() {
            let has_nulls = lacks_columns || nullable.iter().any(|column| column.is_null(row));
            self.form_tuple(&columns, row, has_nulls, &mut tuples)?;
        }
        Ok(Batch::Tuples(tuples))
    }

    #[inline]
    fn form_tuple(
        &self,
        columns: &[Column],
        row: usize,
        has_nulls: bool,
        tuples: &mut Tuples,
    ) -> Result<(), Error> {
        let bytes = &mut tuples.bytes;
        bytes.align(MAXALIGN);
        let start = bytes.length;
        let bitmap = if has_nulls { self.width.div_ceil(8) } else { 0 };
        let header = (BITMAP + bitmap).next_multiple_of(MAXALIGN);
        bytes.append(header).fill(0);
        let mut mask = if has_nulls { pg_sys::HEAP_HASNULL as u16 } else { 0 };
        for (column, Field { index, is_packable, .. }) in columns.iter().zip(&self.fields) {
            let Some(value) = column.value(row)? else { continue };
            if has_nulls {
                bytes.from(start)[BITMAP + index / 8] |= 1 << (index % 8);
            }
            mask |= bytes.append_value(value, *is_packable);
        }
        let fixed = bytes.from(start);
        put(fixed, offset_of!(HeapTupleHeaderData, t_infomask2), self.width as u16);
        put(fixed, offset_of!(HeapTupleHeaderData, t_infomask), mask);
        fixed[offset_of!(HeapTupleHeaderData, t_hoff)] = header as u8;
        tuples.places.push((start, bytes.length - start));
        Ok(())
    }
}

const MAXALIGN: usize = pg_sys::MAXIMUM_ALIGNOF as usize;
/// Where the bits of the columns begin.
const BITMAP: usize = offset_of!(HeapTupleHeaderData, t_bits);

fn put(bytes: &mut [u8], offset: usize, value: u16) {
    bytes[offset..offset + size_of::<u16>()].copy_from_slice(&value.to_ne_bytes());
}

/// Tuples in memory that belongs to no memory context.
pub struct Tuples {
    bytes: Bytes,
    /// Where each begins, and its length.
    places: Vec<(usize, usize)>,
    /// How many were taken.
    taken: usize,
    spare: Spare,
}

impl Drop for Tuples {
    fn drop(&mut self) {
        if let Ok(mut spare) = self.spare.lock() {
            spare.push(std::mem::take(&mut self.bytes.words));
        }
    }
}

impl Tuples {
    fn new(spare: &Spare) -> Self {
        let words = spare.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default();
        Self { bytes: Bytes { words, length: 0 }, places: Vec::new(), taken: 0, spare: spare.clone() }
    }

    fn take(&mut self) -> Option<&mut [u8]> {
        let &(start, length) = self.places.get(self.taken)?;
        self.taken += 1;
        Some(&mut self.bytes.from(start)[..length])
    }

    /// The next tuple and its length.
    pub fn next(&mut self) -> Option<(pg_sys::HeapTupleHeader, usize)> {
        let tuple = self.take()?;
        Some((tuple.as_mut_ptr().cast(), tuple.len()))
    }

    /// The next tuple as a minimal one, which is the same without the first bytes of the header.
    pub fn next_minimal(&mut self) -> Option<pg_sys::MinimalTuple> {
        let minimal = &mut self.take()?[MINIMAL..];
        let length = minimal.len() as u32;
        minimal[..size_of::<u32>()].copy_from_slice(&length.to_ne_bytes());
        Some(minimal.as_mut_ptr().cast())
    }
}

/// Where in a tuple a minimal tuple begins.
const MINIMAL: usize =
    offset_of!(HeapTupleHeaderData, t_infomask2) - offset_of!(pg_sys::MinimalTupleData, t_infomask2);

/// Bytes whose first is aligned for any value.
struct Bytes {
    words: Vec<u64>,
    /// How many of the bytes are in use.
    length: usize,
}

impl Bytes {
    /// The bytes from `start` on, those not in use included.
    #[inline]
    fn from(&mut self, start: usize) -> &mut [u8] {
        // SAFETY: a word is eight bytes, any of which may be read or written alone.
        let bytes = unsafe {
            std::slice::from_raw_parts_mut(self.words.as_mut_ptr().cast::<u8>(), self.words.len() * MAXALIGN)
        };
        &mut bytes[start..]
    }

    /// This many more bytes.
    #[inline]
    fn append(&mut self, count: usize) -> &mut [u8] {
        let start = self.length;
        self.length += count;
        if self.length > self.words.len() * MAXALIGN {
            self.words.resize((2 * self.length).div_ceil(MAXALIGN), 0);
        }
        &mut self.from(start)[..count]
    }

    #[inline]
    fn align(&mut self, alignment: usize) {
        let padding = self.length.next_multiple_of(alignment) - self.length;
        self.append(padding).fill(0);
    }

    #[inline]
    fn append_aligned<const N: usize>(&mut self, value: [u8; N]) {
        self.align(N);
        self.append(N).copy_from_slice(&value);
    }

    /// Appends a value; returns what it adds to the tuple's mask.
    #[inline]
    fn append_value(&mut self, value: Value, is_packable: bool) -> u16 {
        match value {
            Value::Bool(value) => self.append(1)[0] = value.into(),
            Value::Int4(value) => self.append_aligned(value.to_ne_bytes()),
            Value::Int8(value) => self.append_aligned(value.to_ne_bytes()),
            Value::Numeric(value) => {
                value.write(self.append_varlena(value.length(), is_packable));
                return pg_sys::HEAP_HASVARWIDTH as u16;
            }
            Value::Text { text, padding } => {
                write_text(text.as_bytes(), self.append_varlena(text.len() + padding, is_packable));
                return pg_sys::HEAP_HASVARWIDTH as u16;
            }
        }
        0
    }

    /// Appends the length of a value and room for it.
    #[inline]
    fn append_varlena(&mut self, length: usize, is_packable: bool) -> &mut [u8] {
        let short = length + VARHDRSZ_SHORT;
        if is_packable && short <= pg_sys::VARATT_SHORT_MAX as usize {
            let value = self.append(short);
            // SAFETY: the memory is as long as the value.
            unsafe { pgrx::set_varsize_1b(value.as_mut_ptr().cast(), short as i32) };
            return &mut value[VARHDRSZ_SHORT..];
        }
        self.align(VARHDRSZ);
        let value = self.append(VARHDRSZ + length);
        // SAFETY: as above, and it is aligned for a length word.
        unsafe { pgrx::set_varsize_4b(value.as_mut_ptr().cast(), (VARHDRSZ + length) as i32) };
        &mut value[VARHDRSZ..]
    }
}

const VARHDRSZ: usize = size_of::<i32>();
const VARHDRSZ_SHORT: usize = 1;
