//! The course of a run over time: how late batches were, what waited, what readers saw, and what the server did meanwhile. The
//! server sums it up by slots of time, so that a run of a day has as many points as one of minutes.

use super::document::Figure;
use super::figures::titled;
use crate::chart::{Bars, Cause, Curve, Event, Moment, OverTime, Session, Timeline, Unit};
use crate::error::Result;
use postgres::{Client, Row};
use std::collections::BTreeMap;

/// How many slots the time of a run is divided into, at most, but for one more per session.
const SLOTS: f64 = 200.0;
/// What happens in the server is looked at once a second, so shorter slots would say less.
const SHORTEST: f64 = 1.0;

/// How long before the end of a stream the table is about as large as it is at the end, in seconds.
const END: f64 = 10.0;

/// A run's time: when each session was at work, and the slots of that.
struct Slots {
    /// Seconds of the server's clock.
    begun: Vec<f64>,
    ended: Vec<f64>,
    width: f64,
    /// By session. What is left at its end is part of the last one.
    counts: Vec<i64>,
}

/// A session, from 0, and a slot in it.
type Slot = (usize, i64);

impl Slots {
    /// `batch` is how many seconds lie between one batch and the next: slots that are shorter would be empty.
    fn new(begun: Vec<f64>, ended: Vec<f64>, batch: f64) -> Self {
        let lengths = || begun.iter().zip(&ended).map(|(begun, ended)| ended - begun);
        let width = round_up((lengths().sum::<f64>() / SLOTS).max(SHORTEST).max(batch));
        let counts = lengths().map(|length| ((length / width).round() as i64).max(1)).collect();
        Self { begun, ended, width, counts }
    }

    fn length(&self, session: usize) -> f64 {
        self.ended[session] - self.begun[session]
    }

    /// From when to when a slot is, in seconds since its session began.
    fn ends(&self, (session, slot): Slot) -> (f64, f64) {
        let from = slot as f64 * self.width;
        let is_last = slot + 1 >= self.counts[session];
        (from, if is_last { self.length(session).max(from) } else { from + self.width })
    }

    /// The middle of a slot.
    fn moment(&self, slot: Slot) -> Moment {
        let (from, to) = self.ends(slot);
        Moment { session: slot.0, at: (from + to) / 2.0 }
    }

    fn sessions(&self) -> Vec<Session> {
        let gap = |session: usize| {
            session.checked_sub(1).map_or(0.0, |before| self.begun[session] - self.ended[before])
        };
        (0..self.begun.len())
            .map(|session| Session { seconds: self.length(session), gap: gap(session) })
            .collect()
    }
}

/// The next of 1, 2, 5, 10, 20 and so on.
fn round_up(number: f64) -> f64 {
    let power = 10f64.powf(number.log10().floor());
    let round =
        [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter().find(|round| *round >= number - 1e-9);
    round.unwrap_or(10.0 * power)
}

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

/// What a slot has of batches.
#[derive(Default)]
struct Amounts {
    rows: f64,
    /// Milliseconds that the latest batch was late, of those that ended in it.
    late: Option<f64>,
    backlog: Option<f64>,
}

/// Everything about a run that has a time.
pub struct Course {
    pub phase: Option<String>,
    /// Rows per second that came, by session.
    rates: Vec<Option<f64>>,
    slots: Slots,
    timeline: Timeline,
    /// By when batches were due: p50, p95, p99 and the most, in milliseconds.
    latency: Vec<(Slot, [f64; 4])>,
    amounts: BTreeMap<Slot, Amounts>,
    /// Of each query: the variants, and their p99 in milliseconds.
    readers: BTreeMap<String, BTreeMap<String, Vec<(Moment, f64)>>>,
    /// By query and variant: the median in milliseconds in the last seconds of the stream, and right after it.
    ends: BTreeMap<(String, String), [Option<f64>; 2]>,
}

impl Course {
    /// `None` of a run that nobody read, and to which no rows came at a rate: how late they were is not known.
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
        // While nothing was committed, nothing was.
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
            "SELECT m.session, m.slot, max(m.backlog_rows)::float8,
                    -- The first look of a session sees what was done since the one before.
                    coalesce(sum(m.checkpoints) FILTER (WHERE m.look > 1), 0)::bigint,
                    max(m.autovacuums)::bigint, max(m.lock_waits)::bigint
             FROM (
                 SELECT s.session, {} AS slot, m.*, row_number() OVER (PARTITION BY s.session ORDER BY m.at) AS look
                 FROM stream_moments m JOIN session s ON date_part('epoch', m.at) BETWEEN s.begun AND s.ended
                 WHERE m.run = $1
             ) m
             GROUP BY 1, 2 ORDER BY 1, 2",
            slot("date_part('epoch', m.at)")
        );
        for (slot, row) in self.rows(client, run, &query)? {
            self.amounts.entry(slot).or_default().backlog = row.get(2);
            for (column, cause) in [(3, Cause::Checkpoint), (4, Cause::Autovacuum), (5, Cause::LockWait)] {
                self.note(cause, slot, row.get::<_, Option<i64>>(column).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Notes what happened in a slot: the same as in the one before goes on.
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

    pub fn figures(&self) -> Vec<Figure> {
        let readers = self.readers.iter().map(|(query, variants)| self.reader_chart(query, variants));
        [self.latency_chart(), self.backlog_chart(), Some(self.throughput_chart())]
            .into_iter()
            .flatten()
            .chain(readers)
            .chain(self.end_bars())
            .collect()
    }

    fn chart(&self, title: &str, unit: Unit, curves: Vec<Curve>) -> OverTime<'_> {
        OverTime {
            title: titled(title, self.phase.as_deref()),
            unit,
            is_logarithmic: false,
            has_bands: false,
            timeline: &self.timeline,
            curves,
        }
    }

    fn latency_chart(&self) -> Option<Figure> {
        let curve = |(place, name): (usize, &str)| Curve {
            name: name.to_owned(),
            points: self.latency.iter().map(|(slot, ms)| (self.slots.moment(*slot), ms[place])).collect(),
        };
        let curves = ["p50", "p95", "p99", "max"].into_iter().enumerate().map(curve).collect();
        let chart = self.chart("Latency", Unit::Milliseconds, curves);
        let chart = OverTime { is_logarithmic: true, has_bands: true, ..chart };
        let note = "From when the last row of a batch had come to its commit, by when that row came; rows that were never committed have none. Below: what the server did meanwhile.";
        (!self.latency.is_empty()).then(|| figure(chart, note))
    }

    fn backlog_chart(&self) -> Option<Figure> {
        let points: Vec<(Moment, f64)> =
            self.amounts.iter().filter_map(|(slot, amounts)| self.backlog(*slot, amounts)).collect();
        let is_paced = !points.is_empty();
        let curve = Curve { name: "largest backlog".to_owned(), points };
        let chart = self.chart("Backlog", Unit::Rows, vec![curve]);
        is_paced.then(|| {
            figure(
                chart,
                "Rows that had come and were not committed; a table that keeps up has less than a batch.",
            )
        })
    }

    /// The backlog was largest when the latest batch was there, or is as it was looked at.
    fn backlog(&self, slot: Slot, amounts: &Amounts) -> Option<(Moment, f64)> {
        let rate = self.rates[slot.0]?;
        let waited = amounts.late.map(|ms| (ms / 1000.0 * rate).floor());
        let most = [waited, amounts.backlog].into_iter().flatten().reduce(f64::max)?;
        Some((self.slots.moment(slot), most))
    }

    fn throughput_chart(&self) -> Figure {
        let committed = self.amounts.iter().map(|(slot, amounts)| {
            let (from, to) = self.slots.ends(*slot);
            (self.slots.moment(*slot), (amounts.rows / (to - from).max(1e-3)).round())
        });
        let offered = (0..).zip(&self.rates).flat_map(|(session, rate)| {
            let ends = [0.0, self.slots.length(session)].map(|at| Moment { session, at });
            rate.iter().flat_map(move |rate| ends.map(|end| (end, *rate))).collect::<Vec<_>>()
        });
        let curves = [("committed", committed.collect()), ("offered", offered.collect::<Vec<_>>())];
        let curves = curves.into_iter().filter(|(_, points)| !points.is_empty());
        let curves = curves.map(|(name, points)| Curve { name: name.to_owned(), points }).collect();
        let note = "Rows per second of each table, by when they were inserted.";
        figure(self.chart("Throughput", Unit::RowsPerSecond, curves), note)
    }

    fn reader_chart(&self, query: &str, variants: &BTreeMap<String, Vec<(Moment, f64)>>) -> Figure {
        let curve =
            |(variant, points): (&String, &Vec<_>)| Curve { name: variant.clone(), points: points.clone() };
        let curves = variants.iter().map(curve).collect();
        let chart = self.chart(&format!("Readers' p99 of {query}"), Unit::Milliseconds, curves);
        figure(
            OverTime { is_logarithmic: true, ..chart },
            "99th percentile of the times that the query took while rows came; of few executions the longest.",
        )
    }

    /// The table grows while rows come, so only the end of that can be compared with afterwards.
    fn end_bars(&self) -> Option<Figure> {
        let group = |((query, variant), times): (&(String, String), &[Option<f64>; 2])| {
            (format!("{query}, {variant}"), times.to_vec())
        };
        let bars = Bars {
            title: titled("Readers with the stream and alone", self.phase.as_deref()),
            unit: Unit::Milliseconds,
            series: vec!["while rows came".to_owned(), "alone".to_owned()],
            groups: self.ends.iter().map(group).collect(),
            stacked: false,
        };
        Figure::of_bars(
            bars,
            "Median time of each query in the last 10 s in which rows came, and right after the last; shorter is faster.",
        )
    }
}

fn figure(chart: OverTime, note: &'static str) -> Figure {
    Figure { title: chart.title.clone(), note, chart: chart.render() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_few_hundred_slots_at_most() {
        for (seconds, batch) in
            [(0.5, 0.01), (40.0, 0.03), (3600.0, 0.1), (86_400.0 * 30.0, 0.001), (100.0, 7.0)]
        {
            let slots = Slots::new(vec![1e9, 2e9], vec![1e9 + seconds, 2e9 + 0.2], batch);
            assert!(slots.counts.iter().sum::<i64>() <= SLOTS as i64 + 2, "{:?}", slots.counts);
            assert!(slots.width >= SHORTEST && slots.width >= batch, "{}", slots.width);
            assert!(slots.width <= 10.0 * (seconds / SLOTS).max(SHORTEST).max(batch), "{}", slots.width);
        }
        let widths = [1.0, 1.001, 2.0, 3.0, 7.0, 10.0, 45.0, 432.0].map(round_up);
        assert_eq!(widths, [1.0, 2.0, 2.0, 5.0, 10.0, 10.0, 50.0, 500.0]);
    }

    #[test]
    fn slots_are_a_sessions_time_without_a_rest() {
        let slots = Slots::new(vec![100.0, 200.0], vec![103.4, 200.3], 0.1);
        assert_eq!((slots.width, &slots.counts[..]), (1.0, &[3, 1][..]));
        let ends = |session, slot| slots.ends((session, slot));
        assert_eq!((ends(0, 0), ends(0, 1)), ((0.0, 1.0), (1.0, 2.0)));
        assert!((ends(0, 2).1 - 3.4).abs() < 1e-9 && (ends(1, 0).1 - 0.3).abs() < 1e-9);
        let gaps: Vec<f64> = slots.sessions().iter().map(|session| session.gap).collect();
        assert!(gaps[0] == 0.0 && (gaps[1] - 96.6).abs() < 1e-9, "{gaps:?}");
    }

    fn course(slots: Slots) -> Course {
        Course {
            phase: Some("index".into()),
            rates: vec![Some(1000.0); slots.begun.len()],
            timeline: Timeline { sessions: slots.sessions(), events: Vec::new() },
            slots,
            latency: Vec::new(),
            amounts: BTreeMap::new(),
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

    #[test]
    fn the_backlog_is_the_larger_of_what_waited_and_what_was_seen() {
        let course = course(Slots::new(vec![0.0], vec![3.0], 0.1));
        let backlog = |late, seen| {
            course.backlog((0, 0), &Amounts { rows: 0.0, late, backlog: seen }).map(|(_, rows)| rows)
        };
        assert_eq!(backlog(Some(250.0), Some(200.0)), Some(250.0));
        assert_eq!(backlog(None, Some(200.0)), Some(200.0), "nothing was committed");
        assert_eq!(backlog(None, None), None);
    }
}
