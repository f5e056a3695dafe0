//! Rules for the text of the project's SQL; no server is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Words that are reserved on Apache Cloudberry or Greenplum but not in PostgreSQL 14, each with the words that follow it when
/// it is part of a statement. From `kwlist.h` of both servers; the last is reserved from PostgreSQL 16 on, which Cloudberry's
/// next major version is based on.
const RESERVED: [(&str, &[&str]); 8] = [
    ("ao_aux_only", &[]),
    ("decode", &[]),
    ("directory", &["table"]),
    ("distributed", &["by", "randomly", "replicated"]),
    ("exclude", &["current", "group", "no", "ties", "using"]),
    ("partition", &["by", "of"]),
    ("scatter", &["by", "randomly"]),
    ("system_user", &[]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files below a folder whose names end so.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

/// The words of a text of SQL that are neither in comments nor quoted, in lower case; with its dot if it follows one.
/// Bodies of functions are SQL, too.
fn words(sql: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            '.' | '_' | 'a'..='z' | 'A'..='Z' => {
                let end = rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let word = &rest[..end.map_or(rest.len(), |end| end + 1)];
                words.push(word.to_ascii_lowercase());
                word.len()
            }
            other => other.len_utf8(),
        };
        rest = &rest[length..];
    }
    words
}

/// The reserved words that stand in a text of SQL as names.
fn reserved_names(sql: &str) -> Vec<String> {
    let words = words(sql);
    let followers = words.iter().skip(1).map(String::as_str).chain([""]);
    let is_name = |(word, next): &(&String, &str)| {
        RESERVED.iter().any(|(reserved, syntax)| word == reserved && !syntax.contains(next))
    };
    words.iter().zip(followers).filter(is_name).map(|(word, _)| word.clone()).collect()
}

/// The text of a document's blocks of SQL.
fn sql_of_document(document: &str) -> String {
    let mut inside = false;
    let mut sql = String::new();
    for line in document.lines() {
        match line.trim() {
            fence if fence.starts_with("```") => inside = fence.starts_with("```sql"),
            _ if inside => sql.extend([line, "\n"]),
            _ => {}
        }
    }
    sql
}

#[test]
fn names_are_none_that_cloudberry_reserves() {
    let scripts = [files(&root().join("sql"), "sql"), files(&root().join("release/upgrade"), "sql")].concat();
    let documents = [files(&root().join("docs"), "md"), vec![root().join("README.md")]].concat();
    assert!(scripts.len() > 20 && documents.len() > 2, "{scripts:?} {documents:?}");
    for path in scripts {
        let names = reserved_names(&fs::read_to_string(&path).unwrap());
        assert!(names.is_empty(), "{}: {names:?}", path.display());
    }
    for path in documents {
        let names = reserved_names(&sql_of_document(&fs::read_to_string(&path).unwrap()));
        assert!(names.is_empty(), "{}: {names:?}", path.display());
    }
}

#[test]
fn reserved_words_are_found_where_they_are_names() {
    for (sql, found) in [
        ("CREATE FUNCTION f(n int, partition boolean)", "partition"),
        ("CALL tpch_load(1, Partition => true)", "partition"),
        ("SELECT n AS exclude FROM t decode", "exclude decode"),
        ("DO $$ DECLARE directory text; BEGIN END $$", "directory"),
        ("SELECT rank() OVER (PARTITION BY n) FROM t -- partition", ""),
        ("CREATE TABLE p PARTITION OF t DEFAULT; ALTER TABLE t SET DISTRIBUTED REPLICATED", ""),
        ("SELECT \"partition\", t.scatter, 'it''s decode', partitioned FROM t", ""),
    ] {
        assert_eq!(reserved_names(sql).join(" "), found, "{sql}");
    }
    assert_eq!(sql_of_document("decode\n```sql\nA\n```\n```\nB\n```\n```sql no-run\nC\n```\n"), "A\nC\n");
}

#[test]
fn scripts_are_ascii() {
    for path in [files(&root().join("sql"), "sql"), files(&root().join("release"), "sql")].concat() {
        let text = fs::read(&path).unwrap();
        let other = text.split(|byte| *byte == b'\n').position(|line| !line.is_ascii());
        assert_eq!(other, None, "{}, line counted from 0", path.display());
    }
}

#[test]
fn the_upgrade_script_is_current() {
    let check = Command::new(root().join("scripts/upgrade-script")).arg("--check").output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}
