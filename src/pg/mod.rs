//! All that touches the server's C API, and the only unsafe code.
#![allow(unsafe_code)]

pub mod activity;
pub mod arena;
pub mod call;
pub mod cluster;
pub mod compat;
pub mod convert;
pub mod encode;
pub mod feed;
pub mod index;
pub mod insert;
pub mod lock;
pub mod process;
pub mod raw;
pub mod route;
pub mod row;
pub mod scan;
pub mod shared;
pub mod slot;
pub mod statistics;
pub mod tuple;
pub mod wal;
pub mod workers;
