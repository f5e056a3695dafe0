//! What the tables and the arguments say about the streams to run.

use super::Task;
use super::benchmark::Benchmark;
use super::streams::{Function, Step, Stream};
use crate::error::{Error, Result};
use postgres::Client;
use std::ops::Range;

/// The number of refresh sets, which are counted from 1.
const REFRESH_SETS: i32 = 999;

pub struct Setup {
    benchmark: &'static Benchmark,
    schema: String,
    pub sf: f64,
    seed: i64,
    /// Whether queries with a subquery per row are joins.
    decorrelated: bool,
    streams: i32,
    /// The next refresh set, if the benchmark has any.
    first_set: Option<i32>,
}

impl Setup {
    pub fn of(task: &Task, session: &mut Client) -> Result<Self> {
        let Task { benchmark, arguments, schema } = task;
        let sf = match arguments.sf {
            Some(sf) => sf,
            None => scale_of(session, benchmark, schema)?,
        };
        let runs = task.runs(session)?;
        let seed = match arguments.seed {
            Some(seed) => seed,
            None => load_time(session, &runs)?,
        };
        let decorrelated = match benchmark.kit.correlated {
            Some(index) => !has_index(session, schema, index)?,
            None => true,
        };
        Ok(Self {
            benchmark,
            schema: (*schema).to_owned(),
            sf,
            seed,
            decorrelated,
            streams: arguments.streams.unwrap_or_else(|| (benchmark.fewest_streams)(sf)),
            first_set: benchmark.refreshes.then(|| first_set(session, schema, sf)).transpose()?,
        })
    }

    pub fn power_stream(&self, session: &mut Client) -> Result<Stream> {
        let refresh = |function| self.first_set.map(|set| self.refresh(function, set));
        let [before, after] = Function::PAIR.map(refresh);
        let queries = self.queries(session, 0)?;
        let steps = before.into_iter().chain(queries).chain(after);
        Ok(Stream { name: "stream 0".to_owned(), steps: steps.collect() })
    }

    /// The query streams of the throughput test, counted from 1.
    pub fn query_streams(&self, session: &mut Client) -> Result<Vec<Stream>> {
        let stream =
            |number| Ok(Stream { name: format!("stream {number}"), steps: self.queries(session, number)? });
        (1..=self.streams).map(stream).collect()
    }

    /// The stream that refreshes for all of them.
    pub fn refresh_stream(&self, after_power: bool) -> Option<Stream> {
        let pair = |set| Function::PAIR.map(|function| self.refresh(function, set));
        let steps = self.throughput_sets(after_power)?.flat_map(pair).collect();
        Some(Stream { name: "refresh stream".to_owned(), steps })
    }

    fn throughput_sets(&self, after_power: bool) -> Option<Range<i32>> {
        let first = self.first_set? + i32::from(after_power);
        Some(first..first + self.streams)
    }

    fn queries(&self, session: &mut Client, stream: i32) -> Result<Vec<Step>> {
        let query = format!(
            "SELECT query, sql FROM {}_queries($1, $2, $3, $4, $5) ORDER BY \"position\"",
            self.benchmark.kit.family
        );
        let rows = session
            .query(query.as_str(), &[&self.schema, &self.seed, &stream, &self.sf, &self.decorrelated])?;
        Ok(rows.iter().map(|row| Step::query(row.get(0), row.get(1))).collect())
    }

    fn refresh(&self, function: Function, set: i32) -> Step {
        let family = self.benchmark.kit.family;
        Step::Refresh { family, function, set, schema: self.schema.clone(), sf: self.sf }
    }

    /// The queries whose texts are not the specification's.
    fn rewritten(&self, session: &mut Client) -> Result<Vec<i32>> {
        if !self.decorrelated {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT query
             FROM {0}_queries($1, $2, 0, $3, true) rewritten JOIN {0}_queries($1, $2, 0, $3, false) original USING (query)
             WHERE rewritten.sql <> original.sql
             ORDER BY query",
            self.benchmark.kit.family
        );
        let rows = session.query(query.as_str(), &[&self.schema, &self.seed, &self.sf])?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// What was measured and where, by name.
    pub fn facts(
        &self,
        session: &mut Client,
        power: bool,
        throughput: bool,
    ) -> Result<Vec<(&'static str, String)>> {
        let texts = match self.rewritten(session)?.as_slice() {
            [] => "the specification's".to_owned(),
            queries => format!(
                "{} as joins, which the TPC has not approved; the others the specification's",
                listed(queries)
            ),
        };
        let last_set = match throughput {
            true => self.throughput_sets(power).map(|sets| sets.end - 1),
            false => self.first_set,
        };
        let sets = self.first_set.zip(last_set).map(|(first, last)| format!("{first} to {last}"));
        let of_ours = [
            ("Scale factor", Some(self.sf.to_string())),
            ("Schema", Some(self.schema.clone())),
            ("Seed", Some(self.seed.to_string())),
            ("Query texts", Some(texts)),
            ("Refresh sets", sets),
        ];
        let of_ours = of_ours.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Ok(of_ours.chain(self.server_facts(session)?).collect())
    }

    fn server_facts(&self, session: &mut Client) -> Result<Vec<(&'static str, String)>> {
        let query = "
            SELECT to_char(now(), 'YYYY-MM-DD HH24:MI:SS TZ'), current_setting('server_version'),
                   current_setting('shared_buffers'), current_setting('work_mem'),
                   current_setting('max_parallel_workers_per_gather'),
                   (SELECT extversion FROM pg_extension WHERE extname = 'millrace'),
                   pg_size_pretty((SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
                                   WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind IN ('r', 'm')))";
        let row = session.query_one(query, &[&self.schema])?;
        let names = [
            "Ended",
            "PostgreSQL",
            "shared_buffers",
            "work_mem",
            "max_parallel_workers_per_gather",
            "millrace",
            "Size of the tables",
        ];
        let facts = names
            .iter()
            .enumerate()
            .filter_map(|(index, name)| Some((*name, row.get::<_, Option<String>>(index)?)));
        Ok(facts.collect())
    }
}

/// Numbers as in a sentence.
fn listed(numbers: &[i32]) -> String {
    let texts: Vec<String> = numbers.iter().map(i32::to_string).collect();
    match texts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// When the runs ended, as TPC-H's specification makes a seed of it; else now.
fn load_time(session: &mut Client, runs: &[String]) -> Result<i64> {
    let query = "SELECT to_char(coalesce(max(last_batch), now()), 'MMDDHH24MISS')::bigint
                 FROM stream_progress WHERE run = ANY ($1)";
    Ok(session.query_one(query, &[&runs])?.get(0))
}

/// The scale factor of tables that are there.
fn scale_of(session: &mut Client, benchmark: &Benchmark, schema: &str) -> Result<f64> {
    Ok(session.query_one("SELECT millrace.kit_scale_of($1, $2)", &[&benchmark.kit.family, &schema])?.get(0))
}

/// Whether a table has an index that begins with a column.
fn has_index(session: &mut Client, schema: &str, (table, column): (&str, &str)) -> Result<bool> {
    let query = "
        SELECT EXISTS (
            SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = to_regclass(format('%I.%I', $1::text, $2::text)) AND a.attname = $3::text AND i.indisvalid)";
    Ok(session.query_one(query, &[&schema, &table, &column])?.get(0))
}

/// The first refresh set whose first order is not in the tables.
fn first_set(session: &mut Client, schema: &str, sf: f64) -> Result<i32> {
    // Two statements: a cluster does not make rows in a subquery for each row of a table.
    let first_order = session.prepare("SELECT min(o_orderkey) FROM tpch_orders_refresh($1, $2)")?;
    let is_there = "SELECT format('SELECT EXISTS (SELECT FROM %I.orders WHERE o_orderkey = $1)', $1::text)";
    let is_there: String = session.query_one(is_there, &[&schema])?.get(0);
    let is_there = session.prepare(&is_there)?;
    for set in 1..=REFRESH_SETS {
        let key: i64 = session.query_one(&first_order, &[&set, &sf])?.get(0);
        if !session.query_one(&is_there, &[&key])?.get::<_, bool>(0) {
            return Ok(set);
        }
    }
    let message = format!("all {REFRESH_SETS} refresh sets are in the tables");
    Err(Error::failed(message, "Load the tables again with CALL tpch_load(…, overwrite => true)."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_listed_as_in_a_sentence() {
        assert_eq!([&[7][..], &[2, 17], &[2, 17, 20]].map(listed), ["7", "2 and 17", "2, 17 and 20"]);
    }
}
