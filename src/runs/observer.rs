//! A process that notes what happens in the server while a benchmark's rows arrive.

use super::ledger;
use super::schedule::Schedule;
use crate::error::Result;
use crate::pg::server::process;
use crate::pg::server::text::{Json, Text};
use crate::pg::workers::crew;
use crate::pg::workers::shared::{Orders, Shared};
use pgrx::pg_sys::Oid;
use std::time::{Duration, Instant};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);

/// How long it sleeps at a time.
const NAP: Duration = Duration::from_millis(50);

/// Looks at the server once a second.
pub struct Observer {
    run: String,
    rows_before: i64,
    total: Option<i64>,
    schedule: Schedule,
    leaves: Vec<Oid>,
    due: Instant,
}

impl Observer {
    pub fn begin(orders: &Orders) -> Result<Self> {
        let run = ledger::get(&orders.run)?;
        Ok(Self {
            total: run.total(),
            leaves: run.targets.into_iter().flat_map(|target| target.storage.leaves).collect(),
            run: run.name,
            rows_before: orders.rows_before,
            schedule: Schedule::of(orders),
            due: Instant::now(),
        })
    }

    /// One look, or some sleep; false after the last.
    pub fn step(&mut self, shared: &Shared) -> Result<bool> {
        if shared.beside_is_over() {
            return Ok(false);
        }
        if let Some(left) = self.due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            process::nap(left.min(NAP));
            return Ok(true);
        }
        self.due = (self.due + LOOK).max(Instant::now());
        let rows = self.rows_before + shared.rows();
        let now = process::now_in_microseconds();
        let backlog = self.schedule.backlog(now, rows, self.total);
        crew::report_activity(&format!("observing run \"{}\"", self.run));
        // Two statements: on a cluster, one that writes on all segments cannot ask them for sizes.
        let seen = "SELECT pg_catalog.to_jsonb(o) FROM millrace.observe($1) o";
        let seen: Option<Json> = ledger::one(seen, &[self.leaves.clone().into()])?;
        ledger::write(
            "INSERT INTO millrace.moment
                 (run, at, rows, backlog_rows, checkpoints, wal_bytes, autovacuums, lock_waits, table_bytes, index_bytes)
             SELECT $1, $2, $3, $4, o.checkpoints, o.wal_bytes, o.autovacuums, o.lock_waits, o.table_bytes, o.index_bytes
             FROM pg_catalog.jsonb_to_record($5) AS o (checkpoints pg_catalog.int8, wal_bytes pg_catalog.int8,
                      autovacuums pg_catalog.int4, lock_waits pg_catalog.int4, table_bytes pg_catalog.int8,
                      index_bytes pg_catalog.int8)
             ON CONFLICT DO NOTHING",
            &[
                Text::from(self.run.as_str()).into(),
                process::time(now).into(),
                rows.into(),
                backlog.filter(|_| shared.is_streaming()).into(),
                seen.into(),
            ],
        )?;
        Ok(true)
    }
}
