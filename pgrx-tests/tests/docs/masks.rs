//! The parts of an output that vary, by name; everything else is compared as it is.
//!
//! Tables are read cell by cell, so their widths do not count.

use crate::tables::Table;
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// Columns of psql's tables and of the client's whose values depend on the machine: times, and what follows from them. Nulls
/// are compared.
const TIMES: &str = "
    seconds, generate_seconds, insert_seconds, commit_seconds, analyze_seconds, after_load_seconds, milliseconds, ms, generate_ms,
    insert_ms, commit_ms, eta, rows_per_second, rows_per_second_min, rows_per_second_p50, rows_per_second_p95, rows_per_second_max,
    insert_rows_per_second, ratio, loaded,
    p50_ms, p99_ms, max_ms, fresh_p50_ms, backlog_rows, backlog_rows_max, sustained, checkpoints, lock_waits,
    rows/s, min, p50, p95, max, insert rows/s, earlier s, s, earlier rows/s, earlier warm ms, warm ms, cold ms";

/// The same for sizes: they differ from version to version of the server, and with how tables grow.
const SIZES: &str = "wal_bytes, wal_bytes_per_row, bytes_per_row, size_bytes, size";

/// Columns that the machine may also leave empty.
const ALSO_NULLS: &str = "times as fast, spread, change";

/// In rows that begin with a name, such as that of a gate: what depends on speed and size.
const IN_ROWS: &[(&str, &[&str])] = &[
    ("throughput", &["figure", "pass"]),
    ("index overhead", &["figure", "pass"]),
    ("compression", &["figure", "bound"]),
    ("size", &["figure"]),
    ("Power@0.01", &["value"]),
];

/// Wherever they are outside tables.
static PATTERNS: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
    let patterns = [
        (r"\d[\d,.]* (ms|s|min)\b", "TIME"),
        (r"\d[\d,.]* rows/s", "SPEED"),
        (r"^(None|\d+) of \d+ figures differs? from the earlier .*", "VERDICT"),
    ];
    patterns.map(|(pattern, name)| (Regex::new(pattern).unwrap(), name))
});

/// Lines that appear or not, depending on how fast the machine is: progress, and steps of a load that take long.
static PROGRESS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[\d,]+ of [\d,]+ rows \(\d+\.\d%\)|^NOTICE:  (primary key|index|foreign key|statistics) .*: [\d.]+ s$").unwrap()
});

/// In a document, stands for any number of lines.
pub const ELLIPSIS: &str = "…";

/// An output as it is compared, line by line.
pub fn masked(output: &str) -> Vec<String> {
    let lines: Vec<&str> =
        output.lines().map(str::trim_end).filter(|line| !PROGRESS.is_match(line)).collect();
    let mut masked = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        match Table::at(&lines[at..]) {
            Some(table) => {
                masked.push(table.head.join("|"));
                masked.extend(table.rows.iter().map(|cells| row(&table.head, cells)));
                at += table.lines;
            }
            None => {
                masked.push(record(lines[at]).unwrap_or_else(|| plain(lines[at])));
                at += 1;
            }
        }
    }
    masked.dedup_by(|next, line| next.is_empty() && line.is_empty());
    let end = masked.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    masked.truncate(end);
    masked
}

fn plain(line: &str) -> String {
    PATTERNS
        .iter()
        .fold(line.to_owned(), |line, (pattern, name)| pattern.replace_all(&line, *name).into_owned())
}

/// A value as it is compared. `first` is the first of its row.
fn cell(column: &str, first: &str, value: &str) -> String {
    let in_row = IN_ROWS.iter().any(|(name, columns)| *name == first && columns.contains(&column));
    let among = |names: &str| names.split(',').any(|name| name.trim() == column);
    let varies = among(TIMES) || among(SIZES) || in_row;
    let varies = varies && !value.is_empty() || among(ALSO_NULLS);
    if varies { "*".to_owned() } else { value.to_owned() }
}

/// A line of psql's expanded output, or the one before such lines.
fn record(line: &str) -> Option<String> {
    static LINE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(\w+) +\| ?(.*)$").unwrap());
    static HEAD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^(-\[ RECORD \d+ \])[-+]*$").unwrap());
    let value = |found: Captures| format!("{}|{}", &found[1], cell(&found[1], "", &found[2]));
    LINE.captures(line).map(value).or_else(|| HEAD.captures(line).map(|found| found[1].to_owned()))
}

/// A table's row as it is compared. What has other columns than the head is no row of it.
fn row(head: &[String], row: &[String]) -> String {
    if row.len() != head.len() {
        return row.join("|").trim_end_matches('|').to_owned();
    }
    let cells = head.iter().zip(row).map(|(name, value)| cell(name, &row[0], value));
    cells.collect::<Vec<_>>().join("|")
}

/// Whether a document's output is what was printed. A line of dots stands for any number of lines.
pub fn agree(documented: &str, printed: &str) -> bool {
    let (documented, printed) = (masked(documented), masked(printed));
    let parts: Vec<&[String]> = documented.split(|line| line == ELLIPSIS).collect();
    let [head, between @ .., tail] = parts.as_slice() else { return documented == printed };
    let Some(rest) = printed.strip_prefix(*head).and_then(|rest| rest.strip_suffix(*tail)) else {
        return false;
    };
    // Each part is searched for after the one before it.
    let behind = |rest: &'_ [String], part: &[String]| {
        (0..=rest.len()).find(|at| rest[*at..].starts_with(part)).map(|at| at + part.len())
    };
    let end = between.iter().try_fold(0, |from, part| Some(from + behind(&rest[from..], part)?));
    end.is_some()
}

/// What was printed, for a document: without progress, and shortened like the output there now, if that is shortened in one
/// place.
pub fn for_document(documented: &str, printed: &str) -> String {
    let mut lines: Vec<&str> =
        printed.lines().map(str::trim_end).filter(|line| !PROGRESS.is_match(line)).collect();
    lines.dedup_by(|next, line| next.is_empty() && line.is_empty());
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let now: Vec<&str> = documented.lines().collect();
    if let [head, tail] = now.split(|line| line.trim() == ELLIPSIS).collect::<Vec<_>>()[..]
        && lines.len() > head.len() + tail.len()
    {
        lines.splice(head.len()..lines.len() - tail.len(), [ELLIPSIS]);
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PSQL: &str = " run | seconds | eta\n-----+---------+-----\n a   |    1.25 |\n(1 row)\n";

    #[test]
    fn columns_are_masked_by_name_and_nulls_are_seen() {
        assert_eq!(masked(PSQL), ["run|seconds|eta", "a|*|", "(1 row)"]);
        assert!(agree(PSQL, &PSQL.replace("1.25 ", "131.5 ").replace("-+", "---+")));
        assert!(!agree(PSQL, &PSQL.replace(" a ", " b ")));
        assert!(!agree(PSQL, &PSQL.replace("1.25", "    ")));
    }

    #[test]
    fn the_clients_tables_are_read_by_place() {
        let table = "table  rows  ms\n-----  ----  ---\nheap     10  1.5\nao\n";
        assert_eq!(masked(table), ["table|rows|ms", "heap|10|*", "ao||"]);
        assert!(!agree(table, &table.replace("10", "11")));
    }

    #[test]
    fn times_and_speeds_are_masked_in_sentences() {
        let done = "NOTICE:  run \"a\" done: 100 rows in 0.2 s, 5000 rows/s";
        assert_eq!(masked(done), ["NOTICE:  run \"a\" done: 100 rows in TIME, SPEED"]);
        let far = "NOTICE:  a: 20 of 100 rows (20.0%), 50 rows/s, ETA 00:00:01\n";
        assert!(agree(done, &format!("{far}{done}\n\n")) && !agree(done, &done.replace("100", "101")));
    }

    #[test]
    fn gates_on_speed_may_pass_or_not() {
        let gates = |fast: char, content: char| {
            format!("gate|pass\n---+---\nthroughput|{fast}\ncontent|{content}\n(2 rows)\n")
        };
        assert!(agree(&gates('t', 't'), &gates('f', 't')) && !agree(&gates('t', 't'), &gates('t', 'f')));
    }

    #[test]
    fn records_are_masked_by_name() {
        let record = "-[ RECORD 1 ]---+---\nrows            | 10\nrows_per_second | 77\n";
        assert_eq!(masked(record), ["-[ RECORD 1 ]", "rows|10", "rows_per_second|*"]);
    }

    #[test]
    fn another_table_may_begin_behind_dots() {
        let [first, second] = [" a\n---\n 1\n 2\n(2 rows)\n\n", " ms\n----\n  7\n(1 row)\n"];
        let documented = " a\n---\n 1\n…\n ms\n----\n  9\n(1 row)\n";
        assert!(agree(documented, &[first, second].concat()));
    }

    #[test]
    fn a_line_across_columns_ends_a_table() {
        let documented = "name  ms\n----  --\na      7\n…\nreport.html\n";
        assert!(agree(documented, "name  ms\n----  --\na      8\nb      9\n\nreport.html\n"));
    }

    #[test]
    fn dots_stand_for_lines() {
        assert!(agree("a\n…\nd\n", "a\nb\nc\nd\n") && agree("…\nd\n", "d\n"));
        assert!(!agree("a\n…\nd\n", "a\nb\n") && !agree("a\n…\na\n", "a\n"));
        assert!(agree("a\n…\nc\n…\n", "a\nb\nc\nd\n") && !agree("a\n…\nc\n…\nb\n", "a\nb\nc\nd\n"));
        assert_eq!(for_document("x\n…\ny\n", "a\nb \n\n\nc\nd\n\n"), "a\n…\nd\n");
    }
}
