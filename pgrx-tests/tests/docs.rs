//! The SQL in the documents runs.

use millrace_tests::Cluster;
use std::path::{Path, PathBuf};

/// The blocks of a document that are marked as SQL. Those marked `sql no-run` only show syntax.
fn sql_blocks(document: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in document.lines() {
        match (&mut block, line.trim()) {
            (None, "```sql") => block = Some(String::new()),
            (Some(sql), "```") => {
                blocks.push(std::mem::take(sql));
                block = None;
            }
            (Some(sql), _) => {
                sql.push_str(line);
                sql.push('\n');
            }
            (None, _) => {}
        }
    }
    assert!(block.is_none(), "a block is not closed");
    blocks
}

/// Runs the blocks of a document, each of which has at least one, on a server with the extension, or as for the first time.
fn run_document(path: &Path, has_extension: bool) {
    let blocks = sql_blocks(&std::fs::read_to_string(path).unwrap());
    let cluster = Cluster::new();
    if !has_extension {
        cluster.connect().batch_execute("DROP EXTENSION millrace").unwrap();
    }
    for sql in blocks {
        // From a file, because `-c` makes one transaction of it all, in which a procedure cannot commit.
        let file = cluster.folder().join("block.sql");
        std::fs::write(&file, &sql).unwrap();
        cluster.client_program("psql", &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", &file.to_string_lossy()]);
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_readme_runs_from_its_beginning() {
    run_document(&root().join("README.md"), false);
}

#[test]
fn each_page_of_the_guide_runs_by_itself() {
    // It creates the extension itself, and is the only one of those that show SQL to do so.
    let creates = |path: &Path| path.ends_with("cloudberry.md");
    let pages = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages: Vec<PathBuf> =
        pages.filter(|path| path.extension().is_some_and(|name| name == "md")).collect();
    assert!(pages.len() >= 9, "{pages:?}");
    for page in pages {
        println!("{}", page.display());
        run_document(&page, !creates(&page));
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let folders = ["", "docs", "docs/internals"].map(|folder| root().join(folder));
    let mut links = 0;
    for folder in folders {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_none_or(|name| name != "md") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if link.contains("://") || link.starts_with('#') {
                    continue;
                }
                links += 1;
                let target = folder.join(link.split('#').next().unwrap());
                assert!(target.exists(), "{}: {link}", path.display());
            }
        }
    }
    assert!(links > 30, "{links}");
}
