//! The published answers to the 22 queries, and how near a result must be (specification, clause 2.1.3.5).
//!
//! `benches/tpch_answers.py` wrote the files: DuckDB's answers on dbgen's data to its own texts of the queries. At scale
//! factor 1 they are the answers that the TPC publishes.

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
        (1, 2..=5) | (3 | 5, 1) | (6, 0) | (7, 3) | (9, 2) | (10, 2) | (11, 1) => Rule::Sum,
        (15, 4) | (18, 5) | (19, 0) | (22, 2) => Rule::Sum,
        (1, 6..=8) => Rule::Ratio,
        (8, 1) | (14 | 17, 0) => Rule::SumAndRatio,
        _ => Rule::Exact,
    }
}
