//! The tables of a report, as Markdown and as plain text.

use super::data::{Report, Target};
use crate::output;

/// Rows of text under names.
pub struct Table {
    pub title: &'static str,
    pub names: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

fn count(value: Option<i64>) -> String {
    value.map(output::grouped).unwrap_or_default()
}

fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn text(value: Option<&String>) -> String {
    value.cloned().unwrap_or_default()
}

impl Report {
    /// Those that have rows.
    pub fn tables(&self) -> Vec<Table> {
        let tables = [
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
        self.by_target("Seconds", &["in all", "generate", "insert", "commit", "analyze"], |target| {
            let parts = [
                target.seconds,
                target.generate_seconds,
                target.insert_seconds,
                target.commit_seconds,
                target.analyze_seconds,
            ];
            parts.map(number).to_vec()
        })
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

    /// For a terminal.
    pub fn text(&self) -> Vec<String> {
        let sections = self.tables().into_iter().flat_map(|table| {
            let head = [String::new(), table.title.to_owned()];
            head.into_iter().chain(output::columns(&table.names, &table.rows))
        });
        sections.collect()
    }

    /// `summary.md`.
    pub fn markdown(&self) -> String {
        let facts = self.facts.iter().map(|(name, value)| format!("- {name}: {}\n", escaped(value)));
        let tables = self.tables().into_iter().map(|table| table.markdown());
        let parts =
            [format!("# millrace: {}\n\n", escaped(&self.run))].into_iter().chain(facts).chain(tables);
        parts.collect()
    }
}

impl Table {
    fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let head = line(self.names.iter().map(|name| (*name).to_owned()).collect());
        let rule = line(self.names.iter().map(|_| "---".to_owned()).collect());
        let body: String =
            self.rows.iter().map(|row| line(row.iter().map(|cell| escaped(cell)).collect())).collect();
        format!("\n## {}\n\n{head}{rule}{body}", self.title)
    }
}

/// Text that Markdown shows as it is.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' => safe.push(' '),
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' => safe.extend(['\\', character]),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_shows_names_as_they_are() {
        let table = Table { title: "T", names: vec!["a"], rows: vec![vec!["x|y_z<script>\n".into()]] };
        assert_eq!(table.markdown(), "\n## T\n\n| a |\n| --- |\n| x\\|y\\_z&lt;script>  |\n");
    }
}
