//! Answers to the queries with validation parameters, and how a result is compared with them.

use super::Kit;
use flate2::read::GzDecoder;
use std::io::Read;

/// The answers to the queries of a benchmark.
pub struct Answers {
    /// The scale factors there are answers for, each with a compressed file.
    pub files: &'static [(f64, &'static [u8])],
    /// How far a value may be from the answer's.
    pub rule: fn(query: usize, statement: usize, column: usize) -> Rule,
}

/// The answer to a statement: names of its columns, and its rows. An empty value stands for null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The query, counted from 1.
    pub query: usize,
    /// The statement of the query, counted from 0.
    pub statement: usize,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, in the query's order.
    pub rows: Vec<Vec<String>>,
}

/// How far a value may be from the published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A value of a column, or a count: equal.
    Exact,
    /// A sum: within 100.
    Sum,
    /// A ratio or an average: rounded to hundredths, within 1%.
    Ratio,
    /// A ratio of sums: both.
    SumAndRatio,
    /// An average, a ratio or a deviation: within a billionth. DuckDB has floating-point numbers for these,
    /// PostgreSQL decimals of 16 digits or more.
    Quotient,
    /// One that the query rounds to hundredths: within one, since half a hundredth may go either way.
    Hundredths,
}

impl Rule {
    fn accepts(self, found: &str, expected: &str) -> bool {
        // A number may be printed with more zeros; a char(n) has blanks after it.
        let (found, expected) = (found.trim_end(), expected.trim_end());
        let numbers = || Some((found.parse::<f64>().ok()?, expected.parse::<f64>().ok()?));
        let is =
            |near: fn(f64, f64) -> bool| numbers().is_some_and(|(found, expected)| near(found, expected));
        found == expected
            || match self {
                Rule::Exact => is(|found, expected| found == expected),
                Rule::Sum => is(within_100),
                Rule::Ratio => is(within_a_percent),
                Rule::SumAndRatio => {
                    is(|found, expected| within_100(found, expected) && within_a_percent(found, expected))
                }
                Rule::Quotient => {
                    is(|found, expected| (found - expected).abs() <= 1e-9 * found.abs().max(expected.abs()))
                }
                // A hundredth, plus the error of a decimal fraction in binary.
                Rule::Hundredths => is(|found, expected| (found - expected).abs() <= 0.010_000_1),
            }
    }
}

fn within_100(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 100.0
}

fn within_a_percent(found: f64, expected: f64) -> bool {
    let hundredths = |value: f64| (value * 100.0).round() / 100.0;
    // The published value may be rounded, or have more digits than that.
    let (found, expected) = (hundredths(found), hundredths(expected));
    (found - expected).abs() <= 0.01 * expected.abs()
}

impl Kit {
    /// The answers to all statements of all queries at a scale factor, in order; none if none are known.
    pub fn answers(&self, sf: f64) -> Option<Vec<Answer>> {
        // Scale factors come as decimals, so the same decimal is the same number.
        let (_, file) = self.answers.files.iter().find(|(scale, _)| *scale == sf)?;
        let mut text = String::new();
        GzDecoder::new(*file).read_to_string(&mut text).expect("the files are whole: a test reads them");
        let values = |line: &str| line.split('|').map(str::to_owned).collect::<Vec<_>>();
        let statements = (1..=self.query_count())
            .flat_map(|query| (0..self.statement_count(query)).map(move |n| (query, n)));
        let mut statements = statements.into_iter();
        let mut answers: Vec<Answer> = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.starts_with('#') {
                let (query, statement) = statements.next()?;
                let columns = lines.next().map(values).unwrap_or_default();
                answers.push(Answer { query, statement, columns, rows: Vec::new() });
            } else if let Some(answer) = answers.last_mut() {
                answer.rows.push(values(line));
            }
        }
        Some(answers)
    }

    /// The first difference between a statement's result and its answer, in words; none if the result passes.
    pub fn first_difference(&self, answer: &Answer, found: &[Vec<Option<String>>]) -> Option<String> {
        if found.len() != answer.rows.len() {
            return Some(format!("{} rows, expected {}", found.len(), answer.rows.len()));
        }
        for (number, (row, expected_row)) in found.iter().zip(&answer.rows).enumerate() {
            if row.len() != expected_row.len() {
                return Some(format!("{} columns, expected {}", row.len(), expected_row.len()));
            }
            for (column, (value, expected)) in row.iter().zip(expected_row).enumerate() {
                let found = value.as_deref().unwrap_or_default();
                if !(self.answers.rule)(answer.query, answer.statement, column).accepts(found, expected) {
                    let name = &answer.columns[column];
                    return Some(format!("row {}, column {name}: {found}, expected {expected}", number + 1));
                }
            }
        }
        None
    }

    /// As [`Kit::first_difference`], for a database that sorts texts otherwise than C: both sides are sorted the same way
    /// first.
    pub fn first_difference_in_c_order(
        &self,
        answer: &Answer,
        mut found: Vec<Vec<Option<String>>>,
    ) -> Option<String> {
        // By the text columns first, since numbers may differ in their last digits.
        let is_number = |text: &str| text.trim().parse::<f64>().is_ok();
        let texts: Vec<usize> = (0..answer.columns.len())
            .filter(|&column| answer.rows.first().is_some_and(|row| !is_number(&row[column])))
            .collect();
        let mut expected = answer.clone();
        expected.rows.sort_by(|one, other| {
            let key = |row: &[String]| {
                texts.iter().map(|&column| row[column].trim_end().to_owned()).collect::<Vec<_>>()
            };
            key(one).cmp(&key(other))
        });
        found.sort_by(|one, other| {
            let text = |row: &[Option<String>], column: usize| {
                row.get(column).and_then(|value| value.as_deref()).unwrap_or_default().trim_end().to_owned()
            };
            let key =
                |row: &[Option<String>]| texts.iter().map(|&column| text(row, column)).collect::<Vec<_>>();
            key(one).cmp(&key(other))
        });
        self.first_difference(&expected, &found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kit, tpch};

    fn found(answer: &Answer) -> Vec<Vec<Option<String>>> {
        answer.rows.iter().map(|row| row.iter().cloned().map(Some).collect()).collect()
    }

    #[test]
    fn there_are_answers_to_every_statement_and_each_passes_for_itself() {
        for kit in kit::all() {
            for (sf, _) in kit.answers.files {
                let answers = kit.answers(*sf).unwrap();
                let statements =
                    (1..=kit.query_count()).map(|query| kit.statement_count(query)).sum::<usize>();
                assert_eq!(answers.len(), statements, "{} {sf}", kit.title);
                for answer in &answers {
                    assert_eq!(kit.first_difference(answer, &found(answer)), None);
                }
            }
            assert_eq!(kit.answers(2.0), None);
        }
        // The specification prints this of query 1.
        assert_eq!(tpch::KIT.answers(1.0).unwrap()[0].rows[0][..3], ["A", "F", "37734107.00"]);
    }

    #[test]
    fn a_difference_is_named() {
        let kit = &tpch::KIT;
        let answers = kit.answers(1.0).unwrap();
        let changed = |query: usize, row: usize, column: usize, value: Option<&str>| {
            let mut rows = found(&answers[query - 1]);
            rows[row][column] = value.map(str::to_owned);
            kit.first_difference(&answers[query - 1], &rows)
        };
        // A sum of money and an average have a tolerance, a count has none.
        assert_eq!(changed(1, 0, 2, Some("37734207.00")), None);
        assert!(
            changed(1, 0, 2, Some("37734208.00")).unwrap().contains("row 1, column sum_qty: 37734208.00")
        );
        assert_eq!(changed(1, 0, 6, Some("25.7")), None);
        assert!(changed(1, 0, 6, Some("26.7")).is_some());
        assert!(changed(1, 0, 9, Some("1478494")).is_some());
        assert!(changed(6, 0, 0, None).is_some());
        assert_eq!(changed(2, 0, 2, Some("UNITED KINGDOM           ")), None);
        assert!(Rule::Quotient.accepts("0.33333333333333333333", "0.3333333333333333"));
        assert!(!Rule::Quotient.accepts("0.3333333", "0.3333334") && !Rule::Quotient.accepts("1", ""));
        assert!(Rule::Hundredths.accepts("1.13", "1.12") && !Rule::Hundredths.accepts("1.14", "1.12"));
        let rows = found(&answers[3]);
        assert_eq!(kit.first_difference(&answers[3], &rows[1..]).unwrap(), "4 rows, expected 5");
    }
}
