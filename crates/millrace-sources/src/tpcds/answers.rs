//! The answers to the 99 queries, and how near a result must be.
//!
//! `benches/tpcds_answers.py` wrote the files: DuckDB's answers on dsdgen's rows to its own texts of the queries, or to ours
//! if it has none. Texts are sorted by bytes.

use crate::kit::answers::{Answers, Rule};

pub const ANSWERS: Answers = Answers {
    files: &[
        (0.01, include_bytes!("answers/0.01.gz")),
        (0.1, include_bytes!("answers/0.1.gz")),
        (1.0, include_bytes!("answers/1.gz")),
    ],
    rule,
};

fn rule(query: usize, _statement: usize, column: usize) -> Rule {
    match (query, column) {
        (2, 1..=7) | (78, 3) => Rule::Hundredths,
        (7 | 26, 1..=4) | (9, 0..=4) | (13, 0..=2) | (18, 4..=10) | (22, 4) | (27, 3..=6) => Rule::Quotient,
        (12 | 20 | 98, 6) | (36, 0) | (47, 6) | (49, 2) | (53 | 61 | 63, 2) | (57, 5) => Rule::Quotient,
        (17, 4..=6 | 8..=10 | 12..=14) | (28, 0 | 3 | 6 | 9 | 12 | 15) | (31, 2..=5) => Rule::Quotient,
        (35, 7 | 12 | 17) | (39, 3 | 4 | 8 | 9) | (58 | 83, 2 | 4 | 6 | 7) | (59, 3..=9) => Rule::Quotient,
        (66, 20..=31) | (85, 1..=3) | (89, 7) | (90, 0) => Rule::Quotient,
        _ => Rule::Exact,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tpcds::KIT;

    #[test]
    fn quotients_are_numbers_and_have_more_digits_than_sums() {
        for answer in KIT.answers(1.0).unwrap() {
            for column in 0..answer.columns.len() {
                if rule(answer.query, answer.statement, column) == Rule::Exact {
                    // DuckDB prints decimals with up to 4 digits after the point; other numbers are floating-point.
                    let digits = |row: &Vec<String>| match row[column].parse::<f64>() {
                        Ok(_) => row[column].split_once('.').map_or(0, |(_, digits)| digits.len()),
                        Err(_) => 0,
                    };
                    let most = answer.rows.iter().map(digits).max().unwrap_or(0);
                    assert!(most <= 4, "query {}, column {column} has {most} digits", answer.query);
                } else {
                    let number =
                        |row: &Vec<String>| row[column].is_empty() || row[column].parse::<f64>().is_ok();
                    assert!(answer.rows.iter().all(number), "query {}, column {column}", answer.query);
                }
            }
        }
    }
}
