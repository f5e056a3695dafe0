//! A report in its final forms: a page, Markdown, and plain text.

use crate::chart::Bars;
use crate::error::{Error, Result};
use crate::output;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::fs::{self, File};
use std::path::Path;

const STYLE: &str = "
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; color: #1a1a1a; background: #fff; max-width: 66rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; margin-bottom: .3rem } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #ccc }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 1rem 0 } dt { color: #555 } dd { margin: 0; overflow-wrap: anywhere }
figure { margin: 1.5rem 0 } figcaption { font-weight: 600 } figcaption small { display: block; font-weight: 400; color: #444 }
svg { max-width: 100%; height: auto; font: 13px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1a1a1a }
.grid { stroke: #ddd } .tick, .axis { fill: #444; font-size: 12px } .axis { font-style: italic } .value { font-size: 12px }
.gap { fill: #eee } .band { opacity: .18 } line.event { stroke-width: .7; opacity: .55 }
.narrow text, .narrow .value { font-size: 11px }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap } th { border-bottom: 2px solid #888 }
td.number, th.number { text-align: right } .pass { color: #00694b; font-weight: 600 } .fail { color: #b00020; font-weight: 700 }
.remark { font-weight: 600 } td.long { white-space: normal; min-width: 14rem }
";

/// The content of a report, ready to be laid out.
pub struct Document {
    pub title: String,
    pub verdicts: Vec<Verdict>,
    /// Facts about it and the server, by name.
    pub facts: Vec<(&'static str, String)>,
    pub figures: Vec<Figure>,
    pub tables: Vec<Table>,
}

/// What a reader must know first.
pub struct Verdict {
    pub text: String,
    pub kind: Kind,
}

#[derive(Clone, Copy)]
pub enum Kind {
    Pass,
    Fail,
    Remark,
}

/// A chart with what it shows.
pub struct Figure {
    pub title: String,
    pub note: &'static str,
    pub chart: Markup,
}

impl Figure {
    /// A chart of bars, if it has anything to show.
    pub fn of_bars(bars: Bars, note: &'static str) -> Option<Self> {
        let any = bars.groups.iter().any(|(_, values)| values.iter().any(Option::is_some));
        any.then(|| Self { title: bars.title.clone(), note, chart: bars.render() })
    }
}

/// Rows of text under names.
pub struct Table {
    pub title: &'static str,
    pub names: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl Document {
    /// Writes report.html, summary.md and metrics.csv into a folder, which is made if it does not exist.
    pub fn write(&self, folder: &Path, metrics: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
        fs::create_dir_all(folder).map_err(Error::file(folder.to_string_lossy()))?;
        let files = ["report.html", "summary.md", "metrics.csv"].map(|name| folder.join(name));
        let [page, summary, lines] = &files;
        write_file(page, &self.page().into_string())?;
        write_file(summary, &self.markdown())?;
        metrics(&mut File::create(lines).map_err(Error::file(lines.to_string_lossy()))?)?;
        files.iter().try_for_each(|file| output::print(&file.display().to_string()))
    }

    /// The whole page.
    fn page(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { "millrace: " (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (self.title) }
                    @for verdict in &self.verdicts {
                        p { span class=(verdict.class()) { (verdict.text) } }
                    }
                    dl {
                        @for (name, value) in &self.facts { dt { (name) } dd { (value) } }
                    }
                    h2 { "Charts" }
                    @for figure in &self.figures {
                        figure {
                            figcaption { (figure.title) small { (figure.note) } }
                            (figure.chart)
                        }
                    }
                    @for table in &self.tables { (section(table)) }
                }
            }
        }
    }

    /// `summary.md`.
    fn markdown(&self) -> String {
        let verdict = self.verdicts.iter().map(|verdict| format!("{}\n\n", escaped(&verdict.text)));
        let facts = self.facts.iter().map(|(name, value)| format!("- {name}: {}\n", escaped(value)));
        let tables = self.tables.iter().map(Table::markdown);
        let title = format!("# millrace: {}\n\n", escaped(&self.title));
        [title].into_iter().chain(verdict).chain(facts).chain(tables).collect()
    }

    /// For a terminal.
    pub fn print(&self) -> Result<()> {
        print(&self.tables, &self.verdicts)
    }
}

/// Tables and their notes, for a terminal.
pub fn print(tables: &[Table], verdicts: &[Verdict]) -> Result<()> {
    for table in tables {
        let head = [String::new(), table.title.to_owned()];
        let lines = output::columns(&table.names, &table.rows);
        head.iter().chain(&lines).try_for_each(|line| output::print(line))?;
    }
    verdicts.iter().try_for_each(|verdict| output::print(&format!("\n{}", verdict.text)))
}

impl Verdict {
    fn class(&self) -> &'static str {
        match self.kind {
            Kind::Pass => "pass",
            Kind::Fail => "fail",
            Kind::Remark => "remark",
        }
    }
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(Error::file(path.to_string_lossy()))
}

fn section(table: &Table) -> Markup {
    let is_number =
        |cell: &str| cell.is_empty() || cell.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let numeric: Vec<bool> =
        (0..table.names.len()).map(|column| table.rows.iter().all(|row| is_number(&row[column]))).collect();
    let class = |column: usize, cell: &str| match cell {
        "pass" | "faster" => "pass",
        "FAIL" | "NO" | "SLOWER" => "fail",
        _ if numeric[column] => "number",
        _ if cell.len() > 40 => "long",
        _ => "",
    };
    html! {
        h2 { (table.title) }
        div.scroll {
            table {
                thead { tr {
                    @for (column, name) in table.names.iter().enumerate() {
                        th scope="col" class=(class(column, "")) { (name) }
                    }
                } }
                tbody {
                    @for row in &table.rows {
                        tr { @for (column, cell) in row.iter().enumerate() { td class=(class(column, cell)) { (cell) } } }
                    }
                }
            }
        }
    }
}

impl Table {
    fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let head = line(self.names.iter().map(|name| (*name).to_owned()).collect());
        let rule = line(self.names.iter().map(|_| "---".to_owned()).collect());
        let body: String =
            self.rows.iter().map(|row| line(row.iter().map(|cell| escaped(cell)).collect())).collect();
        format!("\n## {}\n\n{head}{rule}{body}", self.title)
    }
}

/// Text that Markdown shows as it is.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' => safe.push(' '),
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' => safe.extend(['\\', character]),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_shows_names_as_they_are() {
        let table = Table { title: "T", names: vec!["a"], rows: vec![vec!["x|y_z<script>\n".into()]] };
        assert_eq!(table.markdown(), "\n## T\n\n| a |\n| --- |\n| x\\|y\\_z&lt;script>  |\n");
    }
}
