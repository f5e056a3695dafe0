//! Exports one TPC-H table: `export TABLE SF FOLDER FORMAT THREADS OPTIONS`, the last as JSON. Prints a line for
//! each file. The benchmarks run it.

use millrace_export::{Options, Parts, Progress, Request, Table, export};
use millrace_sources::registry;
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [name, sf, folder, format, threads, options] = &arguments[..] else {
        return Err("TABLE SF FOLDER FORMAT THREADS OPTIONS".into());
    };
    let source = registry::open(name, json!({ "sf": sf.parse::<f64>()? }))?;
    let request = Request {
        tables: vec![Table { name: name.clone(), source, parts: Parts::Whole, segment: None }],
        folder: folder.into(),
        format: format.parse()?,
        threads: threads.parse()?,
        options: Options::from_json(options.parse()?)?,
    };
    for file in export(&request, &Progress::default())? {
        let rows = file.written.map_or(0, |written| written.rows);
        println!("{} {rows} rows {} bytes", file.path.display(), file.bytes);
    }
    Ok(())
}
