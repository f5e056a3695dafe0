//! The client program, run as its users run it. MILLRACE_CLI is its path.

use millrace_tests::{Cluster, one, percentile, wait_until};
use postgres::Client;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A name with characters that are special in HTML, Markdown, CSV and patterns.
const ODD_NAME: &str = "<b>&\"odd|_";

/// The program, without a server named.
fn alone(arguments: &[&str]) -> Command {
    let path =
        std::env::var("MILLRACE_CLI").expect("MILLRACE_CLI is not set: run the tests with `make test`");
    let mut command = Command::new(path);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The program, with a server that the environment names.
fn on(cluster: &Cluster, arguments: &[&str]) -> Command {
    let mut command = alone(arguments);
    command.env("PGHOST", cluster.folder()).env("PGUSER", "postgres");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn succeed(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Its exit code and what it printed.
fn fail(mut command: Command) -> (i32, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert_eq!(text(&stdout), "");
    let said = text(&stderr);
    assert!(!said.contains("panicked"), "{said}");
    (status.code().unwrap(), said)
}

/// A folder that this test may write to.
fn scratch(cluster: &Cluster) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(cluster.folder().file_name().unwrap());
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn unescaped(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    plain.replace('\\', "").replace("&amp;", "&")
}

/// The marks of a page's charts: value by chart, label and series.
fn marks(page: &str) -> HashMap<(String, String, String), f64> {
    let attribute = |tag: &str, name: &str| {
        let from = tag.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
        unescaped(tag[from..].split('"').next().unwrap())
    };
    let charts = page.split("<svg").skip(1).map(|chart| chart.split("</svg>").next().unwrap());
    charts
        .flat_map(|chart| {
            let title = attribute(chart, "aria-label");
            chart.split("class=\"mark\"").skip(1).map(move |mark| {
                let tag = mark.split('>').next().unwrap();
                let key = (title.clone(), attribute(tag, "data-label"), attribute(tag, "data-series"));
                (key, attribute(tag, "data-value").parse().unwrap())
            })
        })
        .collect()
}

/// The rows of a table in a Markdown document.
fn markdown_rows(document: &str, title: &str) -> Vec<Vec<String>> {
    let from = document.find(&format!("## {title}\n")).unwrap();
    let lines = document[from..].lines().skip(2).take_while(|line| line.starts_with('|')).skip(2);
    let protected = |line: &str| line.replace("\\|", "\u{0}");
    let cell = |cell: &str| unescaped(cell.trim()).replace('\u{0}', "|");
    lines.map(|line| protected(line).trim_matches('|').split(" | ").map(cell).collect()).collect()
}

/// A query's rows as text, with numbers in plain form.
fn rows(client: &mut Client, query: &str) -> Vec<Vec<String>> {
    let rows = client.simple_query(query).unwrap();
    let rows = rows.iter().filter_map(|message| match message {
        postgres::SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.map(|row| (0..row.len()).map(|column| row.get(column).unwrap_or_default().to_owned()).collect())
        .collect()
}

/// Equal as numbers if they are numbers.
fn assert_same_rows(found: &[Vec<String>], expected: &[Vec<String>]) {
    let normal = |cell: &String| match cell.replace(',', "").parse::<f64>() {
        Ok(number) => number.to_string(),
        Err(_) => cell.clone(),
    };
    let normal_rows = |rows: &[Vec<String>]| {
        rows.iter().map(|row| row.iter().map(normal).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    assert!(!expected.is_empty());
    assert_eq!(normal_rows(found), normal_rows(expected));
}

#[test]
fn reports_hold_the_numbers_of_the_run() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .execute("INSERT INTO millrace.variant (name, position, about) VALUES ($1, 900, 'odd')", &[&ODD_NAME])
        .unwrap();
    let folder = scratch(&cluster);
    let variants = format!("heap,heap_unlogged,{ODD_NAME}");
    let printed = succeed(on(
        &cluster,
        &[
            "bench",
            "--rows",
            "20000",
            "--batch-rows",
            "4000",
            "--variants",
            &variants,
            "--yes",
            "-o",
            folder.to_str().unwrap(),
        ],
    ));
    assert!(printed.contains("Speed\n") && printed.contains("Gates\n"), "{printed}");
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let marks = marks(&page);

    let curves = "SELECT phase, batch::text, variant, round(1000 * b.rows / insert_ms)::float8
                  FROM stream_batches b JOIN stream_bench_tables USING (run, target)";
    let batches = client.query(curves, &[]).unwrap();
    assert_eq!(batches.len(), 2 * 3 * 5);
    let mut expected: HashMap<(String, String, String), f64> = HashMap::new();
    for row in &batches {
        let chart = format!("Insert speed of each batch, phase {}", row.get::<_, String>(0));
        expected.insert((chart, row.get(1), row.get(2)), row.get(3));
    }
    let bars = "
        SELECT 'Insert speed of each variant', variant, phase, insert_rows_per_second::float8
        FROM stream_report('bench') JOIN stream_bench_tables USING (target)
        UNION ALL
        SELECT 'Size', variant || ', ' || phase, part, bytes::float8
        FROM stream_report('bench') JOIN stream_bench_tables USING (target),
             LATERAL (VALUES ('table', table_bytes), ('indexes', size_bytes - table_bytes)) parts (part, bytes)
        UNION ALL
        SELECT 'Where the time went', variant || ', ' || phase, part, took::float8
        FROM stream_report('bench') JOIN stream_bench_tables USING (target),
             LATERAL (VALUES ('generate', generate_seconds), ('insert', insert_seconds), ('commit', commit_seconds), ('analyze', analyze_seconds)) parts (part, took)
        UNION ALL
        SELECT 'Index overhead', variant, 'index overhead', figure::float8
        FROM stream_gates('bench') WHERE gate = 'index overhead'
        UNION ALL
        SELECT 'Queries, phase ' || phase, query, variant, round(min(ms)::numeric, 3)::float8 FROM stream_queries WHERE NOT cold GROUP BY phase, query, variant";
    for row in client.query(bars, &[]).unwrap() {
        expected.insert((row.get(0), row.get(1), row.get(2)), row.get(3));
    }
    assert_eq!(expected.len(), 30 + 6 + 12 + 24 + 3 + 24);
    for (mark, value) in &expected {
        assert_eq!(marks.get(mark), Some(value), "{mark:?}");
    }
    assert_eq!(marks.len(), expected.len());

    // One file: nothing is loaded, nothing of a name becomes markup.
    assert!(!page.contains("<b>") && page.contains("&lt;b&gt;&amp;"));
    for forbidden in ["<script", "<link", "<img", "url(", "@import", " src=", " href=", "https:"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert_eq!(page.matches("http:").count(), page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());

    let summary = fs::read_to_string(folder.join("summary.md")).unwrap();
    let speed = rows(
        &mut client,
        "SELECT phase, variant, r.rows, batches, rows_per_second, rows_per_second_min, rows_per_second_p50, rows_per_second_p95,
                rows_per_second_max, insert_rows_per_second, ratio
         FROM stream_report('bench') WITH ORDINALITY r JOIN stream_bench_tables USING (target) ORDER BY ordinality",
    );
    assert_same_rows(&markdown_rows(&summary, "Speed"), &speed);
    let size = rows(
        &mut client,
        "SELECT phase, variant, size_bytes, table_bytes, bytes_per_row, wal_bytes_per_row
         FROM stream_report('bench') WITH ORDINALITY r JOIN stream_bench_tables USING (target) ORDER BY ordinality",
    );
    assert_same_rows(&markdown_rows(&summary, "Size"), &size);
    let gates = rows(
        &mut client,
        "SELECT gate, phase, variant, figure, comparison || ' ' || bound::float8, CASE WHEN pass THEN 'pass' ELSE 'FAIL' END, detail
         FROM stream_gates('bench')",
    );
    assert_same_rows(&markdown_rows(&summary, "Gates"), &gates);

    let metrics = fs::read_to_string(folder.join("metrics.csv")).unwrap();
    client
        .batch_execute("CREATE TABLE metrics (run text, phase text, variant text, target text, batch bigint, rows bigint, speed float8,
            elapsed_ms float8, generate_ms float8, insert_ms float8, commit_ms float8, wal_bytes bigint, worker int, path text, finished timestamptz,
            query text, attempt int, query_ms float8, latency_ms float8, measure text, value float8)")
        .unwrap();
    let mut copy = client.copy_in("COPY metrics FROM STDIN (FORMAT csv, HEADER)").unwrap();
    std::io::Write::write_all(&mut copy, metrics.as_bytes()).unwrap();
    // Four queries three times on each of six tables.
    assert_eq!(copy.finish().unwrap(), 30 + 72);
    let differences: i64 = one(
        &mut client,
        "SELECT count(*) FROM (SELECT run, target, batch, rows, elapsed_ms, generate_ms, insert_ms, commit_ms, wal_bytes, finished FROM metrics WHERE query IS NULL
         EXCEPT SELECT run, target, batch, rows, elapsed_ms, generate_ms, insert_ms, commit_ms, wal_bytes::bigint, finished FROM stream_batches) d",
    );
    assert_eq!(differences, 0);
    let differences: i64 = one(
        &mut client,
        "SELECT count(*) FROM (SELECT phase, variant, target, query, attempt, query_ms, finished FROM metrics WHERE batch IS NULL
         EXCEPT SELECT phase, variant, target, query, attempt, ms, finished FROM stream_queries) d",
    );
    assert_eq!(differences, 0);
}

#[test]
fn a_report_tells_what_is_slower_than_in_an_earlier_one() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let folder = scratch(&cluster);
    let place = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let arguments = "rows => 6000, batch_rows => 1000, variants => '{heap, heap_brin}'";
    client.batch_execute(&format!("CALL stream_bench({arguments})")).unwrap();
    // Times that are known.
    client.batch_execute("UPDATE millrace.batch SET insert_ms = 10 + batch % 2").unwrap();
    client.batch_execute("UPDATE millrace.bench_query SET ms = 90 / attempt").unwrap();
    succeed(on(&cluster, &["report", "bench", "--output", &place("earlier")]));
    let earlier = place("earlier/metrics.csv");
    let against = |name: &str, more: &[&str]| {
        let mut command = on(&cluster, &["report", "bench", "--against", &earlier, "--output", &place(name)]);
        command.args(more);
        command
    };
    let printed = succeed(against("same", &["--max-slowdown", "0"]));
    assert!(printed.contains("\nNone of 24 figures differs from the earlier report's by more"), "{printed}");

    let heap = "FROM stream_bench_tables t WHERE t.run = b.run AND t.phase = 'index' AND t.variant = 'heap'";
    client
        .batch_execute(&format!(
            "UPDATE millrace.batch b SET insert_ms = 2 * insert_ms {heap} AND b.target = t.position"
        ))
        .unwrap();
    let query: String = one(&mut client, "SELECT min(query) FROM millrace.bench_query");
    client
        .execute(
            &format!(
                "UPDATE millrace.bench_query b SET ms = ms / 4 {heap} AND b.target = t.position AND query = $1"
            ),
            &[&query],
        )
        .unwrap();
    let printed = succeed(against("now", &[]));
    let verdict =
        "3 of 24 figures differ from the earlier report's by more than their spread: 1 faster, 2 slower.";
    let summary = fs::read_to_string(folder.join("now/summary.md")).unwrap();
    let page = fs::read_to_string(folder.join("now/report.html")).unwrap();
    for said in [&printed, &summary, &page] {
        assert!(said.contains(verdict), "{said}");
    }
    let marked = |title: &str| -> Vec<Vec<String>> {
        markdown_rows(&summary, title).into_iter().filter(|row| !row[7].trim().is_empty()).collect()
    };
    // The batches' rows by 10 and 11 milliseconds, and by twice as much.
    let speeds = [
        ["index", "heap", "all rows", "95,238", "47,619", "0.500", "4.3%", "SLOWER"],
        ["index", "heap", "median batch", "95,455", "47,727", "0.500", "0.0%", "SLOWER"],
    ];
    assert_eq!(marked("Insert speed against the earlier report"), speeds);
    // The fastest of 45 and 30 milliseconds, which differ by half in each run.
    let queries = [["index", &query, "heap", "30.000", "7.500", "4.000", "100.0%", "faster"]];
    assert_eq!(marked("Queries against the earlier report"), queries);
    assert!(page.contains("<td class=\"fail\">SLOWER</td>") && printed.contains("SLOWER"));
    assert!(page.contains("<span class=\"fail\">3 of 24"), "{page}");

    succeed(against("allowed", &["--max-slowdown", "100"]));
    let Output { status, stderr, .. } = against("refused", &["--max-slowdown", "99%"]).output().unwrap();
    let said = text(&stderr);
    assert_eq!(
        said,
        "millrace: 2 of 24 figures are slower than allowed; the most is the median batch of heap, phase index, 0.500 times as fast\n"
    );
    assert_eq!(status.code(), Some(3));
    assert!(folder.join("refused/report.html").exists(), "the report is there to see why");

    // If they cannot be compared, it says why and writes nothing.
    let lines = fs::read_to_string(&earlier).unwrap();
    let old: String = lines
        .lines()
        .map(|line| line.splitn(16, ',').take(15).collect::<Vec<_>>().join(",") + "\n")
        .collect();
    fs::write(folder.join("old.csv"), old).unwrap();
    let wrong = |file: &str, more: &[&str]| {
        let mut command = on(&cluster, &["report", "bench", "--output", &place("none"), "--against", file]);
        command.args(more);
        fail(command)
    };
    let (code, said) = wrong(&place("old.csv"), &[]);
    let why = "/old.csv cannot be compared with: it has no column \"query\"\nHINT:  It must be metrics.csv";
    assert!(code == 1 && said.contains(why), "{said}");
    let (code, said) = wrong(&place("nonesuch.csv"), &[]);
    assert!(code == 1 && said.contains("nonesuch.csv: No such file"), "{said}");
    let (code, said) = wrong(&earlier, &["--max-slowdown", "-1"]);
    assert!(code == 2 && said.contains("give a number that is not negative"), "{said}");
    assert!(!folder.join("none").exists());
    let mut itself = on(&cluster, &["report", "bench", "--against", "metrics.csv"]);
    itself.current_dir(folder.join("earlier"));
    let (code, said) = fail(itself);
    assert!(code == 2 && said.contains("the report would replace metrics.csv"), "{said}");
    assert_eq!(fs::read_to_string(&earlier).unwrap(), lines);
    let (code, said) = fail(on(&cluster, &["report", "bench", "--max-slowdown", "5"]));
    assert!(code == 2 && said.contains("--against <FILE>"), "{said}");
}

#[test]
fn a_run_that_is_no_benchmark_has_a_report_too() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE TABLE nation (LIKE tpch_nation)").unwrap();
    client.batch_execute("CALL stream_ingest('nation', batch_rows => 10)").unwrap();
    let folder = scratch(&cluster);
    let uri = format!(
        "postgres://postgres@/postgres?host={}",
        cluster.folder().display().to_string().replace('/', "%2F")
    );
    let printed =
        succeed(alone(&["report", "public.nation", "--dbname", &uri, "--output", folder.to_str().unwrap()]));
    assert_eq!(printed.lines().count(), 3);
    let summary = fs::read_to_string(folder.join("summary.md")).unwrap();
    let speed = markdown_rows(&summary, "Speed");
    assert_eq!(speed[0][..3], ["public.nation", "25", "3"]);
    assert_eq!(fs::read_to_string(folder.join("metrics.csv")).unwrap().lines().count(), 4);
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert_eq!(marks(&page).keys().filter(|(chart, ..)| chart == "Insert speed of each batch").count(), 3);
}

#[test]
fn wrong_calls_say_what_is_wrong() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE DATABASE bare").unwrap();
    let nowhere = scratch(&cluster);
    let mut service = alone(&["bench", "--yes"]);
    service.env("PGSERVICE", "bench").env("HOME", &nowhere);
    let wrong: Vec<(Command, i32, &[&str])> = vec![
        (alone(&[]), 2, &["Usage: millrace <COMMAND>"]),
        (alone(&["bench", "--rows", "0"]), 2, &["invalid value '0' for '--rows <ROWS>'"]),
        (alone(&["bench", "--rows", "endless"]), 2, &["give a number of rows, at least 1, or unlimited"]),
        (
            on(&cluster, &["bench", "--yes", "--duration", "soon"]),
            1,
            &["invalid input syntax for type interval", "SQLSTATE:  22007"],
        ),
        (
            on(&cluster, &["bench", "--yes", "--rate", "0"]),
            1,
            &["invalid value for argument \"rate\": 0", "SQLSTATE:  22023", "HINT:  "],
        ),
        (
            on(&cluster, &["rate", "--yes", "--max-p99", "0"]),
            1,
            &["invalid value for argument \"max_p99\"", "HINT:  The bound on the 99th percentile"],
        ),
        (alone(&["bench", "--profile", "flat"]), 2, &["give steady, diurnal, burst, or sizes"]),
        (
            service,
            2,
            &["millrace: definition of service \"bench\" not found", "HINT:  Define it in PGSERVICEFILE"],
        ),
        (
            alone(&["report", "bench", "-d", "sslmode=verify"]),
            2,
            &["millrace: sslmode: \"verify\" is not one of prefer, disable, allow,"],
        ),
        (alone(&["report", "bench"]), 2, &["millrace: no server is named", "HINT:  Give --host,"]),
        (alone(&["tpch", "fast"]), 2, &["[possible values: power, throughput, both]"]),
        (alone(&["tpch", "throughput", "--streams", "0"]), 2, &["0 is not in 1..=100"]),
        (alone(&["tpcds", "refresh"]), 2, &["[possible values: power, throughput, both]"]),
        (
            on(&cluster, &["tpch", "power", "--yes"]),
            1,
            &["millrace: schema \"tpch\" has no TPC-H tables", "HINT:  Give --sf to load them."],
        ),
        (
            on(&cluster, &["tpcds", "power", "--yes"]),
            1,
            &["millrace: schema \"tpcds\" has no TPC-DS tables", "HINT:  Give --sf to load them."],
        ),
        (
            on(&cluster, &["tpch", "power", "--sf", "1"]),
            2,
            &["there is no terminal to ask for confirmation on"],
        ),
        (
            alone(&["report", "nonesuch/metrics.csv"]),
            2,
            &[
                "millrace: there is nothing to compare nonesuch/metrics.csv with",
                "HINT:  Name an earlier metrics.csv",
            ],
        ),
        (
            on(&cluster, &["tpch", "power", "--sf", "1e9", "--yes"]),
            1,
            &["scale factor 1000000000 is out of range"],
        ),
        (alone(&["demo", "--dbname", "postgres://[", "--yes"]), 2, &["millrace: connection string: "]),
        (
            on(&cluster, &["demo"]),
            2,
            &["there is no terminal to ask for confirmation on", "HINT:  Confirm in advance"],
        ),
        (
            on(&cluster, &["bench"]),
            2,
            &["there is no terminal to ask for confirmation on", "HINT:  Confirm in advance"],
        ),
        (
            alone(&["report", "bench", "--host", nowhere.to_str().unwrap()]),
            1,
            &[
                "millrace: could not connect to the server: ",
                "No such file or directory",
                "HINT:  Is it running there?",
            ],
        ),
        (
            on(&cluster, &["report", "nonesuch"]),
            1,
            &["millrace: run \"nonesuch\" does not exist", "HINT:  View stream_progress"],
        ),
        (
            on(&cluster, &["bench", "--yes", "--variants", "heap,nonesuch"]),
            1,
            &["millrace: ", "nonesuch", "SQLSTATE:  42704"],
        ),
        (
            on(&cluster, &["bench", "--yes", "--options", "{"]),
            1,
            &["invalid input syntax for type json", "SQLSTATE:  22P02", "DETAIL:  "],
        ),
        (
            on(&cluster, &["report", "bench", "--dbname", "bare"]),
            1,
            &[
                "millrace: the database does not have extension millrace",
                "HINT:  Run CREATE EXTENSION millrace in it.",
            ],
        ),
        (
            on(&cluster, &["report", "x", "-U", "nobody"]),
            1,
            &["role \"nobody\" does not exist", "SQLSTATE:  28000"],
        ),
    ];
    for (command, code, parts) in wrong {
        let called = format!("{command:?}");
        let (found, said) = fail(command);
        assert_eq!(found, code, "{called}: {said}");
        for part in parts {
            assert!(said.contains(part), "{called}: {said}");
        }
    }
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_progress"), 0, "nothing was begun");
    let made =
        "SELECT count(*) FROM pg_namespace WHERE nspname IN ('bench', 'millrace_demo', 'tpch', 'tpcds')";
    assert_eq!(one::<i64>(&mut client, made), 0, "nothing was made");
}

#[test]
fn nobody_reading_is_no_panic() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE TABLE nation (LIKE tpch_nation)").unwrap();
    client.batch_execute("CALL stream_ingest('nation')").unwrap();
    let folder = scratch(&cluster);
    let mut command = on(&cluster, &["report", "public.nation", "-o", folder.to_str().unwrap()]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), String::new()));
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

const SLOW: [&str; 13] = [
    "bench",
    "--rows",
    "30000",
    "--batch-rows",
    "1000",
    "--variants",
    "heap,heap_unlogged",
    "--phase",
    "noindex",
    "--options",
    "{\"rate\": 15000}",
    "--yes",
    "--verbose",
];

#[test]
fn the_first_interrupt_stops_after_the_batch_and_the_same_call_goes_on() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let child = on(&cluster, &SLOW).spawn().unwrap();
    wait_until("some batches", || one(&mut client, "SELECT count(*) > 6 FROM stream_batches"));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    for part in [
        "stopping after this batch",
        "of 30 batches are there",
        "millrace: interrupted",
        "HINT:  Resume with: ",
        "'{\"rate\": 15000}'",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("canceling"), "no batch was cancelled: {said}");
    let state = client.query_one("SELECT state, batches_done, batches FROM stream_progress", &[]).unwrap();
    let (before, batches): (i64, i64) = (state.get(1), state.get(2));
    assert_eq!(state.get::<_, String>(0), "interrupted");
    assert!(before < batches, "{before} of {batches}");
    succeed(on(&cluster, &SLOW));
    let whole = "SELECT count(*) = 2 AND bool_and(matches AND rows_found = 30000 AND batches = 30) FROM stream_verify('bench/noindex')";
    assert!(one::<bool>(&mut client, whole));
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_batches"), 60, "each batch once");
}

#[test]
fn the_second_interrupt_cancels_the_batch() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let child = on(&cluster, &SLOW).spawn().unwrap();
    wait_until("a batch", || one(&mut client, "SELECT count(*) > 0 FROM stream_batches"));
    // The batch cannot end by itself.
    let mut blocker = cluster.connect();
    let mut transaction = blocker.transaction().unwrap();
    transaction.batch_execute("LOCK TABLE bench.heap_noindex IN SHARE MODE").unwrap();
    interrupt(&child);
    wait_until("the request to stop", || {
        one(&mut client, "SELECT bool_or(stop_requested) FROM millrace.run")
    });
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    transaction.rollback().unwrap();
    assert_eq!(one::<String>(&mut client, "SELECT state FROM stream_progress"), "interrupted");
}

/// The program on a terminal that `script` creates. What is written to its input is typed.
fn on_a_terminal(cluster: &Cluster, arguments: &[&str]) -> Child {
    let quoted = arguments.iter().map(|argument| format!(" '{argument}'")).collect::<String>();
    let program = std::env::var("MILLRACE_CLI").unwrap();
    let mut command = Command::new("script");
    command.args(["-qec", &format!("exec '{program}'{quoted}"), "/dev/null"]).env("TERM", "xterm");
    command
        .env("PGHOST", cluster.folder())
        .env("PGUSER", "postgres")
        .env_remove("NO_COLOR")
        .env("SHELL", "/bin/sh");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Reads what a terminal shows until it ends with a text.
fn read_until(terminal: &mut Child, end: &str) -> String {
    let mut shown = Vec::new();
    let mut byte = [0];
    while !shown.ends_with(end.as_bytes()) {
        let read = std::io::Read::read(terminal.stdout.as_mut().unwrap(), &mut byte).unwrap();
        assert!(read > 0, "it ended: {}", String::from_utf8_lossy(&shown));
        shown.push(byte[0]);
    }
    text(&shown)
}

#[test]
fn a_terminal_is_asked_and_shows_bars() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let bench = [
        "bench",
        "--rows",
        "20000",
        "--batch-rows",
        "1000",
        "--variants",
        "heap,heap_brin",
        "--phase",
        "noindex",
    ];
    for arguments in [&bench[..], &["tpch", "power", "--sf", "0.01"], &["tpcds", "power", "--sf", "0.01"]] {
        // Ctrl-C at the question is an answer.
        let mut terminal = on_a_terminal(&cluster, arguments);
        read_until(&mut terminal, "Continue? [y/N] ");
        std::io::Write::write_all(terminal.stdin.as_mut().unwrap(), b"\x03").unwrap();
        let said = read_until(&mut terminal, "millrace: interrupted");
        assert_eq!(terminal.wait().unwrap().code(), Some(130), "{said}");
    }
    let begun = "SELECT (SELECT count(*) FROM millrace.bench) + (SELECT count(*) FROM millrace.run)";
    assert_eq!(one::<i64>(&mut client, begun), 0);

    let mut terminal = on_a_terminal(&cluster, &bench);
    read_until(&mut terminal, "Continue? [y/N] ");
    std::io::Write::write_all(terminal.stdin.as_mut().unwrap(), b"y\n").unwrap();
    let shown = read_until(&mut terminal, "comparing the tables");
    // Each table has a line that is drawn over: its name, its bar, its rows and speed.
    for table in ["bench.heap_noindex", "bench.heap_brin_noindex"] {
        let line =
            shown.rfind(table).map(|from| &shown[from..]).unwrap_or_else(|| panic!("{table}: {shown:?}"));
        let line = line.split(['\r', '\n']).next().unwrap();
        for part in ["█", "20,000 of 20,000 rows (100.0%), ", " rows/s"] {
            assert!(line.contains(part), "{part} is not in {line:?}");
        }
    }
    assert!(shown.contains("\x1b["), "{shown:?}");
    let mut rest = String::new();
    std::io::Read::read_to_string(terminal.stdout.as_mut().unwrap(), &mut rest).unwrap();
    assert_eq!(terminal.wait().unwrap().code(), Some(0), "{rest}");
}

#[test]
fn a_benchmark_of_the_servers_is_gone_on_with() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let arguments = "rows => 9000, batch_rows => 1000, variants => '{heap, heap_brin}', phase => 'noindex'";
    client.batch_execute(&format!("CALL stream_bench({arguments})")).unwrap();
    let bench = [
        "bench",
        "--rows",
        "9000",
        "--batch-rows",
        "1000",
        "--variants",
        "heap,heap_brin",
        "--phase",
        "noindex",
        "--yes",
    ];
    succeed(on(&cluster, &bench));
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_batches"), 18);

    // Tables that differ are a failure, which the report explains.
    client.batch_execute("DELETE FROM bench.heap_brin_noindex WHERE sequence_number = 7").unwrap();
    let Output { status, stdout, stderr } = on(&cluster, &bench).output().unwrap();
    let (printed, said) = (text(&stdout), text(&stderr));
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(printed.contains("1 rows fewer") && printed.contains("gates failed"), "{printed}");
    assert!(said.contains("millrace: the tables differ in content or in query results\nHINT:  "), "{said}");

    // A profile can be given among the options, too.
    let profiled = |profile: &[&str]| {
        let call = [
            "bench",
            "--rows",
            "9000",
            "--batch-rows",
            "1000",
            "--variants",
            "heap",
            "--phase",
            "noindex",
            "--yes",
        ];
        let name = format!("p{}", profile.len());
        succeed(on(&cluster, &[&call[..], &["--run", &name, "--schema", &name][..], profile].concat()));
        format!(
            "SELECT string_agg(rows::text, ' ' ORDER BY batch) FROM stream_batches WHERE run = '{name}/noindex'"
        )
    };
    let list = profiled(&["--profile", "0500,+1000"]);
    assert_eq!(one::<String>(&mut client, &list), ["500 1000"; 6].join(" "));
    let named = profiled(&["--options", "{\"profile\": \"burst\"}", "--analyze-every", "3"]);
    let planned = "SELECT string_agg(rows_in_batch::text, ' ' ORDER BY batch)
                   FROM stream_plan('cdr', rows => 9000, batch_rows => 1000, options => '{\"profile\": \"burst\"}')";
    let planned: String = one(&mut client, planned);
    assert_eq!(one::<String>(&mut client, &named), planned);
    assert!(planned.contains("5000"), "{planned}");
}

/// A chart's marks of a series in the order of their labels: seconds and values.
fn over_time(marks: &HashMap<(String, String, String), f64>, chart: &str, series: &str) -> Vec<(f64, f64)> {
    let of_series = marks.iter().filter(|((title, _, name), _)| title == chart && name == series);
    let mut points: Vec<(f64, f64)> =
        of_series.map(|((_, label, _), value)| (label.parse().unwrap(), *value)).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    points
}

/// What the charts of a run without a gap should show for each second: its end, the latencies of the batches that were due in
/// it, and the rows that were inserted.
fn seconds(client: &mut Client, run: &str) -> Vec<(f64, Vec<f64>, f64)> {
    let session = "SELECT date_part('epoch', ended - begun) FROM millrace.sessions($1)";
    let length: f64 = client.query_one(session, &[&run]).unwrap().get(0);
    let count = (length.round() as usize).max(1);
    let end = |second: usize| if second + 1 == count { length } else { (second + 1) as f64 };
    let mut seconds: Vec<_> = (0..count).map(|second| (end(second), Vec::new(), 0.0)).collect();
    let batches = "
        SELECT date_part('epoch', min(b.due) - s.begun), date_part('epoch', max(b.finished) - s.begun), max(b.latency_ms),
               min(b.rows)::float8
        FROM stream_batches b, millrace.sessions($1) s WHERE b.run = $1 GROUP BY b.batch, s.begun";
    for row in client.query(batches, &[&run]).unwrap() {
        let [due, finished, ms, rows] = [0, 1, 2, 3].map(|column| row.get::<_, f64>(column));
        let second = |at: f64| (at.max(0.0) as usize).min(count - 1);
        seconds[second(due)].1.push(ms);
        seconds[second(finished)].2 += rows;
    }
    seconds.iter_mut().for_each(|(_, latencies, _)| latencies.sort_by(f64::total_cmp));
    seconds
}

fn assert_course(client: &mut Client, marks: &HashMap<(String, String, String), f64>, phase: &str) {
    let run = format!("bench/{phase}");
    let seconds = seconds(client, &run);
    let middles: Vec<f64> =
        (0..).zip(&seconds).map(|(from, (end, ..))| (f64::from(from) + end) / 2.0).collect();
    let near = |found: &[(f64, f64)], expected: Vec<(f64, f64)>| {
        assert_eq!(found.len(), expected.len(), "{phase}: {found:?} {expected:?}");
        for (one, other) in found.iter().zip(&expected) {
            let (seconds, values) = ((one.0 - other.0).abs(), (one.1 - other.1).abs());
            assert!(seconds < 0.01 && values < 0.001, "{phase}: {found:?} {expected:?}");
        }
    };
    for (series, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
        let due = middles.iter().zip(&seconds).filter(|(_, (_, latencies, _))| !latencies.is_empty());
        let expected = due.map(|(at, (_, latencies, _))| (*at, percentile(latencies, share)));
        near(&over_time(marks, &format!("Latency, phase {phase}"), series), expected.collect());
    }
    let throughput = format!("Throughput, phase {phase}");
    let speed = |(from, (end, _, rows)): (usize, &(f64, Vec<f64>, f64))| (rows / (end - from as f64)).round();
    let committed = middles.iter().copied().zip(seconds.iter().enumerate().map(speed)).collect();
    near(&over_time(marks, &throughput, "committed"), committed);
    let end = seconds.last().unwrap().0;
    near(&over_time(marks, &throughput, "offered"), vec![(0.0, 2000.0), (end, 2000.0)]);
    let most = "
        SELECT greatest(floor(max(b.latency_ms) / 1000 * 2000), (
            SELECT max(m.backlog_rows) FROM millrace.moment m, millrace.sessions($1) s
            WHERE m.run = $1 AND m.at BETWEEN s.begun AND s.ended
        ))::float8 FROM stream_batches b WHERE b.run = $1";
    let most: f64 = client.query_one(most, &[&run]).unwrap().get(0);
    let backlog = over_time(marks, &format!("Backlog, phase {phase}"), "largest backlog");
    assert_eq!(backlog.iter().map(|(_, rows)| *rows).fold(0.0, f64::max), most, "{phase}");
}

#[test]
fn a_paced_benchmark_reports_how_late_rows_were() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let folder = scratch(&cluster);
    let place = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let bench = [
        "bench",
        "--rate",
        "2000",
        "--duration",
        "2 s",
        "--batch-rows",
        "100",
        "--readers",
        "1",
        "--phase",
        "noindex",
        "--variants",
        "heap,heap_unlogged",
        "--yes",
        "--output",
    ];
    let Output { status, stdout, stderr } =
        on(&cluster, &[&bench[..], &[&place("now")]].concat()).output().unwrap();
    let (printed, said) = (text(&stdout), text(&stderr));
    assert!(status.success(), "{said}");
    let announced = "4 tables of rows of cdr without end in batches of 100, 2000 rows per second, for 2 s (heap, heap_unlogged; phases: noindex, noindex_read)";
    assert!(said.contains(announced), "{said}");
    assert!(printed.contains("Latency\n") && printed.contains("Readers\n"), "{printed}");

    let page = fs::read_to_string(folder.join("now/report.html")).unwrap();
    let marks = marks(&page);
    for phase in ["noindex", "noindex_read"] {
        assert_course(&mut client, &marks, phase);
        for title in ["Latency", "Backlog", "Throughput", "WAL per second", "Size while rows arrived"] {
            assert!(page.contains(&format!("<figcaption>{title}, phase {phase}<small>")), "{title} {phase}");
        }
    }
    // Each query that was run while rows arrived has a curve, which is nowhere above its longest time.
    let read = client
        .query("SELECT query, variant, max_ms::float8 FROM stream_readers('bench') WHERE streaming", &[])
        .unwrap();
    assert!(!read.is_empty());
    for row in &read {
        let title = format!("Readers' p99 of {}, phase noindex_read", row.get::<_, &str>(0));
        let points = over_time(&marks, &title, row.get(1));
        let most = points.iter().map(|(_, ms)| *ms).fold(0.0, f64::max);
        // The table rounds to microseconds.
        assert!(most > 0.0 && most <= row.get::<_, f64>(2) + 0.001, "{title}: {points:?}");
    }
    assert!(marks.keys().any(|(chart, ..)| chart == "Readers with the stream and alone, phase noindex_read"));

    let summary = fs::read_to_string(folder.join("now/summary.md")).unwrap();
    let latency = rows(
        &mut client,
        "SELECT split_part(name, '/', 2), rate, rows_per_second, p50_ms, p95_ms, p99_ms, p999_ms, max_ms, backlog_rows_max,
                gap_seconds, CASE WHEN sustained THEN 'yes' ELSE 'NO' END
         FROM stream_latency('bench')",
    );
    assert_same_rows(&markdown_rows(&summary, "Latency"), &latency);
    let readers = rows(
        &mut client,
        "SELECT 'noindex_read', query, variant, s.count, s.p50_ms, s.p99_ms, s.max_ms, a.count, a.p50_ms, a.p99_ms, a.max_ms,
                s.fresh_p50_ms, s.fresh_p99_ms, s.fresh_max_ms
         FROM (SELECT * FROM stream_readers('bench') WHERE streaming) s
         FULL JOIN (SELECT * FROM stream_readers('bench') WHERE NOT streaming) a USING (query, variant)
         ORDER BY variant, query",
    );
    let mut found = markdown_rows(&summary, "Readers");
    found.sort_by_key(|row| (row[2].clone(), row[1].clone()));
    assert_same_rows(&found, &readers);
    let gates = markdown_rows(&summary, "Gates");
    for gate in ["rate", "latency"] {
        let variants = gates.iter().filter(|row| row[0] == gate).map(|row| row[2].trim()).collect::<Vec<_>>();
        assert_eq!(variants, ["", ""], "one for each phase: {gates:?}");
    }

    let metrics = fs::read_to_string(folder.join("now/metrics.csv")).unwrap();
    let p99 = "SELECT name, p99_ms::float8, sustained::int FROM stream_latency('bench')";
    for row in client.query(p99, &[]).unwrap() {
        let (run, p99, sustained): (String, f64, i32) = (row.get(0), row.get(1), row.get(2));
        for line in [format!("p99_ms,{p99}"), format!("sustained,{sustained}"), "rate,2000".to_owned()] {
            let of_run = metrics.lines().filter(|text| text.starts_with(&format!("{run},")));
            assert_eq!(of_run.filter(|text| text.ends_with(&format!(",{line}"))).count(), 1, "{run} {line}");
        }
    }
    let earlier = place("now/metrics.csv");
    let again =
        ["report", "bench", "--against", &earlier, "--max-slowdown", "0", "--output", &place("again")];
    succeed(on(&cluster, &again));
    let summary = fs::read_to_string(folder.join("again/summary.md")).unwrap();
    let compared = markdown_rows(&summary, "Latency against the earlier report");
    let of: Vec<[&str; 3]> =
        compared.iter().map(|row| [&row[0], &row[1], &row[4]].map(|cell| cell.trim())).collect();
    assert_eq!(
        of,
        [
            ["noindex", "p99 ms", "1.000"],
            ["noindex", "rows/s", "1.000"],
            ["noindex_read", "p99 ms", "1.000"],
            ["noindex_read", "rows/s", "1.000"]
        ]
    );
    assert!(!markdown_rows(&summary, "Readers against the earlier report").is_empty());
}

#[test]
fn a_run_without_end_is_shown_and_stopped() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let bench = [
        "bench",
        "--rows",
        "unlimited",
        "--rate",
        "5000",
        "--batch-rows",
        "100",
        "--phase",
        "noindex",
        "--variants",
        "heap",
        "--yes",
    ];
    let mut terminal = on_a_terminal(&cluster, &bench);
    let shown = read_until(&mut terminal, " ms so far");
    assert!(
        shown.contains("rows of cdr without end in batches of 100, 5000 rows per second (heap;"),
        "{shown}"
    );
    assert!(shown.contains("bench.heap_noindex") && shown.contains(" rows/s"), "{shown}");
    std::io::Write::write_all(terminal.stdin.as_mut().unwrap(), b"\x03").unwrap();
    let said = read_until(&mut terminal, "HINT:  Resume with: ");
    assert_eq!(terminal.wait().unwrap().code(), Some(130), "{said}");
    let state = client.query_one("SELECT state, batches_done, batches FROM stream_progress", &[]).unwrap();
    let (done, batches): (i64, Option<i64>) = (state.get(1), state.get(2));
    assert_eq!((state.get(0), batches), ("interrupted", None));
    assert!(
        said.contains("stopping after this batch") && said.contains(&format!("{done} batches are there")),
        "{said}"
    );

    let folder = scratch(&cluster);
    succeed(on(&cluster, &["report", "bench", "--output", folder.to_str().unwrap()]));
    let summary = fs::read_to_string(folder.join("summary.md")).unwrap();
    assert!(summary.contains(&format!("- State: bench/noindex: interrupted, {done} batches\n")), "{summary}");
    assert_eq!(markdown_rows(&summary, "Latency").len(), 1);
}

#[test]
fn a_search_prints_its_steps_and_is_gone_on_with() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    // It takes three steps at least: one that is sustained, one that is not, and one between them.
    let search = [
        "rate",
        "--start-rate",
        "100000",
        "--seconds",
        "1",
        "--tolerance",
        "0.5",
        "--phase",
        "noindex",
        "--variants",
        "heap",
        "--yes",
    ];
    let child = on(&cluster, &search).spawn().unwrap();
    wait_until("a step", || one(&mut client, "SELECT count(*) > 0 FROM stream_rate_steps"));
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains(
            "steps of 1 s from 100000 rows of cdr per second on, p99 at most 1 s (heap; phases: noindex)"
        ),
        "{said}"
    );
    assert!(said.contains("millrace: interrupted\nHINT:  Resume with: "), "{said}");
    let before: i64 = one(&mut client, "SELECT count(*) FROM stream_rate_steps");
    assert!(!one::<bool>(&mut client, "SELECT done FROM stream_rates"), "it was interrupted in the middle");

    let printed = succeed(on(&cluster, &search));
    let lines: Vec<Vec<String>> = printed
        .lines()
        .map(|line| line.split_whitespace().map(|cell| cell.replace(',', "")).collect())
        .collect();
    let steps = rows(
        &mut client,
        "SELECT phase, variant, step, rate, rows_per_second, p50_ms, p99_ms, max_ms, CASE WHEN sustained THEN 'yes' ELSE 'no' END
         FROM stream_rate_steps ORDER BY step",
    );
    assert!(steps.len() as i64 > before, "{steps:?}");
    assert_same_rows(&lines[1..=steps.len()], &steps);
    let rates = rows(
        &mut client,
        "SELECT r.phase, r.variant, r.rows_per_second, p50_ms, p99_ms, too_high, steps
         FROM stream_rates r JOIN stream_rate_steps s ON s.rate = r.rows_per_second WHERE done",
    );
    assert_same_rows(&lines[lines.len() - 1..], &rates);
    assert_eq!(lines.len(), 1 + steps.len() + 5, "names, steps, and a table of one line: {printed}");
}

/// A folder for temporary servers, which must be empty again when the program ends.
fn temporary(cluster: &Cluster) -> PathBuf {
    let folder = std::env::temp_dir()
        .join(format!("millrace-cli-{}", cluster.folder().file_name().unwrap().to_string_lossy()));
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn without_a_server_it_starts_one_and_leaves_nothing() {
    let cluster = Cluster::new();
    let folder = temporary(&cluster);
    let pg_config = format!("{}/pg_config", std::env::var("MILLRACE_BIN").unwrap());
    let embedded = |arguments: &[&str]| {
        let mut command = alone(arguments);
        command.env("PG_CONFIG", &pg_config).env("TMPDIR", &folder);
        command
    };
    let left = || fs::read_dir(&folder).unwrap().count();
    let printed = succeed(embedded(&["demo", "--sf", "0.01"]));
    assert!(printed.contains("FROM tpch_gen('lineitem', 0.01) LIMIT 5;"), "{printed}");
    assert!(printed.contains("60175       60175  t"), "the load is verified: {printed}");
    assert_eq!(left(), 0);

    let (code, said) = fail(embedded(&["bench", "--yes", "--variants", "nonesuch"]));
    assert_eq!((code, left()), (1, 0), "{said}");

    let mut child =
        embedded(&["bench", "--rows", "1000000000", "--phase", "noindex", "--variants", "heap", "--yes"]);
    let mut child = child.spawn().unwrap();
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("rows (") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut said, &mut line).unwrap() > 0, "it ended early");
    }
    interrupt(&child);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains("The temporary server is gone."), "{rest}");
    assert_eq!(left(), 0);
    fs::remove_dir(&folder).unwrap();
}

#[test]
fn a_server_without_the_extension_is_told_of() {
    let cluster = Cluster::new();
    let folder = scratch(&cluster);
    let pg_config = folder.join("pg_config");
    fs::write(&pg_config, format!("#!/bin/sh\necho {}\n", folder.display())).unwrap();
    fs::set_permissions(&pg_config, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = alone(&["demo"]);
    command.env("PG_CONFIG", &pg_config);
    let (code, said) = fail(command);
    assert_eq!(code, 1);
    assert!(
        said.contains("extension millrace is not installed in")
            && said.contains("HINT:  Install it with `make install"),
        "{said}"
    );
    let mut command = alone(&["demo"]);
    command.env("PG_CONFIG", folder.join("nonesuch"));
    let (code, said) = fail(command);
    assert_eq!(code, 1);
    assert!(said.contains("nonesuch cannot be run") && said.contains("HINT:  Set PG_CONFIG to"), "{said}");
}

#[test]
fn what_is_refused_starts_no_server() {
    let refused = |arguments: &[&str]| {
        let mut command = alone(arguments);
        // With this no server could be started, which would be a different error.
        command.env("PG_CONFIG", "/nonesuch/pg_config");
        fail(command)
    };
    for arguments in [
        &["bench"][..],
        &["rate"],
        &["tpch", "power"],
        &["tpch", "power", "--sf", "0.01"],
        &["tpcds", "throughput", "--sf", "0.01"],
    ] {
        let (code, said) = refused(arguments);
        let why = "millrace: there is no terminal to ask for confirmation on\nHINT:  Confirm in advance with --yes.\n";
        assert_eq!((code, said.as_str()), (2, why), "{arguments:?}");
    }
    for (family, name) in [("tpch", "TPC-H"), ("tpcds", "TPC-DS")] {
        let (code, said) = refused(&[family, "power", "--yes"]);
        let why =
            format!("millrace: schema \"{family}\" has no {name} tables\nHINT:  Give --sf to load them.\n");
        assert_eq!((code, said), (1, why));
    }
    let (code, said) = refused(&["bench", "--yes"]);
    assert!(code == 1 && said.contains("/nonesuch/pg_config cannot be run"), "{said}");
}

#[test]
fn exports_need_no_server() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("export-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let place = folder.to_str().unwrap();
    let arguments = ["export", "orders", "--sf", "0.01", "--format", "tbl", "--output", place];
    let printed = succeed(alone(&arguments));
    assert!(printed.contains("orders.tbl") && printed.contains(" 15000 "), "{printed}");
    // dbgen's own checksum of the file.
    let known = include_str!("dbgen.sha256").lines().find(|line| line.starts_with("0.01 orders ")).unwrap();
    let checksum = known.split_whitespace().last().unwrap();
    assert!(printed.contains(checksum), "{known}: {printed}");
    let (code, said) = fail(alone(&arguments));
    assert_eq!(code, 1);
    assert!(said.contains("orders.tbl\" already exists") && said.contains("HINT:  Replace it"), "{said}");
    let options = r#"{"seed": 7, "columns": ["call_id"], "compression": "zstd"}"#;
    let printed = succeed(alone(&["export", "cdr", "--rows", "5000", "--options", options, "-o", place]));
    assert!(printed.contains("cdr.parquet") && printed.contains(" 5000 "), "{printed}");
    for (wrong, code, message) in [
        (["export", "nonesuch", "--rows", "1"], 1, "source \"nonesuch\" does not exist"),
        (["export", "orders", "--format", "xml"], 2, "format \"xml\" does not exist"),
        (["export", "orders", "--options", "{\"x\": 1}"], 1, "invalid export options: unknown field `x`"),
        (["export", "orders", "--threads", "0"], 1, "invalid number of threads: 0"),
        (["export", "orders", "--parts", "0"], 2, "0 is not in 1.."),
        (["export", "orders", "--part", "1"], 2, "--parts <PARTS>"),
    ] {
        let (found, said) = fail(alone(&wrong));
        assert_eq!(found, code, "{said}");
        assert!(said.contains(message), "{said}");
    }
    // All tables, one of several parts, and all parts: a file each.
    let tables = folder.join("tables");
    fs::create_dir(&tables).unwrap();
    let all = ["export", "tpch", "--sf", "0.001", "--threads", "2", "-o", tables.to_str().unwrap()];
    for (more, files) in [
        (&[] as &[_], vec!["region.parquet", "lineitem.parquet"]),
        (&["--parts", "3", "--part", "2", "-f", "csv"], vec!["region.2.csv", "lineitem.2.csv"]),
        (&["--parts", "2", "-f", "arrow"], vec!["region.1.arrow", "region.2.arrow", "lineitem.2.arrow"]),
    ] {
        let before = fs::read_dir(&tables).unwrap().count();
        let printed = succeed(alone(&[&all[..], more].concat()));
        let written = fs::read_dir(&tables).unwrap().count() - before;
        assert_eq!(written, if more.len() == 4 { 16 } else { 8 }, "{printed}");
        for file in files {
            assert!(
                printed.contains(&format!("/{file} ")) && tables.join(file).exists(),
                "{file}: {printed}"
            );
        }
    }
    let printed =
        succeed(alone(&["export", "tpcds", "--sf", "0.001", "-f", "csv", "-o", tables.to_str().unwrap()]));
    for file in ["customer.csv", "store_sales.csv", "web_site.csv"] {
        assert!(printed.contains(&format!("/{file} ")) && tables.join(file).exists(), "{file}: {printed}");
    }
    assert_eq!(printed.lines().filter(|line| line.contains(".csv ")).count(), 24, "{printed}");
    fs::remove_dir_all(&tables).unwrap();
    let mut endless = alone(&["export", "cdr", "--rows", "10000000000", "--format", "csv", "-o", place]);
    let mut child = endless.spawn().unwrap();
    wait_until("a file", || fs::read_dir(&folder).unwrap().count() > 2);
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing is left of it");
    fs::remove_dir_all(&folder).unwrap();
}

/// A line of a power or throughput test's `metrics.csv`.
struct Step {
    test: String,
    session: String,
    name: String,
    set: String,
    seconds: f64,
    rows: String,
}

fn steps(folder: &Path) -> Vec<Step> {
    let text = fs::read_to_string(folder.join("metrics.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("test,session,position,step,refresh_set,seconds,rows"));
    let step = |line: &str| {
        let fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        let [test, session, _, name, set, seconds, rows] = fields.try_into().unwrap();
        Step { test, session, name, set, seconds: seconds.parse().unwrap(), rows }
    };
    lines.map(step).collect()
}

/// The queries of a session in the order in which it ran them.
fn order(steps: &[Step], session: &str) -> Vec<i32> {
    let of_session = steps.iter().filter(|step| step.session == session);
    of_session.filter_map(|step| step.name.strip_prefix('Q')?.parse().ok()).collect()
}

/// The streams, from 0 to the last, had the queries in the order that the server says for seed 19.
fn assert_in_order(client: &mut Client, family: &str, steps: &[Step], last: i32) {
    for stream in 0..=last {
        let expected =
            format!("SELECT query FROM {family}_queries(seed => 19, stream => {stream}) ORDER BY position");
        let expected: Vec<i32> = client.query(&expected, &[]).unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(order(steps, &format!("stream {stream}")), expected);
    }
}

/// The seconds of the streams of a throughput test by a page's charts, which have all the steps, and nothing else.
fn charted_streams(page: &str, steps: &[Step]) -> HashMap<String, f64> {
    let marks = marks(page);
    let mut expected = HashMap::new();
    for step in steps {
        let (chart, label, series) = match (step.test.as_str(), step.name.starts_with('Q')) {
            ("power", _) => ("Power test", step.name.clone(), step.session.clone()),
            (_, true) => ("Queries of the streams", step.name.clone(), step.session.clone()),
            _ => ("Refresh functions beside the streams", format!("set {}", step.set), step.name.clone()),
        };
        expected.insert((chart.to_owned(), label, series), step.seconds);
    }
    assert_eq!(expected.len(), steps.len());
    for (mark, value) in &expected {
        assert_eq!(marks.get(mark), Some(value), "{mark:?}");
    }
    let streams = marks.iter().filter(|((chart, ..), _)| chart == "Streams");
    let streams: HashMap<String, f64> = streams.map(|((_, name, _), value)| (name.clone(), *value)).collect();
    assert_eq!(marks.len(), steps.len() + streams.len());
    streams
}

/// The seconds of a throughput test, which has to hold each of its streams.
fn whole_test(summary: &str, steps: &[Step], streams: &HashMap<String, f64>) -> f64 {
    let whole = markdown_rows(summary, "Throughput test").last().unwrap()[1].parse::<f64>().unwrap();
    for (stream, seconds) in streams {
        let of_stream = steps.iter().filter(|step| step.test == "throughput" && step.session == *stream);
        let sum: f64 = of_stream.map(|step| step.seconds).sum();
        assert!(sum <= *seconds && *seconds <= whole, "{stream}: {sum} of {seconds} of {whole}");
    }
    whole
}

#[test]
fn power_and_throughput_tests_report_their_numbers() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let folder = scratch(&cluster);
    let place = folder.to_str().unwrap();
    let printed = succeed(on(
        &cluster,
        &["tpch", "both", "--sf", "0.01", "--streams", "3", "--seed", "19", "--yes", "-o", place],
    ));
    assert!(printed.contains("This is not an audited TPC-H result."), "{printed}");

    let steps = steps(&folder);
    assert_eq!(steps.len(), 24 + 3 * 22 + 3 * 2);
    let power: Vec<&Step> = steps.iter().filter(|step| step.test == "power").collect();
    assert_eq!((power[0].name.as_str(), power[23].name.as_str()), ("RF1", "RF2"));
    assert_in_order(&mut client, "tpch", &steps, 3);

    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let streams = charted_streams(&page, &steps);
    assert_eq!(streams.len(), 4);
    let summary = fs::read_to_string(folder.join("summary.md")).unwrap();
    assert!(summary.contains("not an audited TPC-H result") && page.contains("not an audited TPC-H result"));
    assert!(summary.contains("- Seed: 19\n") && summary.contains("- Refresh sets: 1 to 4\n"), "{summary}");

    // The metrics follow from the times by the specification's formulas.
    let metric = |name: &str| -> f64 {
        let rows = markdown_rows(&summary, "Metrics");
        rows.iter().find(|row| row[0] == name).unwrap()[1].parse().unwrap()
    };
    let longest = power[1..23].iter().map(|step| step.seconds).fold(0.0, f64::max);
    let raised = power.iter().map(|step| match step.name.starts_with('Q') {
        true => step.seconds.max(longest / 1000.0),
        false => step.seconds,
    });
    let expected = 3600.0 * 0.01 / raised.product::<f64>().powf(1.0 / 24.0);
    assert!((metric("Power@0.01") - expected).abs() < 0.006, "{expected}");
    let whole = whole_test(&summary, &steps, &streams);
    let expected = 3.0 * 22.0 * 3600.0 / whole * 0.01;
    assert!((metric("Throughput@0.01") - expected).abs() < 0.006, "{expected}");
    let expected = (metric("Power@0.01") * metric("Throughput@0.01")).sqrt();
    assert!((metric("QphH@0.01") - expected).abs() < 0.02, "{expected}");

    // The tables have the orders of four refresh sets, and not those that the sets delete.
    let refreshed = "
        SELECT count(*) = 80 AND bool_and(added = (o_orderkey IS NOT NULL))
        FROM generate_series(1, 4) set, LATERAL (
            SELECT true AS added, o_orderkey AS key FROM tpch_orders_refresh(set, 0.01)
            UNION ALL SELECT false, key FROM tpch_orders_delete(set, 0.01) key) refresh
        LEFT JOIN tpch.orders ON o_orderkey = key";
    assert!(one::<bool>(&mut client, refreshed));

    // On the tables as they are, with other queries and the next set; rows are the queries'.
    succeed(on(&cluster, &["tpch", "power", "--seed", "20", "--yes", "-o", place]));
    let again = crate::steps(&folder);
    assert_eq!((again.len(), again[0].set.as_str()), (24, "5"));
    client.batch_execute("CALL tpch_refresh(stream => 5, rf1 => false)").unwrap();
    for step in again.iter().filter(|step| ["Q16", "Q20", "Q22"].contains(&step.name.as_str())) {
        let query = format!(
            "SELECT count(*)::text FROM tpch_run({}, 'tpch', 20, 0.01)",
            step.name.trim_start_matches('Q')
        );
        assert_eq!(step.rows, one::<String>(&mut client, &query), "{}", step.name);
    }
}

#[test]
fn tests_of_tpc_ds_report_their_numbers() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let folder = scratch(&cluster);
    let place = folder.to_str().unwrap();
    let printed = succeed(on(
        &cluster,
        &["tpcds", "both", "--sf", "0.01", "--streams", "2", "--seed", "19", "--yes", "-o", place],
    ));
    assert!(
        printed.contains("It has no composite metric (QphDS): that counts data maintenance"),
        "{printed}"
    );

    let steps = steps(&folder);
    assert_eq!(steps.len(), 3 * 99);
    assert!(steps.iter().all(|step| step.name.starts_with('Q') && step.set.is_empty()));
    assert_in_order(&mut client, "tpcds", &steps, 2);
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let streams = charted_streams(&page, &steps);
    let mut names: Vec<&str> = streams.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["stream 1", "stream 2"]);

    let summary = fs::read_to_string(folder.join("summary.md")).unwrap();
    assert!(summary.contains("- Seed: 19\n") && !summary.contains("Refresh"), "{summary}");
    assert!(summary.contains(" as joins, which the TPC has not approved"), "{summary}");
    let metrics = markdown_rows(&summary, "Metrics");
    let names: Vec<&str> = metrics.iter().map(|row| row[0].as_str()).collect();
    let [power, throughput] = ["Power test", "Throughput test"];
    assert_eq!(names, ["Load", power, "Power test, mean", throughput, "Throughput test, mean"]);
    let metric = |name: &str| -> f64 {
        let row = metrics.iter().find(|row| row[0] == name).unwrap();
        row[1].strip_suffix(" s").unwrap().parse().unwrap()
    };
    let whole = whole_test(&summary, &steps, &streams);
    assert!((metric(throughput) - whole).abs() < 0.0006, "{whole}");
    for test in [power, throughput] {
        let of_test = steps.iter().filter(|step| test.to_lowercase().starts_with(&step.test));
        let times: Vec<f64> = of_test.map(|step| step.seconds).collect();
        let mean = (times.iter().map(|time| time.ln()).sum::<f64>() / times.len() as f64).exp();
        assert!((metric(&format!("{test}, mean")) - mean).abs() < 0.0006, "{mean}");
    }
    let sum: f64 = steps.iter().filter(|step| step.test == "power").map(|step| step.seconds).sum();
    assert!(sum <= metric(power) + 0.0006, "{sum}");

    // On the tables as they are, whose scale factor it finds out; nothing was loaded. Rows are those of all statements of a
    // query.
    let printed = succeed(on(&cluster, &["tpcds", "power", "--seed", "20", "--yes", "-o", place]));
    assert!(printed.contains("\nPower test, mean ") && !printed.contains("\nLoad "), "{printed}");
    let summary = fs::read_to_string(folder.join("summary.md")).unwrap();
    assert!(summary.contains("- Scale factor: 0.01\n"), "{summary}");
    let again = crate::steps(&folder);
    assert_eq!(again.len(), 99);
    for step in again.iter().filter(|step| ["Q3", "Q14", "Q23", "Q24", "Q39"].contains(&step.name.as_str())) {
        let number = step.name.trim_start_matches('Q');
        let query =
            format!("SELECT sql FROM tpcds_queries('tpcds', 20, 0, 0.01, true) WHERE query = {number}");
        let query: String = one(&mut client, &query);
        assert_eq!(query.lines().any(|line| line == ";"), number != "3", "{query}");
        assert_eq!(step.rows, rows(&mut client, &query).len().to_string(), "{}", step.name);
    }
}

/// Interrupts the tests of a benchmark while they load a table and while they query one, and lets that table be missing.
fn interrupt_and_fail(family: &str, loaded: &str, queried: &str) {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute(&format!("CALL {family}_load(0)")).unwrap();
    let (loaded, queried) = (format!("{family}.{loaded}"), format!("{family}.{queried}"));
    let mut blocker = cluster.connect();
    let waiting = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass";
    let mut interrupted = |arguments: &[&str], table: &str, mode: &str| {
        let mut transaction = blocker.transaction().unwrap();
        transaction.batch_execute(&format!("LOCK TABLE {table} IN {mode} MODE")).unwrap();
        let child = on(&cluster, arguments).spawn().unwrap();
        wait_until("the lock to be met", || client.query_one(waiting, &[&table]).unwrap().get(0));
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        transaction.rollback().unwrap();
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(130), String::new()), "{said}");
        assert!(said.contains("millrace: interrupted\nHINT:  "), "{said}");
        assert!(said.ends_with(&format!("{}\n", arguments.join(" "))), "it says how to resume: {said}");
    };
    interrupted(&[family, "power", "--sf", "0.01", "--yes"], &loaded, "SHARE");
    succeed(on(&cluster, &[family, "power", "--sf", "0.01", "--yes"]));
    interrupted(&[family, "power", "--yes"], &queried, "ACCESS EXCLUSIVE");
    interrupted(&[family, "throughput", "--yes"], &queried, "ACCESS EXCLUSIVE");
    let mut client = cluster.connect();
    wait_until("the sessions' end", || {
        one(&mut client, "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'millrace'")
    });
    // An error of one stream ends all, and is the command's.
    client.batch_execute(&format!("ALTER TABLE {queried} RENAME TO elsewhere")).unwrap();
    let mut command = on(&cluster, &[family, "throughput", "--yes", "--streams", "4"]);
    let Output { status, stderr, .. } = command.output().unwrap();
    let said = text(&stderr);
    assert_eq!(status.code(), Some(1), "{said}");
    let why = format!("millrace: relation \"{queried}\" does not exist\nSQLSTATE:  42P01\n");
    assert!(said.contains(&why), "{said}");
}

#[test]
fn tests_of_tpc_h_are_interrupted_and_fail_in_order() {
    interrupt_and_fail("tpch", "lineitem", "region");
}

#[test]
fn tests_of_tpc_ds_are_interrupted_and_fail_in_order() {
    interrupt_and_fail("tpcds", "store_sales", "date_dim");
}

#[test]
fn two_tests_are_compared_without_a_server() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("compared-{}", std::process::id()));
    let place = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    // A power test of 99 queries, each of which takes as many milliseconds as its number says, or Q7 twice that.
    let write = |name: &str, factor: usize| {
        let line = |query: usize| {
            let milliseconds = if query == 7 { query * factor } else { query };
            format!("power,stream 0,{query},Q{query},,0.{milliseconds:03},1\n")
        };
        let head = "test,session,position,step,refresh_set,seconds,rows\n".to_owned();
        fs::create_dir_all(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("metrics.csv"), head + &(1..=99).map(line).collect::<String>())
            .unwrap();
    };
    write("earlier", 1);
    write("now", 2);
    let (earlier, now) = (place("earlier/metrics.csv"), place("now/metrics.csv"));
    let compare = |output: &str, more: &[&str]| {
        alone(&[&["report", &now, "--against", &earlier, "--output", &place(output)][..], more].concat())
    };
    let printed = succeed(compare("compared", &["--max-slowdown", "100"]));
    let verdict =
        "2 of 100 figures differ from the earlier report's by more than their spread: 0 faster, 2 slower.";
    let summary = fs::read_to_string(folder.join("compared/summary.md")).unwrap();
    assert!(printed.contains(verdict) && summary.contains(verdict), "{printed}");
    let rows = markdown_rows(&summary, "Steps against the earlier report");
    assert_eq!(rows[0], ["power", "whole test", "4.950", "4.957", "0.999", "0.0%", "SLOWER"]);
    assert_eq!(rows[7], ["power", "Q7", "0.007", "0.014", "0.500", "0.0%", "SLOWER"]);
    assert_eq!(rows.len(), 100);
    let marks = marks(&fs::read_to_string(folder.join("compared/report.html")).unwrap());
    let mark =
        |series: &str| marks[&("Steps of the power test".to_owned(), "Q7".to_owned(), series.to_owned())];
    assert_eq!((marks.len(), mark("earlier"), mark("now")), (2 * 99, 0.007, 0.014));
    let metrics = |name: &str| fs::read_to_string(folder.join(name).join("metrics.csv")).unwrap();
    assert_eq!(metrics("compared"), metrics("now"));

    let Output { status, stderr, .. } = compare("compared", &["--max-slowdown", "99"]).output().unwrap();
    let why = "millrace: 1 of 100 figures are slower than allowed; the most is Q7 of the power test, 0.500 times as fast\n";
    assert_eq!((status.code(), text(&stderr).as_str()), (Some(3), why));

    // Neither of the two is replaced, and other tests are not compared.
    for name in ["earlier", "now"] {
        let (code, said) = fail(compare(name, &[]));
        assert!(code == 2 && said.contains("the report would replace "), "{said}");
    }
    fs::write(&earlier, "test,session,step,seconds\npower,stream 0,Q1,0.001\n").unwrap();
    let (code, said) = fail(compare("compared", &[]));
    assert!(
        code == 1 && said.contains("the power test has 1 steps in it, 99 in this report\nHINT:  "),
        "{said}"
    );
    fs::remove_dir_all(&folder).unwrap();
}
