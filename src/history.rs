//! Functions that version 0.1.0 declared and this library has no use for. Its install script must still find them, or that
//! version could neither be installed nor restored from a dump before it is updated.

use crate::error::{Error, SqlResult};
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
    close_run
    ingest_batch
    next_batch
    start_workers
    stop_workers
    wait_for_workers
}
