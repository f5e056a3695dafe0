//! The course of a run over time: how late batches were, what waited, what readers saw, and what the server did meanwhile. The
//! server summarizes it by slots of time, so that a run of a day has as many points as one of minutes.

mod charts;
mod slots;

use crate::chart::{Cause, Event, Moment, Timeline};
use crate::error::Result;
use postgres::{Client, Row};
use slots::{Slot, Slots};
use std::collections::BTreeMap;

/// This many seconds before the end of a stream, the table is about as large as at the end.
const END: f64 = 10.0;

/// The sessions of a run as a table, and where in them a time is.
const SESSIONS: &str = "
    WITH session AS (
        SELECT s.session - 1 AS session, s.begun, s.ended, s.count,
               lead(s.begun, 1, 'infinity') OVER (ORDER BY s.session) AS next
        FROM unnest($2::float8[], $3::float8[], $4::bigint[]) WITH ORDINALITY AS s (begun, ended, count, session)
    )";

/// Where in a session a time is; what was due before it began, at its beginning.
fn slot(time: &str) -> String {
    format!("least(greatest(floor(({time} - s.begun) / $5), 0)::bigint, s.count - 1)")
}

/// A batch is there when the last table has it.
const BATCHES: &str = "
    SELECT min(rows) AS rows, max(latency_ms) AS ms, date_part('epoch', max(finished)) AS finished,
           date_part('epoch', min(due)) AS due
    FROM stream_batches WHERE run = $1 GROUP BY batch";

/// The batches of a slot.
#[derive(Default)]
struct Amounts {
    rows: f64,
    /// Milliseconds that the latest batch was late, of those that ended in it.
    late: Option<f64>,
    backlog: Option<f64>,
}

/// What was observed of the server in a slot, in bytes.
#[derive(Clone, Copy)]
struct Seen {
    /// WAL written per second.
    wal: Option<f64>,
    /// How large tables and indexes were.
    tables: Option<f64>,
    indexes: Option<f64>,
}

/// Everything about a run that has a time.
pub struct Course {
    phase: Option<String>,
    /// Rows per second that came, by session.
    rates: Vec<Option<f64>>,
    slots: Slots,
    timeline: Timeline,
    /// At the times when batches were due: p50, p95, p99 and the maximum, in milliseconds.
    latency: Vec<(Slot, [f64; 4])>,
    amounts: BTreeMap<Slot, Amounts>,
    seen: Vec<(Slot, Seen)>,
    /// Of each query: the variants, and their p99 in milliseconds.
    readers: BTreeMap<String, BTreeMap<String, Vec<(Moment, f64)>>>,
    /// By query and variant: the median in milliseconds in the last seconds of the stream, and right after it.
    ends: BTreeMap<(String, String), [Option<f64>; 2]>,
}

impl Course {
    /// `None` for a run without readers and without a rate, because how late its rows were is not known.
    pub fn read(client: &mut Client, run: &str, phase: Option<String>) -> Result<Option<Self>> {
        let sessions =
            "SELECT date_part('epoch', begun), date_part('epoch', ended), rate FROM millrace.sessions($1)";
        let sessions = client.query(sessions, &[&run])?;
        let rates: Vec<Option<f64>> = sessions.iter().map(|row| row.get(2)).collect();
        let is_read = "SELECT EXISTS (SELECT FROM millrace.reading WHERE run = $1)";
        let is_paced = rates.iter().any(Option::is_some);
        if sessions.is_empty() || !is_paced && !client.query_one(is_read, &[&run])?.get::<_, bool>(0) {
            return Ok(None);
        }
        let batch_rows: i32 =
            client.query_one("SELECT batch_rows FROM millrace.run WHERE name = $1", &[&run])?.get(0);
        let batch = rates.iter().flatten().map(|rate| f64::from(batch_rows) / rate).fold(0.0, f64::max);
        let times = |column: usize| sessions.iter().map(|row| row.get(column)).collect();
        let slots = Slots::new(times(0), times(1), batch);
        let mut course = Self {
            phase,
            rates,
            timeline: Timeline { sessions: slots.sessions(), events: Vec::new() },
            slots,
            latency: Vec::new(),
            amounts: BTreeMap::new(),
            seen: Vec::new(),
            readers: BTreeMap::new(),
            ends: BTreeMap::new(),
        };
        course.read_latency(client, run)?;
        course.read_amounts(client, run)?;
        course.read_moments(client, run)?;
        course.read_readers(client, run)?;
        course.read_ends(client, run)?;
        Ok(Some(course))
    }

    /// Rows that begin with a session and a slot.
    fn rows(&self, client: &mut Client, run: &str, query: &str) -> Result<Vec<(Slot, Row)>> {
        let Slots { begun, ended, counts, width } = &self.slots;
        let query = format!("{SESSIONS}\n{query}");
        let rows = client.query(query.as_str(), &[&run, begun, ended, counts, width])?;
        let place = |row: Row| ((row.get::<_, i64>(0) as usize, row.get(1)), row);
        Ok(rows.into_iter().map(place).collect())
    }

    fn read_latency(&mut self, client: &mut Client, run: &str) -> Result<()> {
        let query = format!(
            "SELECT s.session, {} AS slot, percentile_disc('{{0.5, 0.95, 0.99}}'::float8[]) WITHIN GROUP (ORDER BY b.ms), max(b.ms)
             FROM ({BATCHES}) b JOIN session s ON b.finished BETWEEN s.begun AND s.ended
             WHERE b.ms IS NOT NULL
             GROUP BY 1, 2 ORDER BY 1, 2",
            slot("b.due")
        );
        for (slot, row) in self.rows(client, run, &query)? {
            let shares: Vec<f64> = row.get(2);
            if let [p50, p95, p99] = shares[..] {
                self.latency.push((slot, [p50, p95, p99, row.get(3)]));
            }
        }
        Ok(())
    }

    fn read_amounts(&mut self, client: &mut Client, run: &str) -> Result<()> {
        let query = format!(
            "SELECT s.session, {} AS slot, sum(b.rows)::float8, max(b.ms)
             FROM ({BATCHES}) b JOIN session s ON b.finished BETWEEN s.begun AND s.ended
             GROUP BY 1, 2",
            slot("b.finished")
        );
        // While no batch was committed, the rate was zero.
        let all = (0..).zip(&self.slots.counts);
        let all = all
            .flat_map(|(session, count)| (0..*count).map(move |slot| ((session, slot), Amounts::default())));
        self.amounts = all.collect();
        for (slot, row) in self.rows(client, run, &query)? {
            let amounts = Amounts { rows: row.get(2), late: row.get(3), backlog: None };
            self.amounts.insert(slot, amounts);
        }
        Ok(())
    }

    /// What the server was seen to do, and the backlog while nothing was committed.
    fn read_moments(&mut self, client: &mut Client, run: &str) -> Result<()> {
        let query = format!(
            "SELECT s.session, {} AS slot, max(m.backlog_rows)::float8, coalesce(sum(m.checkpoints), 0)::bigint,
                    max(m.autovacuums)::bigint, max(m.lock_waits)::bigint,
                    (sum(m.wal_bytes) / $5)::float8, max(m.table_bytes)::float8, max(m.index_bytes)::float8
             FROM stream_moments m JOIN session s ON date_part('epoch', m.at) BETWEEN s.begun AND s.ended
             WHERE m.run = $1
             GROUP BY 1, 2 ORDER BY 1, 2",
            slot("date_part('epoch', m.at)")
        );
        for (slot, row) in self.rows(client, run, &query)? {
            self.amounts.entry(slot).or_default().backlog = row.get(2);
            self.seen.push((slot, Seen { wal: row.get(6), tables: row.get(7), indexes: row.get(8) }));
            for (column, cause) in [(3, Cause::Checkpoint), (4, Cause::Autovacuum), (5, Cause::LockWait)] {
                self.note(cause, slot, row.get::<_, Option<i64>>(column).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Notes what happened in a slot; what happened in the one before, too, is extended.
    fn note(&mut self, cause: Cause, slot: Slot, count: i64) {
        if count == 0 {
            return;
        }
        let (at, to) = self.slots.ends(slot);
        let before = self.timeline.events.iter_mut().rev().find(|event| event.cause == cause);
        match before
            .filter(|event| event.from.session == slot.0 && event.to == at && cause != Cause::Checkpoint)
        {
            Some(event) => (event.to, event.count) = (to, event.count.max(count)),
            None => {
                self.timeline.events.push(Event { cause, from: Moment { session: slot.0, at }, to, count })
            }
        }
    }

    fn read_readers(&mut self, client: &mut Client, run: &str) -> Result<()> {
        let query = format!(
            "SELECT g.session, g.slot, g.query, g.variant, p.p99
             FROM (
                 SELECT s.session, {} AS slot, r.query, t.variant, array_agg(r.latency) AS latency
                 FROM millrace.reading r
                 JOIN millrace.bench_table t USING (run, target)
                 -- The last may begin when the last batch is there already.
                 JOIN session s ON date_part('epoch', r.begun) >= s.begun AND date_part('epoch', r.begun) < s.next
                 WHERE r.run = $1 AND r.streaming
                 GROUP BY 1, 2, 3, 4
             ) g, LATERAL millrace.percentiles(g.latency) p
             WHERE p.p99 IS NOT NULL
             ORDER BY 1, 2",
            slot("date_part('epoch', r.begun)")
        );
        for (slot, row) in self.rows(client, run, &query)? {
            let point = (self.slots.moment(slot), row.get(4));
            self.readers.entry(row.get(2)).or_default().entry(row.get(3)).or_default().push(point);
        }
        Ok(())
    }

    fn read_ends(&mut self, client: &mut Client, run: &str) -> Result<()> {
        let query = "
            SELECT g.query, g.variant, g.streaming, p.p50
            FROM (
                SELECT r.query, t.variant, r.streaming, array_agg(r.latency) AS latency
                FROM millrace.reading r JOIN millrace.bench_table t USING (run, target)
                WHERE r.run = $1 AND (NOT r.streaming OR date_part('epoch', r.begun) BETWEEN $2::float8 - $3::float8 AND $2)
                GROUP BY 1, 2, 3
            ) g, LATERAL millrace.percentiles(g.latency) p";
        let ended = self.slots.ended.last().copied().unwrap_or_default();
        for row in client.query(query, &[&run, &ended, &END])? {
            let place = usize::from(!row.get::<_, bool>(2));
            self.ends.entry((row.get(0), row.get(1))).or_default()[place] = row.get(3);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn course(slots: Slots) -> Course {
        Course {
            phase: Some("index".into()),
            rates: vec![Some(1000.0); slots.begun.len()],
            timeline: Timeline { sessions: slots.sessions(), events: Vec::new() },
            slots,
            latency: Vec::new(),
            amounts: BTreeMap::new(),
            seen: Vec::new(),
            readers: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    #[test]
    fn what_goes_on_is_one_event_and_each_checkpoint_its_own() {
        let mut course = course(Slots::new(vec![100.0, 200.0], vec![105.0, 205.0], 0.1));
        for (slot, waits, checkpoints) in
            [((0, 0), 0, 1), ((0, 1), 2, 1), ((0, 2), 5, 0), ((0, 4), 1, 0), ((1, 0), 1, 0)]
        {
            course.note(Cause::Checkpoint, slot, checkpoints);
            course.note(Cause::LockWait, slot, waits);
        }
        let events = |cause| -> Vec<(usize, f64, f64, i64)> {
            let events = course.timeline.events.iter().filter(|event| event.cause == cause);
            events.map(|event| (event.from.session, event.from.at, event.to, event.count)).collect()
        };
        assert_eq!(events(Cause::LockWait), [(0, 1.0, 3.0, 5), (0, 4.0, 5.0, 1), (1, 0.0, 1.0, 1)]);
        assert_eq!(events(Cause::Checkpoint), [(0, 0.0, 1.0, 1), (0, 1.0, 2.0, 1)]);
    }
}
