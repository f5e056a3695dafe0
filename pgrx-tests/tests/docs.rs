//! Runs what the documents say to type, and compares the output with theirs. `MILLRACE_WRITE_OUTPUT=1` writes outputs that
//! differ into the documents; `MILLRACE_DOCUMENT=docs/rows.md` reads only that one.

#[path = "docs/document.rs"]
mod document;
#[path = "docs/masks.rs"]
mod masks;
#[path = "docs/reader.rs"]
mod reader;
#[path = "docs/tables.rs"]
mod tables;

use document::{Block, Document, EXEMPTION, Kind};
use reader::Reader;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Written by a test of its own.
const GENERATED: &str = "docs/reference.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The README, the pages of the guide, and the examples.
fn documents() -> Vec<String> {
    let pages = std::fs::read_dir(root().join("docs")).unwrap();
    let pages = pages.map(|page| format!("docs/{}", page.unwrap().file_name().to_string_lossy()));
    let pages = pages.filter(|page| page.ends_with(".md") && page != GENERATED);
    let mut all: Vec<String> =
        ["README.md", "examples/README.md"].map(str::to_owned).into_iter().chain(pages).collect();
    all.sort();
    all
}

/// Types what a document says, block by block. Returns the blocks that print something else, with their output.
fn differing(document: &Document) -> Result<Vec<(Block, String)>, String> {
    let is_run = |block: &Block| matches!(block.kind, Kind::Sql | Kind::Shell);
    let blocks: Vec<Block> = document.blocks().into_iter().filter(is_run).collect();
    if blocks.is_empty() {
        return Ok(Vec::new());
    }
    let creates = blocks.iter().any(|block| block.text.contains("CREATE EXTENSION millrace"));
    let reader = Reader::new(&root(), !creates);
    let mut differing = Vec::new();
    for block in blocks {
        let printed = reader.types(&block)?;
        if !masks::agree(&block.output, &printed) {
            differing.push((block, printed));
        }
    }
    Ok(differing)
}

/// What is wrong with a document, unless it is to be rewritten.
fn fault_of(path: &str) -> Option<String> {
    let document = Document::read(root().join(path));
    let differing = match differing(&document) {
        Ok(differing) => differing,
        Err(fault) => return Some(format!("{path}, {fault}")),
    };
    if std::env::var_os("MILLRACE_WRITE_OUTPUT").is_some() {
        let shortened = |(block, printed): (Block, String)| {
            let output = masks::for_document(&block.output, &printed);
            (block, output)
        };
        document.replace(&differing.into_iter().map(shortened).collect::<Vec<_>>());
        return None;
    }
    let told = differing.iter().map(|(block, printed)| {
        let [says, prints] = [&block.output, printed].map(|output| masks::masked(output).join("\n"));
        format!("{path}, line {}\n{}-- says\n{says}\n-- prints\n{prints}\n", block.line, block.text)
    });
    Some(told.collect::<Vec<_>>().join("\n")).filter(|told| !told.is_empty())
}

#[test]
fn documents_print_what_they_say() {
    let only = std::env::var("MILLRACE_DOCUMENT").ok();
    let chosen = documents().into_iter().filter(|path| only.as_ref().is_none_or(|only| only == path));
    let waiting = Mutex::new(chosen.collect::<Vec<_>>());
    assert!(!waiting.lock().unwrap().is_empty(), "no document is {only:?}");
    let faults = Mutex::new(Vec::new());
    let take = || waiting.lock().unwrap().pop();
    let read_some = || {
        while let Some(path) = take() {
            println!("{path}");
            faults.lock().unwrap().extend(fault_of(&path));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(read_some);
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(
        faults.is_empty(),
        "{}\nMILLRACE_WRITE_OUTPUT=1 writes outputs into the documents.",
        faults.join("\n")
    );
}

#[test]
fn the_guide_has_its_pages() {
    assert!(documents().len() >= 14, "{:?}", documents());
}

/// What is wrong with a block, beyond what typing it shows.
fn fault(block: &Block) -> Option<String> {
    match &block.kind {
        Kind::Sql | Kind::Shell => None,
        Kind::Exempt(_) if !block.before.contains(EXEMPTION) => {
            Some("is not run and does not say why".into())
        }
        Kind::Exempt(language) if language == "sh" => fault_of_shell(&block.text),
        Kind::Exempt(_) => None,
        Kind::Quoted(file) => {
            let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            (!text.contains(&block.text)).then(|| format!("is not in {file}"))
        }
        Kind::Unknown(info) => Some(format!("{info:?} is nothing that is tested")),
    }
}

/// Checks at least the syntax, and the targets of make, of blocks that are not run.
fn fault_of_shell(text: &str) -> Option<String> {
    let parsed = Command::new("bash").args(["-n", "-c", text]).output().unwrap();
    if !parsed.status.success() {
        return Some(String::from_utf8_lossy(&parsed.stderr).into_owned());
    }
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let phony = makefile.lines().find(|line| line.starts_with(".PHONY:")).unwrap();
    let code = text.lines().filter_map(|line| line.split('#').next()?.trim().strip_prefix("make "));
    let mut targets = code.flat_map(str::split_whitespace).filter(|word| !word.contains(['=', '"', '/']));
    targets
        .find(|target| !phony.split(' ').any(|name| name == *target))
        .map(|target| format!("make {target}"))
}

#[test]
fn no_block_is_exempt_without_a_reason() {
    let faults = documents().into_iter().flat_map(|path| {
        let blocks = Document::read(root().join(&path)).blocks();
        let told = blocks.into_iter().filter_map(|block| Some((block.line, fault(&block)?)));
        told.map(|(line, fault)| format!("{path}, line {line}: {fault}")).collect::<Vec<_>>()
    });
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn faults_of_blocks_are_seen() {
    let of = |kind: Kind, text: &str, before: &str| fault(&Block::new(kind, text, before)).is_some();
    let exempt = |language: &str| Kind::Exempt(language.to_owned());
    assert!(
        of(exempt("sql"), "SELECT 1", "Look:") && !of(exempt("sql"), "SELECT 1", "No test runs this: x.")
    );
    assert!(of(exempt("sh"), "make tea", "No test runs this: x."));
    assert!(of(exempt("sh"), "if", "No test runs this: x."));
    assert!(!of(exempt("sh"), "make test PG=18  # of 14 to 18", "No test runs this: x."));
    assert!(
        of(Kind::Quoted("Makefile".into()), "tea:", "") && !of(Kind::Quoted("Makefile".into()), "help:", "")
    );
    assert!(of(Kind::Unknown("json".into()), "{}", ""));
}

#[test]
fn the_example_for_ci_fails_on_a_regression() {
    let text = "
        export ROWS=20000 BATCH_ROWS=2000 VARIANTS=heap
        examples/bench-in-ci earlier first
        mkdir earlier
        # As if then all had been a hundred times as fast.
        awk -F, -v OFS=, 'NR > 1 && $10 { $10 /= 100 } NR > 1 && $18 { $18 /= 100 } 1' first/metrics.csv >earlier/metrics.csv
        examples/bench-in-ci earlier second || echo \"exit code $?\"
        MAX_SLOWDOWN=1000000 examples/bench-in-ci earlier third && echo \"not slower\"";
    let printed = Reader::new(&root(), false).types(&Block::new(Kind::Shell, text, "")).unwrap();
    let [first, rest] = printed.split_once("exit code 3").map(|(first, rest)| [first, rest]).expect(&printed);
    assert!(first.contains("SLOWER") && rest.trim_end().ends_with("not slower"), "{printed}");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let folders = ["", "docs", "docs/internals", "examples"].map(|folder| root().join(folder));
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
