//! Apache Parquet: a chunk is a row group.

use crate::output::Buffers;
use crate::plan::{Columns, row_group_rows};
use crate::{Batches, Compression, Encoding, Error, Options};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, TypePtr};
use std::sync::Arc;

/// A column has a dictionary if the share of distinct values in a row group is no larger than this. Above it, a dictionary
/// and the numbers of its entries take more space than the compressed values (1.2 to 1.7 times for lineitem's keys and
/// prices), and the table to look entries up takes megabytes.
const MOST_DISTINCT: f64 = 0.2;

pub struct Parquet {
    schema: SchemaRef,
    root: TypePtr,
    properties: WriterPropertiesPtr,
    columns: ArrowRowGroupWriterFactory,
}

impl Parquet {
    pub fn new(files: &Columns<'_>, options: &Options) -> Result<Self, Error> {
        let schema = files.schema.clone();
        let properties = Arc::new(properties(files, options)?);
        let root = ArrowSchemaConverter::new().convert(&schema)?.root_schema_ptr();
        // It creates column writers for any file of the same schema.
        let none = SerializedFileWriter::new(std::io::sink(), root.clone(), properties.clone())?;
        let columns = ArrowRowGroupWriterFactory::new(&none, schema.clone());
        Ok(Self { schema, root, properties, columns })
    }

    fn write(&self, writers: &mut [ArrowColumnWriter], batch: &RecordBatch) -> Result<(), Error> {
        let mut writers = writers.iter_mut();
        for (field, array) in self.schema.fields().iter().zip(batch.columns()) {
            for (leaf, writer) in compute_leaves(field, array)?.iter().zip(writers.by_ref()) {
                writer.write(leaf)?;
            }
        }
        Ok(())
    }
}

impl Encoding for Parquet {
    type Chunk = Vec<ArrowColumnChunk>;
    type File = SerializedFileWriter<Vec<u8>>;

    fn encode(&self, batches: &mut Batches<'_>, _: &Buffers) -> Result<Self::Chunk, Error> {
        let mut writers = self.columns.create_column_writers(0)?;
        let mut rows = 0;
        for batch in batches {
            let batch = batch?;
            rows += batch.num_rows();
            self.write(&mut writers, &batch)?;
        }
        if rows == 0 {
            return Ok(Vec::new());
        }
        Ok(writers.into_iter().map(ArrowColumnWriter::close).collect::<Result<_, _>>()?)
    }

    fn begin(&self, _: &mut Vec<u8>) -> Result<Self::File, Error> {
        // Its first bytes come with the first chunk.
        Ok(SerializedFileWriter::new(Vec::new(), self.root.clone(), self.properties.clone())?)
    }

    fn append(&self, file: &mut Self::File, chunk: Self::Chunk, buffers: &Buffers) -> Result<Vec<u8>, Error> {
        *file.inner_mut() = buffers.take();
        // A file without rows has no row group.
        if !chunk.is_empty() {
            let mut row_group = file.next_row_group()?;
            for column in chunk {
                column.append_to_row_group(&mut row_group)?;
            }
            row_group.close()?;
        }
        // The file itself knows its length.
        Ok(std::mem::take(file.inner_mut()))
    }

    fn end(&self, mut file: Self::File, bytes: &mut Vec<u8>) -> Result<u64, Error> {
        let row_groups = file.flushed_row_groups().len() as u64;
        *file.inner_mut() = std::mem::take(bytes);
        *bytes = file.into_inner()?;
        Ok(row_groups)
    }
}

fn properties(files: &Columns<'_>, options: &Options) -> Result<WriterProperties, Error> {
    let statistics = match (options.statistics, options.page_index) {
        (Some(false), _) => EnabledStatistics::None,
        (_, Some(false)) => EnabledStatistics::Chunk,
        _ => EnabledStatistics::Page,
    };
    let sorting: Vec<_> = options
        .sort_by(&files.schema)?
        .into_iter()
        .map(|column| SortingColumn { column_idx: column as i32, descending: false, nulls_first: true })
        .collect();
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("millrace version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(codec(options)?)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(statistics)
        .set_offset_index_disabled(options.page_index == Some(false))
        .set_sorting_columns((!sorting.is_empty()).then_some(sorting));
    if options.dictionary.unwrap_or(true) {
        let shares = files.distinct_shares(row_group_rows(options));
        for (field, share) in files.schema.fields().iter().zip(shares) {
            if share.is_none_or(|share| share <= MOST_DISTINCT) {
                let path = ColumnPath::from(field.name().as_str());
                properties = properties.set_column_dictionary_enabled(path, true);
            }
        }
    }
    for column in &options.bloom_filters {
        properties = properties.set_column_bloom_filter_enabled(ColumnPath::from(column.as_str()), true);
    }
    Ok(properties.build())
}

fn codec(options: &Options) -> Result<Codec, Error> {
    Ok(match options.compression.unwrap_or(Compression::Snappy) {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Snappy => Codec::SNAPPY,
        Compression::Zstd => Codec::ZSTD(ZstdLevel::try_new(options.level.unwrap_or(3))?),
        Compression::Lz4 => Codec::LZ4_RAW,
    })
}
