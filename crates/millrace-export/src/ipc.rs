//! Arrow IPC: messages, each a record batch, as a stream or with an index at the end.

use crate::output::Buffers;
use crate::plan::Columns;
use crate::{Batches, Compression, Encoding, Error, Options};
use arrow::datatypes::SchemaRef;
use arrow::ipc::convert::IpcSchemaEncoder;
use arrow::ipc::writer::{
    DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message,
};
use arrow::ipc::{Block, CompressionType, FooterBuilder, MetadataVersion};
use flatbuffers::FlatBufferBuilder;

/// What a file begins and ends with.
const MAGIC: &[u8] = b"ARROW1";
/// Messages begin at multiples of eight bytes.
const MAGIC_PADDED: &[u8] = b"ARROW1\0\0";
/// A message of length 0.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

pub struct Ipc {
    schema: SchemaRef,
    write_options: IpcWriteOptions,
    is_file: bool,
}

/// Encoded batches, and the lengths of each one's header and body.
pub struct Messages {
    bytes: Vec<u8>,
    lengths: Vec<(usize, usize)>,
}

/// Where the batches are.
#[derive(Default)]
pub struct Index {
    blocks: Vec<Block>,
    batches: u64,
    length: usize,
}

impl Ipc {
    pub fn file(columns: &Columns<'_>, options: &Options) -> Result<Self, Error> {
        Self::new(columns.schema.clone(), options, true)
    }

    pub fn stream(columns: &Columns<'_>, options: &Options) -> Result<Self, Error> {
        Self::new(columns.schema.clone(), options, false)
    }

    fn new(schema: SchemaRef, options: &Options, is_file: bool) -> Result<Self, Error> {
        let codec = match options.compression {
            Some(Compression::Zstd) => Some(CompressionType::ZSTD),
            Some(Compression::Lz4) => Some(CompressionType::LZ4_FRAME),
            _ => None,
        };
        let write_options =
            IpcWriteOptions::try_new(8, false, MetadataVersion::V5)?.try_with_compression(codec)?;
        Ok(Self { schema, write_options, is_file })
    }
}

impl Encoding for Ipc {
    type Chunk = Messages;
    type File = Index;

    fn encode(&self, batches: &mut Batches<'_>, buffers: &Buffers) -> Result<Messages, Error> {
        let generator = IpcDataGenerator::default();
        let mut dictionaries = DictionaryTracker::new(true);
        let mut context = IpcWriteContext::default();
        let mut messages = Messages { bytes: buffers.take(), lengths: Vec::new() };
        for batch in batches {
            let (_, message) =
                generator.encode(&batch?, &mut dictionaries, &self.write_options, &mut context)?;
            messages.lengths.push(write_message(&mut messages.bytes, message, &self.write_options)?);
        }
        Ok(messages)
    }

    fn begin(&self, bytes: &mut Vec<u8>) -> Result<Index, Error> {
        if self.is_file {
            bytes.extend_from_slice(MAGIC_PADDED);
        }
        let schema = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(
            &self.schema,
            &mut DictionaryTracker::new(true),
            &self.write_options,
        );
        write_message(&mut *bytes, schema, &self.write_options)?;
        Ok(Index { length: bytes.len(), ..Index::default() })
    }

    fn append(&self, file: &mut Index, chunk: Messages, _: &Buffers) -> Result<Vec<u8>, Error> {
        for (header, body) in chunk.lengths {
            file.batches += 1;
            if self.is_file {
                file.blocks.push(Block::new(file.length as i64, header as i32, body as i64));
            }
            file.length += header + body;
        }
        Ok(chunk.bytes)
    }

    fn end(&self, file: Index, bytes: &mut Vec<u8>) -> Result<u64, Error> {
        bytes.extend_from_slice(&END_OF_STREAM);
        if self.is_file {
            let footer = self.footer(&file.blocks);
            bytes.extend_from_slice(&footer);
            bytes.extend_from_slice(&(footer.len() as i32).to_le_bytes());
            bytes.extend_from_slice(MAGIC);
        }
        Ok(file.batches)
    }
}

impl Ipc {
    fn footer(&self, blocks: &[Block]) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::new();
        let dictionaries = builder.create_vector::<Block>(&[]);
        let batches = builder.create_vector(blocks);
        let schema = IpcSchemaEncoder::new().schema_to_fb_offset(&mut builder, &self.schema);
        let mut footer = FooterBuilder::new(&mut builder);
        footer.add_version(MetadataVersion::V5);
        footer.add_schema(schema);
        footer.add_dictionaries(dictionaries);
        footer.add_recordBatches(batches);
        let root = footer.finish();
        builder.finish(root, None);
        builder.finished_data().to_vec()
    }
}
