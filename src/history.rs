//! Functions that version 0.1.0 declared and this one does not. Its install script must still find them, or that
//! version could neither be installed nor restored from a dump before it is updated.

use crate::error::{Error, SqlResult};
use crate::generate::generate;
use crate::pg::values::answer::Answer;
use pgrx::prelude::*;

macro_rules! retired {
    ($($name:ident)*) => {
        $(
            #[pg_extern(sql = false)]
            fn $name() -> SqlResult<()> {
                Err(Error::Retired.into())
            }
        )*
    };
}

retired! {
    add_rows
    check_load
    check_loadable
    close_run
    ingest_batch
    next_batch
    scale_of
    start_workers
    stop_workers
    tpch_answers
    tpch_export
    tpch_queries
    tpch_query
    tpch_tables
    tpch_validate
    wait_for_workers
}

/// Names that [`generate`] had.
macro_rules! generating {
    ($($name:ident)*) => {
        $(
            #[pg_extern(sql = false)]
            fn $name(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Answer> {
                generate(fcinfo)
            }
        )*
    };
}

generating! {
    dimension_table
    stream_gen
    tpch_gen_by_name
    tpch_gen_by_type
    tpch_table
}
