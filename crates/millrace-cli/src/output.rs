//! What goes to standard output (results) and to standard error (everything else).

use crate::error::{Error, Result};
use crate::interrupt;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How often to check whether the user wants to stop.
const TICK: Duration = Duration::from_millis(100);

/// Writes a line of the result. Fails where nobody reads it.
pub fn print(line: &str) -> Result<()> {
    writeln!(io::stdout().lock(), "{line}").map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Error::Closed,
        _ => Error::File { what: "standard output".to_owned(), source: error },
    })
}

/// Tells the user something that is not part of the result; dropped if nobody reads it.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Fails if the user has not confirmed and cannot be asked.
pub fn require_leave(given: bool) -> Result<()> {
    match given || (io::stdin().is_terminal() && io::stderr().is_terminal()) {
        true => Ok(()),
        false => Err(Error::usage(
            "there is no terminal to ask for confirmation on",
            "Confirm in advance with --yes.",
        )),
    }
}

/// Asks a question that is answered by y or n.
pub fn confirm(question: &str) -> Result<bool> {
    require_leave(false)?;
    let _ = write!(io::stderr().lock(), "{question} [y/N] ");
    let (answered, answers) = mpsc::channel();
    // Ctrl-C does not end the reading, so a thread reads that ends with the program.
    thread::spawn(move || {
        let mut answer = String::new();
        answered.send(io::stdin().read_line(&mut answer).map(|_| answer))
    });
    loop {
        match answers.recv_timeout(TICK) {
            Ok(answer) => {
                let answer = answer.map_err(Error::file("standard input"))?;
                return Ok(matches!(answer.trim(), "y" | "Y" | "yes"));
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
            Err(RecvTimeoutError::Timeout) => interrupt::check().inspect_err(|_| note(""))?,
        }
    }
}

/// Rows of text in columns under their names; numbers to the right.
pub fn columns(names: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let cells = |column: usize| rows.iter().map(move |row| row[column].as_str());
    let width = |column: usize| {
        cells(column).chain([names[column]]).map(|text| text.chars().count()).max().unwrap_or_default()
    };
    let is_number =
        |text: &str| text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let layout: Vec<(usize, bool)> =
        (0..names.len()).map(|column| (width(column), cells(column).all(is_number))).collect();
    let line = |texts: Vec<&str>| {
        let padded = texts.iter().zip(&layout).map(|(text, &(width, right))| {
            if right { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = line(names.to_vec());
    let rule = layout.iter().map(|(width, _)| "-".repeat(*width)).collect::<Vec<_>>().join("  ");
    let body = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    [head, rule].into_iter().chain(body).collect()
}

/// A number with its digits in groups of three.
pub fn grouped(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", millrace_progress::grouped(number.unsigned_abs()))
}

/// This command as a shell would take it.
pub fn command_line() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=@%+".contains(c);
    let quoted = |word: String| match !word.is_empty() && word.chars().all(plain) {
        true => word,
        false => format!("'{}'", word.replace('\'', r"'\''")),
    };
    std::env::args().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1000, -1234567, i64::MIN].map(grouped),
            ["0", "999", "1,000", "-1,234,567", "-9,223,372,036,854,775,808"]
        );
    }

    #[test]
    fn numbers_stand_to_the_right() {
        let rows = [vec!["heap".into(), "1,000".into()], vec!["b".into(), "7".into()]];
        assert_eq!(
            columns(&["name", "n"], &rows),
            ["name      n", "----  -----", "heap  1,000", "b         7"]
        );
    }
}
