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
#[cfg_attr(feature = "cbdb", path = "insert_by_executor.rs")]
pub mod insert;
pub mod lock;
pub mod process;
pub mod row;
pub mod shared;
pub mod slot;
pub mod statistics;
pub mod tuple;
pub mod wal;
pub mod workers;

// Cloudberry inserts and scans in ways of its own, by functions that are not quite PostgreSQL's.
#[cfg(not(feature = "cbdb"))]
pub mod foreign_keys;
#[cfg(not(feature = "cbdb"))]
#[cfg_attr(not(any(feature = "pg14", feature = "pg15")), path = "growth_by_server.rs")]
pub mod growth;
#[cfg(not(feature = "cbdb"))]
pub mod index;
#[cfg(not(feature = "cbdb"))]
pub mod raw;
#[cfg(not(feature = "cbdb"))]
pub mod route;
#[cfg(not(feature = "cbdb"))]
pub mod scan;
