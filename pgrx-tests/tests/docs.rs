//! The SQL in the documents runs.

use millrace_tests::Cluster;
use std::path::Path;

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

fn run_document(name: &str, at_least: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let blocks = sql_blocks(&std::fs::read_to_string(path).unwrap());
    assert!(blocks.len() >= at_least, "{name} has {} blocks", blocks.len());
    let cluster = Cluster::new();
    cluster.connect().batch_execute("DROP EXTENSION millrace").unwrap();
    for sql in blocks {
        // From a file, because `-c` makes one transaction of it all, in which a procedure cannot commit.
        let file = cluster.folder().join("block.sql");
        std::fs::write(&file, &sql).unwrap();
        cluster.client_program("psql", &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", &file.to_string_lossy()]);
    }
}

#[test]
fn cloudberry() {
    run_document("docs/cloudberry.md", 2);
}

#[test]
fn readme() {
    run_document("README.md", 4);
}
