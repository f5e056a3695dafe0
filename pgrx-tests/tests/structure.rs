//! The tree of `src/` shows the architecture: each floor of `pg` uses only those below it, and of the rest of the crate
//! only `error`, `guc` and `call`; unsafe code is in `pg` alone.

use std::fs;
use std::path::{Path, PathBuf};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src");

/// The floors of `pg`, each with those it may use.
const FLOORS: [(&str, &[&str]); 5] = [
    ("server", &["server"]),
    ("values", &["server", "values"]),
    ("planner", &["server", "values", "planner"]),
    ("load", &["server", "values", "load"]),
    ("workers", &["server", "values", "planner", "load", "workers"]),
];
/// What `pg` may use of the rest of the crate.
const KNOWN: [&str; 3] = ["error", "guc", "call"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// What follows `crate::` wherever a file names something of the crate, comments left out.
fn crate_paths(text: &str) -> Vec<Vec<String>> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    // Visibility does not count as use.
    let code = code.replace("pub(in crate::pg)", "pub");
    let paths = code.split("crate::").skip(1);
    paths
        .map(|rest| {
            let end =
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
            rest[..end].split("::").map(str::to_owned).collect()
        })
        .collect()
}

/// The faults of a file on a floor.
fn faults(floor: &str, text: &str) -> Vec<String> {
    let allowed = FLOORS.iter().find(|(name, _)| *name == floor).unwrap().1;
    let is_wrong = |path: &&Vec<String>| match path[0].as_str() {
        "pg" => path.get(1).is_none_or(|below| !allowed.contains(&below.as_str())),
        other => !KNOWN.contains(&other),
    };
    crate_paths(text).iter().filter(is_wrong).map(|path| path.join("::")).collect()
}

#[test]
fn each_floor_uses_only_those_below() {
    let mut wrong = Vec::new();
    for (floor, _) in FLOORS {
        let folder = Path::new(SOURCES).join("pg").join(floor);
        for file in files(&folder) {
            let text = fs::read_to_string(&file).unwrap();
            wrong.extend(faults(floor, &text).iter().map(|fault| format!("{}: {fault}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_step_up_is_seen() {
    assert_eq!(faults("values", "use crate::pg::load::insert::Load;"), ["pg::load::insert::Load"]);
    assert_eq!(faults("load", "fn f() { crate::runs::ledger::get() }"), ["runs::ledger::get"]);
    assert_eq!(faults("planner", "use crate::pg::workers::crew;"), ["pg::workers::crew"]);
    assert!(
        faults("load", "// See crate::runs.\nuse crate::pg::values::reader;\nuse crate::error::Error;")
            .is_empty()
    );
}

#[test]
fn unsafe_code_is_in_pg_alone() {
    for file in files(Path::new(SOURCES)) {
        if file.starts_with(Path::new(SOURCES).join("pg")) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found: Vec<_> = code.filter(|line| line.contains("unsafe ") && !line.contains('"')).collect();
        assert!(found.is_empty(), "{}: {found:?}", file.display());
    }
}

/// Functions that the server calls, with the line before each.
fn entries(text: &str) -> Vec<(&str, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let is_entry =
        |line: &str| line.contains("extern \"C-unwind\" fn ") && line.trim_end().ends_with(['{', '(']);
    let attributes = |at: usize| {
        lines[at.saturating_sub(3)..at].iter().rfind(|line| line.contains("#[")).copied().unwrap_or("")
    };
    (0..lines.len()).filter(|&at| is_entry(lines[at])).map(|at| (attributes(at), lines[at])).collect()
}

#[test]
fn a_panic_never_reaches_the_server() {
    // A signal handler, and a frame like C's whose comment says what it leaves to others.
    const UNGUARDED: [&str; 2] = ["fn note_cancel(", "fn execute("];
    let mut seen = 0;
    for file in files(Path::new(SOURCES)) {
        let text = fs::read_to_string(&file).unwrap();
        for (attributes, entry) in entries(&text) {
            seen += 1;
            let is_known = UNGUARDED.iter().any(|known| entry.contains(known)) || !entry.contains("unsafe");
            assert!(is_known || attributes.contains("pg_guard"), "{}: {entry}", file.display());
        }
    }
    assert!(seen > 10, "{seen}");
}

/// pgrx's macros report without a guard: a cancel that arrives while a notice is sent jumps over what has to be dropped.
#[test]
fn messages_are_reported_behind_a_guard() {
    for file in files(Path::new(SOURCES)) {
        let text = fs::read_to_string(&file).unwrap();
        for unguarded in ["notice!(", "warning!(", "error!(", "ereport!(", "info!(", "log!("] {
            let uses = text.lines().any(|line| line.trim_start().starts_with(unguarded));
            assert!(!uses || file.ends_with("tests.rs"), "{}: {unguarded}", file.display());
        }
    }
}

/// The most lines that an unsafe block has.
fn longest_unsafe_block(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let length = |start: usize| {
        let end = lines[start + 1..]
            .iter()
            .position(|line| !line.is_empty() && indent(line) <= indent(lines[start]));
        end.unwrap_or(0) + 2
    };
    let is_block = |line: &str| line.trim_end().ends_with("unsafe {") && !line.contains("extern");
    (0..lines.len()).filter(|&at| is_block(lines[at])).map(length).max().unwrap_or(0)
}

#[test]
fn an_unsafe_block_fits_on_a_screen() {
    for file in files(Path::new(SOURCES)) {
        let longest = longest_unsafe_block(&fs::read_to_string(&file).unwrap());
        assert!(longest <= 30, "{}: {longest} lines", file.display());
    }
    assert_eq!(longest_unsafe_block("let x = unsafe {\n    f();\n    g()\n};\n"), 4);
}

#[test]
fn no_module_stands_in_for_another_file() {
    for file in files(Path::new(SOURCES)) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("#[path") && !text.contains(", path = \""), "{}", file.display());
    }
}
