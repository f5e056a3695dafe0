//! Values: from Arrow columns to datums, rows and tuples.

pub mod answer;
pub mod arena;
pub mod convert;
mod demand;
pub mod encode;
pub mod feed;
pub mod formed;
pub mod reader;
pub mod row_type;
mod store;
pub mod stream;
pub mod tuple;
