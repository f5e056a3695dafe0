//! docs/reference.md says what the catalog says, and lists all errors. `MILLRACE_WRITE_GOLDEN=1` has the test write it.

use millrace_tests::{Cluster, error_of};
use postgres::Client;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Functions of one kind that a user calls, with their arguments as one writes them. Argument `segments` is for the planner.
const FUNCTIONS: &str = "
    SELECT proname::text,
           format('%s%s(%s)%s', CASE prokind WHEN 'p' THEN 'CALL ' ELSE '' END, proname,
               regexp_replace(string_agg(regexp_replace(argument, '^IN |::[a-z ]+(\\[\\])?$', '', 'g'), ', ' ORDER BY place)
                   FILTER (WHERE argument !~ '^OUT ' AND argument !~ '^segments '), '\\s+', ' ', 'g'),
               CASE WHEN prokind = 'p' OR result ~ 'record$' THEN '' ELSE ' RETURNS ' || result END) AS signature,
           coalesce(string_agg(regexp_replace(argument, '^OUT ', ''), ', ' ORDER BY place) FILTER (WHERE argument ~ '^OUT '), ''),
           about
    FROM (
        SELECT p.oid, proname, prokind, pg_get_function_result(p.oid) AS result, obj_description(p.oid, 'pg_proc') AS about
        FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        WHERE pronamespace = 'public'::regnamespace AND (prokind = 'p') = $1
    ) f, regexp_split_to_table(pg_get_function_arguments(f.oid), ', (?=(?:IN |OUT )?(?:\"[a-z]+\"|[a-z_0-9]+) [a-z])')
         WITH ORDINALITY a (argument, place)
    GROUP BY f.oid, proname, prokind, result, about
    ORDER BY proname, f.oid";

const VIEWS: &str = "
    SELECT c.relname::text, obj_description(c.oid, 'pg_class'), a.attname::text, format_type(atttypid, atttypmod),
           coalesce(col_description(c.oid, attnum), '')
    FROM pg_class c
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
    JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'
    ORDER BY c.relname, attnum";

const SETTINGS: &str = "
    SELECT name, boot_val, short_desc, coalesce(extra_desc, '') FROM pg_settings WHERE name LIKE 'millrace.%' ORDER BY name";

fn functions(client: &mut Client, document: &mut String, are_procedures: bool) {
    for row in client.query(FUNCTIONS, &[&are_procedures]).unwrap() {
        let [name, signature, columns, about]: [String; 4] = std::array::from_fn(|place| row.get(place));
        write!(document, "### {name}\n\n```text\n{signature}\n```\n\n{about}.\n\n").unwrap();
        if !columns.is_empty() {
            write!(document, "Columns: {columns}.\n\n").unwrap();
        }
    }
}

fn views(client: &mut Client, document: &mut String) {
    let mut last = String::new();
    for row in client.query(VIEWS, &[]).unwrap() {
        let [view, about, column, kind, meaning]: [String; 5] = std::array::from_fn(|place| row.get(place));
        if view != last {
            let gap = if last.is_empty() { "" } else { "\n" };
            write!(document, "{gap}### {view}\n\n{about}.\n\n| column | type | |\n|---|---|---|\n").unwrap();
            last = view;
        }
        writeln!(document, "| {column} | {kind} | {meaning} |").unwrap();
    }
}

fn settings(client: &mut Client, document: &mut String) {
    document.push_str("| setting | default | |\n|---|---|---|\n");
    for row in client.query(SETTINGS, &[]).unwrap() {
        let [name, default, short, long]: [String; 4] = std::array::from_fn(|place| row.get(place));
        writeln!(document, "| `{name}` | {default} | {short} {long} |").unwrap();
    }
}

fn sources(client: &mut Client, document: &mut String) {
    let mut shown = String::new();
    for row in client.query("SELECT name, about, options FROM stream_sources()", &[]).unwrap() {
        let (name, about, options): (String, String, Vec<String>) = (row.get(0), row.get(1), row.get(2));
        let options = options.join("\n- ");
        write!(document, "**{name}**: {about}.").unwrap();
        // Sources of a family have the same.
        if options == shown || options.is_empty() {
            document.push_str("\n\n");
        } else {
            write!(document, "\n\n- {options}\n\n").unwrap();
        }
        shown = options;
    }
}

// Errors, from the source that raises them.

/// The text of an arm or attribute between two marks.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let text = &text[text.find(start).unwrap_or_else(|| panic!("no {start}")) + start.len()..];
    &text[..text.find(end).unwrap_or_else(|| panic!("no {end} after {start}"))]
}

/// The string literal that a text begins with, lines that it continues on joined, and what follows it.
fn literal(text: &str) -> (String, &str) {
    let mut escaped = false;
    let body = &text[1..];
    let end = body
        .find(|character| {
            let ends = character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
            ends
        })
        .unwrap();
    let lines: Vec<_> = body[..end].lines().map(|line| line.trim_start().trim_end_matches('\\')).collect();
    (lines.concat().replace("\\\"", "\""), &body[end + 1..])
}

/// Its values as dots.
fn without_values(message: &str) -> String {
    let mut text = String::new();
    let mut depth = 0;
    for character in message.chars() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                text.push_str("...");
            }
            _ if depth == 0 => text.push(character),
            _ => {}
        }
    }
    text
}

/// The variants that a pattern names.
fn variants(pattern: &str) -> Vec<String> {
    let named = pattern.split("Error::").skip(1);
    named.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric()).collect()).collect()
}

fn errors(client: &mut Client, document: &mut String) {
    let source = std::fs::read_to_string(Path::new(ROOT).join("src/error/mod.rs")).unwrap();
    let mut codes = BTreeMap::new();
    let arms: Vec<&str> = between(&source, "fn code(&self)", "fn detail(").split("=>").collect();
    for (pattern, code) in arms.iter().zip(&arms[1..]) {
        if let Some(code) = code.trim_start().strip_prefix("Code::ERRCODE_") {
            let condition = code.split(',').next().unwrap().to_lowercase();
            codes.extend(variants(pattern).into_iter().map(|variant| (variant, condition.clone())));
        }
    }
    let mut hints = BTreeMap::new();
    // A hint may have an arrow in it, too.
    let arms = between(&source, "fn plain_hint(", "_ => return None")
        .replace("=> {", "=> \u{1}")
        .replace("=> \"", "=> \u{1}\"");
    let arms: Vec<&str> = arms.split("=> \u{1}").collect();
    for (pattern, hint) in arms.iter().zip(&arms[1..]) {
        let hint = literal(&hint[hint.find('"').unwrap()..]).0;
        hints.extend(variants(pattern).into_iter().map(|variant| (variant, hint.clone())));
    }
    let mut lines = Vec::new();
    for attribute in between(&source, "pub enum Error {", "\n}\n").split("#[error(").skip(1) {
        if !attribute.trim_start().starts_with('"') {
            continue;
        }
        let (message, rest) = literal(attribute.trim_start());
        let declared = &rest[rest.find(")]").unwrap() + 2..];
        let variant: String = declared.trim_start().chars().take_while(|c| c.is_alphanumeric()).collect();
        let Some(condition) = codes.get(&variant).filter(|condition| *condition != "internal_error") else {
            continue;
        };
        let sqlstate = error_of(client, &format!("DO $$ BEGIN RAISE {condition}; END $$")).unwrap().0;
        let hint = hints.get(&variant).map(String::as_str).unwrap_or_default();
        lines.push(format!("| {sqlstate} | {} | {hint} |", without_values(&message)));
    }
    assert!(lines.len() > 40, "{lines:?}");
    lines.sort();
    write!(document, "| SQLSTATE | message | hint |\n|---|---|---|\n{}\n", lines.join("\n")).unwrap();
}

#[test]
fn the_reference_is_current() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("LOAD 'millrace'").unwrap();
    let mut document = String::from(
        "# Reference\n\nGenerated from the catalog by `MILLRACE_WRITE_GOLDEN=1 make test-docs`. Generating functions also have an argument \
         `segments`; leave it at its default.\n\n## Procedures\n\n",
    );
    functions(&mut client, &mut document, true);
    document.push_str("## Functions\n\n");
    functions(&mut client, &mut document, false);
    document.push_str("## Views\n\n");
    views(&mut client, &mut document);
    document.push_str("\n## Settings\n\n");
    settings(&mut client, &mut document);
    document.push_str("\n## Sources\n\nOptions are keys of argument `options`.\n\n");
    sources(&mut client, &mut document);
    document.push_str("## Errors\n\nThe extension's own errors; all others are PostgreSQL's. Hints that depend on the values are left out.\n\n");
    errors(&mut client, &mut document);
    let file = Path::new(ROOT).join("docs/reference.md");
    if std::env::var_os("MILLRACE_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, &document).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap();
    let differs = written.lines().zip(document.lines()).find(|(written, current)| written != current);
    assert!(written == document, "docs/reference.md is not current, first here: {differs:?}");
}
