//! The tables of a run's report.

use super::data::{Report, Target};
use super::document::Table;
use crate::output;

pub fn count(value: Option<i64>) -> String {
    value.map(output::grouped).unwrap_or_default()
}

pub fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn text(value: Option<&String>) -> String {
    value.cloned().unwrap_or_default()
}

impl Report {
    /// Those that have rows.
    pub fn tables(&self) -> Vec<Table> {
        let tables = [
            self.latency_table(),
            self.reader_table(),
            self.speed(),
            self.time(),
            self.size(),
            self.query_times(),
            self.gate_results(),
            self.left_out(),
        ];
        tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
    }

    /// A table with a row per target, which the first columns name.
    fn by_target(
        &self,
        title: &'static str,
        names: &[&'static str],
        cells: impl Fn(&Target) -> Vec<String>,
    ) -> Table {
        let phases = self.targets.iter().any(|target| target.phase.is_some());
        let first: &[&str] = if phases { &["phase", "variant"] } else { &["table"] };
        let row = |target: &Target| {
            target.phase.iter().chain([&target.variant]).cloned().chain(cells(target)).collect()
        };
        Table {
            title,
            names: first.iter().chain(names).copied().collect(),
            rows: self.targets.iter().map(row).collect(),
        }
    }

    fn speed(&self) -> Table {
        let names = ["rows", "batches", "rows/s", "min", "p50", "p95", "max", "insert rows/s", "ratio"];
        self.by_target("Speed", &names, |target| {
            let speeds = [
                target.rows_per_second,
                target.rows_per_second_min,
                target.rows_per_second_p50,
                target.rows_per_second_p95,
                target.rows_per_second_max,
                target.insert_rows_per_second,
            ];
            let counts = [Some(target.rows), Some(target.batches)].into_iter().chain(speeds);
            counts.map(count).chain([number(target.ratio)]).collect()
        })
    }

    fn time(&self) -> Table {
        self.by_target(
            "Seconds",
            &["in all", "generate", "insert", "commit", "analyze", "after load"],
            |target| {
                let parts = [
                    target.seconds,
                    target.generate_seconds,
                    target.insert_seconds,
                    target.commit_seconds,
                    target.analyze_seconds,
                    target.after_load_seconds,
                ];
                parts.map(number).to_vec()
            },
        )
    }

    fn size(&self) -> Table {
        self.by_target("Size", &["bytes", "without indexes", "bytes/row", "WAL bytes/row"], |target| {
            let sizes = [target.size_bytes, target.table_bytes].map(count);
            sizes.into_iter().chain([target.bytes_per_row, target.wal_bytes_per_row].map(number)).collect()
        })
    }

    fn query_times(&self) -> Table {
        let row = |query: &super::data::Query| {
            let same = query.same.map_or("", |same| if same { "yes" } else { "NO" });
            let [cold, warm] = [query.cold_ms, query.warm_ms].map(number);
            vec![
                query.phase.clone(),
                query.query.clone(),
                query.variant.clone(),
                cold,
                warm,
                count(query.rows),
                same.to_owned(),
            ]
        };
        Table {
            title: "Queries",
            names: vec!["phase", "query", "variant", "cold ms", "warm ms", "rows", "same result"],
            rows: self.queries.iter().map(row).collect(),
        }
    }

    fn gate_results(&self) -> Table {
        let row = |gate: &super::data::Gate| {
            let result = gate.pass.map_or("", |pass| if pass { "pass" } else { "FAIL" });
            let bound = gate.bound.map(|bound| format!("{} {bound}", text(gate.comparison.as_ref())));
            vec![
                gate.gate.clone(),
                text(gate.phase.as_ref()),
                text(gate.variant.as_ref()),
                number(gate.figure),
                bound.unwrap_or_default(),
                result.to_owned(),
                text(gate.detail.as_ref()),
            ]
        };
        Table {
            title: "Gates",
            names: vec!["gate", "phase", "variant", "figure", "bound", "result", "detail"],
            rows: self.gates.iter().map(row).collect(),
        }
    }

    fn left_out(&self) -> Table {
        let rows = self.skipped.iter().map(|(variant, why)| vec![variant.clone(), why.clone()]).collect();
        Table { title: "Skipped variants", names: vec!["variant", "reason"], rows }
    }
}
