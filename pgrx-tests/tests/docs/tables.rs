//! Tables in an output, read cell by cell.

use crate::masks::ELLIPSIS;

/// A table with a line of dashes below its head: psql's, or the client's, which has spaces between columns.
pub struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// How many lines it takes.
    pub lines: usize,
}

impl Table {
    /// The one that begins with the first of these lines, if one does.
    pub fn at(lines: &[&str]) -> Option<Self> {
        let rule = *lines.get(1).filter(|line| is_rule(line))?;
        let is_psql = !rule.contains(' ');
        let cells = |line: &str| if is_psql { by_bars(line) } else { by_place(line, rule) };
        // After dots another table may begin, or something else.
        let next = lines[2..].iter().skip(1).chain([&""]);
        let rows = lines[2..].iter().zip(next).take_while(|(line, next)| {
            let ends = line.is_empty() || line.starts_with('(') || is_rule(next);
            !ends && (is_psql || fits(line, rule))
        });
        let rows: Vec<Vec<String>> = rows.map(|(line, _)| cells(line)).collect();
        Some(Self { head: cells(lines[0]), lines: rows.len() + 2, rows })
    }
}

fn is_rule(line: &str) -> bool {
    line.starts_with("--") && line.chars().all(|c| matches!(c, '-' | '+' | ' '))
}

fn by_bars(line: &str) -> Vec<String> {
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// Whether a line has spaces between its columns.
fn fits(line: &str, rule: &str) -> bool {
    line == ELLIPSIS
        || line.chars().zip(rule.chars()).all(|(character, rule)| rule == '-' || character == ' ')
}

/// Columns are as wide as their dashes.
fn by_place(line: &str, rule: &str) -> Vec<String> {
    if line == ELLIPSIS {
        return vec![line.to_owned()];
    }
    let characters: Vec<char> = line.chars().collect();
    let mut from = 0;
    let mut cells = Vec::new();
    for dashes in rule.split("  ") {
        let to = from + dashes.len();
        let cell = characters.get(from..to.min(characters.len())).unwrap_or_default();
        cells.push(cell.iter().collect::<String>().trim().to_owned());
        from = to + 2;
    }
    cells
}
