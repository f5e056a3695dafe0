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
/// What of the crate `pg` may know.
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
    // Visibility is no use of anything.
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

#[test]
fn no_module_stands_in_for_another_file() {
    for file in files(Path::new(SOURCES)) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("#[path") && !text.contains(", path = \""), "{}", file.display());
    }
}
