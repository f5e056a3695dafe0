//! The published answers to the 22 queries with validation parameters, and how a result is compared with
//! them.
//!
//! `benches/tpch_answers.py` wrote the files: what DuckDB's own texts of the queries give on dbgen's data. At
//! scale factor 1 these are the answers that the TPC publishes.

use super::queries::COUNT;
use flate2::read::GzDecoder;
use std::io::Read;

/// The scale factors there are answers for.
pub const SCALES: [f64; 3] = [0.01, 0.1, 1.0];

static FILES: [&[u8]; SCALES.len()] =
    [include_bytes!("answers/0.01.gz"), include_bytes!("answers/0.1.gz"), include_bytes!("answers/1.gz")];

/// The answer to a query: names of its columns, and its rows. An empty value stands for null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, in the query's order.
    pub rows: Vec<Vec<String>>,
}

/// The answers to all queries at a scale factor, the first one that of query 1; none if none are published.
pub fn all(sf: f64) -> Option<Vec<Answer>> {
    // Scale factors come as decimals, so the same decimal is the same number.
    let file = FILES[SCALES.iter().position(|&scale| scale == sf)?];
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).expect("the files are whole: a test reads them");
    let values = |line: &str| line.split('|').map(str::to_owned).collect::<Vec<_>>();
    let mut answers: Vec<Answer> = Vec::with_capacity(COUNT);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with('#') {
            let columns = lines.next().map(values).unwrap_or_default();
            answers.push(Answer { columns, rows: Vec::new() });
        } else if let Some(answer) = answers.last_mut() {
            answer.rows.push(values(line));
        }
    }
    Some(answers)
}

/// How far a value may be from the published one (specification, clause 2.1.3.5).
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// A value of a column, or a count: equal.
    Exact,
    /// A sum: within 100.
    Sum,
    /// A ratio or an average: rounded to hundredths, within 1%.
    Ratio,
    /// A ratio of sums: both.
    SumAndRatio,
}

impl Rule {
    /// The rule for a column of a query's result, counted from 0.
    fn of(query: usize, column: usize) -> Self {
        match (query, column) {
            (1, 2..=5) | (3 | 5, 1) | (6, 0) | (7, 3) | (9, 2) | (10, 2) | (11, 1) => Rule::Sum,
            (15, 4) | (18, 5) | (19, 0) | (22, 2) => Rule::Sum,
            (1, 6..=8) => Rule::Ratio,
            (8, 1) | (14 | 17, 0) => Rule::SumAndRatio,
            _ => Rule::Exact,
        }
    }

    fn accepts(self, found: &str, expected: &str) -> bool {
        // What is not printed in full may be printed with more zeros; a char(n) has blanks after it.
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

/// The first difference between a query's result and its answer, in words; none if the result passes.
/// A null is none.
pub fn first_difference(query: usize, answer: &Answer, found: &[Vec<Option<String>>]) -> Option<String> {
    if found.len() != answer.rows.len() {
        return Some(format!("{} rows, expected {}", found.len(), answer.rows.len()));
    }
    for (number, (row, expected_row)) in found.iter().zip(&answer.rows).enumerate() {
        if row.len() != expected_row.len() {
            return Some(format!("{} columns, expected {}", row.len(), expected_row.len()));
        }
        for (column, (value, expected)) in row.iter().zip(expected_row).enumerate() {
            let found = value.as_deref().unwrap_or_default();
            if !Rule::of(query, column).accepts(found, expected) {
                let name = &answer.columns[column];
                return Some(format!("row {}, column {name}: {found}, expected {expected}", number + 1));
            }
        }
    }
    None
}

/// As [`first_difference`], of rows that a database has put in another order of texts than C's: both are compared in the
/// same order.
pub fn first_difference_in_c_order(
    query: usize,
    answer: &Answer,
    mut found: Vec<Vec<Option<String>>>,
) -> Option<String> {
    // By the columns that are texts first, since numbers may differ in their last digits.
    let is_number = |text: &str| text.trim().parse::<f64>().is_ok();
    let texts: Vec<usize> = (0..answer.columns.len())
        .filter(|&column| answer.rows.first().is_some_and(|row| !is_number(&row[column])))
        .collect();
    let mut expected = Answer { columns: answer.columns.clone(), rows: answer.rows.clone() };
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
        let key = |row: &[Option<String>]| texts.iter().map(|&column| text(row, column)).collect::<Vec<_>>();
        key(one).cmp(&key(other))
    });
    first_difference(query, &expected, &found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(answer: &Answer) -> Vec<Vec<Option<String>>> {
        answer.rows.iter().map(|row| row.iter().cloned().map(Some).collect()).collect()
    }

    #[test]
    fn there_are_answers_to_every_query_and_each_passes_for_itself() {
        for sf in SCALES {
            let answers = all(sf).unwrap();
            assert_eq!(answers.len(), COUNT);
            for (index, answer) in answers.iter().enumerate() {
                assert!(!answer.rows.is_empty(), "query {}", index + 1);
                assert_eq!(first_difference(index + 1, answer, &found(answer)), None);
            }
        }
        assert_eq!(all(2.0), None);
        // The specification prints this of query 1.
        assert_eq!(all(1.0).unwrap()[0].rows[0][..3], ["A", "F", "37734107.00"]);
    }

    #[test]
    fn a_difference_is_named() {
        let answers = all(1.0).unwrap();
        let changed = |query: usize, row: usize, column: usize, value: Option<&str>| {
            let mut rows = found(&answers[query - 1]);
            rows[row][column] = value.map(str::to_owned);
            first_difference(query, &answers[query - 1], &rows)
        };
        // A sum of money and an average have room, a count has none.
        assert_eq!(changed(1, 0, 2, Some("37734207.00")), None);
        assert!(
            changed(1, 0, 2, Some("37734208.00")).unwrap().contains("row 1, column sum_qty: 37734208.00")
        );
        assert_eq!(changed(1, 0, 6, Some("25.7")), None);
        assert!(changed(1, 0, 6, Some("26.7")).is_some());
        assert!(changed(1, 0, 9, Some("1478494")).is_some());
        assert!(changed(6, 0, 0, None).is_some());
        assert_eq!(changed(2, 0, 2, Some("UNITED KINGDOM           ")), None);
        let rows = found(&answers[3]);
        assert_eq!(first_difference(4, &answers[3], &rows[1..]).unwrap(), "4 rows, expected 5");
    }
}
