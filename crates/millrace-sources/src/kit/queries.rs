//! The queries of a benchmark: their texts, their parameters and the orders in which streams run them.
//!
//! The texts are the specifications' functional definitions in PostgreSQL's SQL, with names in brackets where a parameter
//! or a table goes. A few queries are two statements, with a semicolon on a line of its own between them.

use super::Kit;
use crate::Error;
use std::ops::RangeInclusive;

/// Parameters of a query: name and value.
pub type Parameters = Vec<(String, String)>;

/// The queries of a benchmark, numbered from 1.
pub struct Queries {
    /// Their texts.
    pub texts: &'static [&'static str],
    /// Decorrelated texts of those queries whose subqueries would run once for each row of another table.
    pub decorrelated: &'static [(usize, &'static str)],
    /// The parameters of a query.
    pub parameters: fn(query: usize, choice: Choice) -> Parameters,
    /// The seeds there are.
    pub seeds: RangeInclusive<i64>,
    /// The order in which a stream, counted from 0, runs the queries.
    pub order: fn(stream: usize) -> Vec<usize>,
}

/// Where parameters come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Choice {
    /// The specification's values for validation.
    Validation,
    /// Drawn.
    Drawn {
        /// One of the benchmark's seeds.
        seed: i64,
        /// The scale factor, which some parameters depend on.
        sf: f64,
    },
}

/// A text without the lines after its title that describe its parameters.
fn without_head(text: &str) -> String {
    let is_parameter = |(number, line): &(usize, &str)| *number > 0 && line.starts_with("-- ");
    let lines: Vec<&str> = text
        .trim_end()
        .lines()
        .enumerate()
        .filter(|line| !is_parameter(line))
        .map(|(_, line)| line)
        .collect();
    lines.join("\n")
}

/// The statements of a query's text; a line that holds only a semicolon ends each but the last.
pub fn statements(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let statements = lines.split(|line| line.trim() == ";").map(|lines| lines.join("\n"));
    statements.filter(|statement| !statement.trim().is_empty()).collect()
}

impl Kit {
    /// How many queries there are.
    pub fn query_count(&self) -> usize {
        self.queries.texts.len()
    }

    /// Refuses numbers that no query has.
    pub fn check_query(&self, query: i64) -> Result<usize, Error> {
        match usize::try_from(query) {
            Ok(number) if (1..=self.query_count()).contains(&number) => Ok(number),
            _ => Err(Error::Query { title: self.title, query, count: self.query_count() }),
        }
    }

    /// How many statements a query is.
    pub fn statement_count(&self, query: usize) -> usize {
        statements(self.queries.texts[query - 1]).len()
    }

    /// The text of a query, ready to run: `table` gives each table's name as it is to be written.
    ///
    /// `decorrelated`: with joins or windows in place of a subquery that would run once for each row of another table. The
    /// result is the same, but the TPC has not approved the variant.
    pub fn text(
        &self,
        query: usize,
        choice: Choice,
        decorrelated: bool,
        table: impl Fn(&str) -> String,
    ) -> String {
        let rewritten = self.queries.decorrelated.iter().find(|(number, _)| decorrelated && *number == query);
        let text = without_head(rewritten.map_or(self.queries.texts[query - 1], |(_, text)| text));
        let parameters = (self.queries.parameters)(query, choice);
        fill(&text, |name| match parameters.iter().find(|(known, _)| known == name) {
            Some((_, value)) => value.clone(),
            None => table(name),
        })
    }
}

/// The text, with each name in brackets replaced.
fn fill(text: &str, value: impl Fn(&str) -> String) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, bracketed)) = rest.split_once('[') {
        let (name, after) = bracketed.split_once(']').unwrap_or((bracketed, ""));
        filled.push_str(before);
        filled.push_str(&value(name));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit;

    #[test]
    fn no_text_keeps_a_bracket_and_names_only_tables_and_parameters() {
        for kit in kit::all() {
            let is_table = |name: &str| kit.tables.iter().any(|table| table.name == name);
            for choice in [Choice::Validation, Choice::Drawn { seed: 7, sf: 1.0 }] {
                for query in 1..=kit.query_count() {
                    for decorrelated in [false, true] {
                        let text = kit.text(query, choice, decorrelated, |name| {
                            assert!(is_table(name), "{} {query}: {name}", kit.title);
                            name.to_owned()
                        });
                        assert!(!text.contains(['[', ']']), "{text}");
                        assert!(!text.trim_end().ends_with(';'), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_query_may_be_two_statements() {
        let two = "WITH a AS (SELECT ';\n;;')\nTABLE a\n;\nSELECT 2 -- ;\n";
        assert_eq!(statements(two), ["WITH a AS (SELECT ';\n;;')\nTABLE a", "SELECT 2 -- ;"]);
        assert_eq!(statements("SELECT 1\n  ; \n"), ["SELECT 1"]);
        assert_eq!(statements("SELECT 1"), ["SELECT 1"]);
    }

    #[test]
    fn each_query_has_all_its_parameters() {
        for kit in kit::all() {
            for query in 1..=kit.query_count() {
                for (name, _) in (kit.queries.parameters)(query, Choice::Validation) {
                    // Some queries do not use every value of a list.
                    let list = name.split('.').next().unwrap_or_default();
                    let text = kit.queries.texts[query - 1];
                    assert!(text.contains(&format!("[{list}")), "{} {query}: {name}", kit.title);
                }
            }
        }
    }

    #[test]
    fn every_stream_runs_every_query_once() {
        for kit in kit::all() {
            for stream in 0..=40 {
                let mut numbers = (kit.queries.order)(stream);
                numbers.sort_unstable();
                assert!(numbers.into_iter().eq(1..=kit.query_count()), "{} stream {stream}", kit.title);
            }
        }
    }

    #[test]
    fn queries_are_numbered_from_1() {
        for kit in kit::all() {
            for query in [i64::MIN, 0, kit.query_count() as i64 + 1] {
                assert!(matches!(kit.check_query(query), Err(Error::Query { .. })));
            }
        }
    }
}
