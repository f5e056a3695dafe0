//! A Markdown document as its blocks: what each is, what the document says it prints, and where it says so.
//!
//! | block | |
//! |---|---|
//! | `sql`, `sh` | is run; the `text` block right after it is what it prints, and without one it prints nothing |
//! | `sql no-run`, `sh no-run` | is not run; the paragraph before it says why ([`EXEMPTION`]) |
//! | `LANGUAGE from FILE` | is quoted from a file of the repository |

use std::ops::Range;
use std::path::PathBuf;

/// What the paragraph before a block that is not run must contain, with the reason.
pub const EXEMPTION: &str = "No test runs th";

/// A document and where it is.
pub struct Document {
    pub path: PathBuf,
    lines: Vec<String>,
}

/// How a block is tested.
#[derive(Debug, PartialEq)]
pub enum Kind {
    Sql,
    Shell,
    /// Not run, in the language named.
    Exempt(String),
    /// Quoted from the file named.
    Quoted(String),
    /// A block that no test handles.
    Unknown(String),
}

/// A block, and what it prints according to the document.
#[derive(Debug)]
pub struct Block {
    pub kind: Kind,
    /// The number of its first line, from 1.
    pub line: usize,
    pub text: String,
    /// Empty if no output follows.
    pub output: String,
    /// The paragraph before it.
    pub before: String,
    /// The lines to replace by another output, from 0: that block with its fences, or an empty range behind this one.
    place: Range<usize>,
}

impl Block {
    /// Of no document.
    pub fn new(kind: Kind, text: &str, before: &str) -> Self {
        let (text, before) = (text.to_owned(), before.to_owned());
        Self { kind, line: 0, text, output: String::new(), before, place: 0..0 }
    }
}

/// The text between two fences.
struct Fenced {
    info: String,
    /// The lines between the fences.
    inside: Range<usize>,
}

impl Document {
    pub fn read(path: PathBuf) -> Self {
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, lines: text.lines().map(str::to_owned).collect() }
    }

    fn text(&self, lines: Range<usize>) -> String {
        self.lines[lines].iter().map(|line| format!("{line}\n")).collect()
    }

    fn fenced(&self) -> Vec<Fenced> {
        let fences: Vec<usize> =
            (0..self.lines.len()).filter(|line| self.lines[*line].trim_start().starts_with("```")).collect();
        assert!(fences.len().is_multiple_of(2), "{}: a block is not closed", self.path.display());
        let pairs = fences.chunks(2);
        pairs
            .map(|pair| Fenced {
                info: self.lines[pair[0]].trim().trim_start_matches('`').to_owned(),
                inside: pair[0] + 1..pair[1],
            })
            .collect()
    }

    /// The paragraph that ends before a line.
    fn paragraph(&self, before: usize) -> String {
        let lines = self.lines[..before].iter().rev();
        let lines: Vec<&str> = lines
            .map(|line| line.as_str())
            .skip_while(|line| line.is_empty())
            .take_while(|line| !line.is_empty() && !line.starts_with("```"))
            .collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" ")
    }

    /// Whether nothing but empty lines is between two blocks.
    fn follows(&self, first: &Fenced, second: &Fenced) -> bool {
        self.lines[first.inside.end + 1..second.inside.start - 1].iter().all(|line| line.trim().is_empty())
    }

    /// All blocks but the outputs, which belong to those before them.
    pub fn blocks(&self) -> Vec<Block> {
        let fenced = self.fenced();
        let is_output = |at: usize| {
            fenced[at].info == "text"
                && at > 0
                && self.follows(&fenced[at - 1], &fenced[at])
                && fenced[at - 1].info != "text"
        };
        let block = |at: usize| {
            let Fenced { info, inside } = &fenced[at];
            let output = fenced.get(at + 1).filter(|_| is_output(at + 1)).map(|next| next.inside.clone());
            let place = match &output {
                Some(output) => output.start - 1..output.end + 1,
                None => inside.end + 1..inside.end + 1,
            };
            Block {
                kind: kind(info),
                line: inside.start + 1,
                text: self.text(inside.clone()),
                output: output.map_or_else(String::new, |output| self.text(output)),
                before: self.paragraph(inside.start - 1),
                place,
            }
        };
        (0..fenced.len()).filter(|at| !is_output(*at)).map(block).collect()
    }

    /// Writes the document with other outputs for blocks of its own.
    pub fn replace(mut self, outputs: &[(Block, String)]) {
        // From the end, so that earlier places stay valid.
        for (block, output) in outputs.iter().rev() {
            let output = if output.is_empty() { String::new() } else { format!("```text\n{output}```") };
            self.lines.splice(block.place.clone(), output.lines().map(str::to_owned));
        }
        std::fs::write(&self.path, self.text(0..self.lines.len())).unwrap();
    }
}

fn kind(info: &str) -> Kind {
    let words: Vec<&str> = info.split_whitespace().collect();
    match words[..] {
        ["sql"] => Kind::Sql,
        ["sh"] => Kind::Shell,
        [language, "no-run"] => Kind::Exempt(language.to_owned()),
        [_, "from", file] => Kind::Quoted(file.to_owned()),
        _ => Kind::Unknown(info.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document { path: "page.md".into(), lines: text.lines().map(str::to_owned).collect() }
    }

    #[test]
    fn an_output_belongs_to_the_block_right_before_it() {
        let page =
            document("Rows.\n\n```sql\nSELECT 1\n```\n```text\n1\n```\nAnd\n\n```sh no-run\nmake\n```\n");
        let blocks = page.blocks();
        assert_eq!(blocks.len(), 2);
        let first = &blocks[0];
        assert_eq!((&first.kind, first.line), (&Kind::Sql, 4));
        assert_eq!((first.text.as_str(), first.output.as_str()), ("SELECT 1\n", "1\n"));
        assert_eq!((&blocks[1].kind, blocks[1].output.as_str()), (&Kind::Exempt("sh".into()), ""));
        assert_eq!((first.before.as_str(), blocks[1].before.as_str()), ("Rows.", "And"));
    }

    #[test]
    fn a_text_after_a_text_or_a_sentence_is_of_nothing() {
        let page = document("```sql\n```\nThis:\n```text\n1\n```\n```text\n2\n```\n");
        let kinds: Vec<Kind> = page.blocks().into_iter().map(|block| block.kind).collect();
        assert_eq!(kinds, [Kind::Sql, Kind::Unknown("text".into()), Kind::Unknown("text".into())]);
    }
}
