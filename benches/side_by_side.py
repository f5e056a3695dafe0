#!/usr/bin/env python3
"""Loads and scans TPC-H's lineitem with millrace and with what people use today, in one run on one machine.

Contenders take turns, so that a machine whose speed drifts treats all alike. Prints, and writes to its section of
benches/RESULTS.md, the median of each with its spread and the ratio to millrace. RUNS and SF set how often
and how much, LARGE_RUNS and LARGE_SF the same for a table that is larger than memory for pages. Started by `make bench`, which installs the peers into target/bench. PG_TPCH may name a build of
pg_tpch's library (github.com/askyx/pg_tpch), which then takes part.
"""

import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCHES = ROOT / "benches"
PEERS = ROOT / "target" / "bench" / "bin"
RUNS = int(os.environ.get("RUNS", "5"))
SF = os.environ.get("SF", "1")
LARGE_RUNS = int(os.environ.get("LARGE_RUNS", "3"))
LARGE_SF = os.environ.get("LARGE_SF", "10")
PG_TPCH = os.environ.get("PG_TPCH")
STORED = ["SET millrace.enable_scan = off", "SET millrace.stream_function_scans = off"]
SETTINGS = {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "shared_preload_libraries": "millrace",
    "listen_addresses": "''",
}


class Cluster:
    """A temporary server, removed at the end."""

    def __init__(self, **settings):
        self.folder = Path(tempfile.mkdtemp(prefix="millrace."))
        self.folder.chmod(0o755)
        self.bin = run([ROOT / "scripts/prefix", self.folder / "pg", ROOT / "target/stage-pg"]).strip()
        self.server = self.folder / "server"
        self.server.mkdir()
        if os.getuid() == 0:
            shutil.chown(self.server, "postgres")
        self.as_server("initdb", "-D", self.server / "data", "-U", "postgres", "-A", "trust", "-N")
        options = " ".join(f"-c {name}={value}" for name, value in (SETTINGS | settings).items())
        self.as_server("pg_ctl", "-D", self.server / "data", "-w", "-s", "-l", self.server / "log",
                       "-o", f"-k {self.server} {options}", "start")

    def as_server(self, program, *arguments):
        subprocess.run([ROOT / "scripts/as-server-user", f"{self.bin}/{program}", *arguments],
                       check=True, cwd="/", stdout=subprocess.DEVNULL)

    def psql(self, *statements):
        command = [f"{self.bin}/psql", "-X", "-q", "-A", "-t", "-h", self.server, "-U", "postgres",
                   "-v", "ON_ERROR_STOP=1"]
        for statement in statements:
            command += ["-c", statement]
        return command

    def sql(self, *statements):
        return run(self.psql(*statements)).strip()

    def start(self, *statements):
        """A session of its own; returns when it has connected, not when it is done."""
        return subprocess.Popen([str(word) for word in self.psql(*statements)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def remove(self):
        self.as_server("pg_ctl", "-D", self.server / "data", "-m", "immediate", "-s", "stop")
        shutil.rmtree(self.folder)


def run(command):
    return subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout


def milliseconds(cluster, benchmark, queries, schema):
    """What each query takes on the tables or views of a schema; all must give their answers."""
    rows = [row.split("|") for row in cluster.sql(
        f"SELECT query, pass, round(milliseconds) FROM {benchmark}_validate('{schema}') ORDER BY query").splitlines()]
    assert len(rows) == queries and all(passed == "t" for _, passed, _ in rows), rows
    return [took for _, _, took in rows]


def compare(contenders, prepare=lambda: None, runs=RUNS, warm_up=1):
    """Times each contender `runs` times, taking turns, after a round that does not count."""
    times = {name: [] for name in contenders}
    for turn in range(1 - warm_up, runs + 1):
        for name, contender in contenders.items():
            prepare()
            start = time.perf_counter()
            contender()
            seconds = time.perf_counter() - start
            if turn > 0:
                times[name].append(seconds)
            print(f"{name}: {seconds:.3f} s", file=sys.stderr)
    return times


def table(title, times, rows=None):
    """The times in a table; with the speed, if `rows` says how many rows each contender handled."""
    first = statistics.median(next(iter(times.values())))
    lines = [f"### {title}", "", "| | median s | min | max | times the first |" + (" rows/s |" if rows else ""),
             "|---|---|---|---|---|" + ("---|" if rows else "")]
    for name, seconds in times.items():
        median = statistics.median(seconds)
        lines.append(f"| {name} | {median:.3f} | {min(seconds):.3f} | {max(seconds):.3f} | {median / first:.2f} |"
                     + (f" {rows / median:,.0f} |" if rows else ""))
    return "\n".join(lines) + "\n"


def write_section(title, runs, machine, parts):
    """Prints a section and puts it into benches/RESULTS.md, in the place of the one of that title. Those of the server
    that most figures are of have no version in their titles."""
    major = re.search(r"PostgreSQL (\d+)", machine)
    if major and major[1] != "15":
        title += f", PostgreSQL {major[1]}"
    how = "One run of each" if runs == 1 else f"Medians of {runs} runs that took turns, after one that did not count"
    section = "\n".join([f"## {title}", "", f"{how}. {machine}.",
                         "", *parts])
    print(section)
    file = ROOT / "benches" / "RESULTS.md"
    head, *sections = re.split(r"^(?=## )", file.read_text(), flags=re.M)
    places = [number for number, other in enumerate(sections) if other.startswith(f"## {title}\n")]
    if places:
        sections[places[0]] = section
    else:
        # The last section is export.py's.
        last = len(sections) - (bool(sections) and sections[-1].startswith("## Export\n"))
        sections.insert(last, section)
    file.write_text("\n".join(part.strip("\n") + "\n" for part in [head, *sections]))


def hardware():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return (f"{os.cpu_count()} cores of {model.group(1) if model else platform.processor()}, "
            f"{int(memory.group(1)) // 1048576} GiB")


def machine(cluster, *packages):
    versions = {
        "PostgreSQL": cluster.sql("SHOW server_version"),
        **{package: version(package) for package in packages},
    }
    return (f"{hardware()}; "
            + ", ".join(f"{name} {number}" for name, number in versions.items()) + "; "
            + ", ".join(f"{name} = {value}" for name, value in SETTINGS.items() if name != "listen_addresses"))


def version(package):
    listed = run([PEERS / "python", "-m", "pip", "list", "--format=freeze"])
    found = re.search(rf"^{package}==(.*)$", listed, re.M)
    return found.group(1) if found else "?"


def loads(cluster):
    def fresh():
        cluster.sql("DROP TABLE IF EXISTS lineitem", "SELECT stream_drop(run) FROM stream_progress",
                    "CREATE TABLE lineitem (LIKE tpch_lineitem)", "CHECKPOINT")

    binary = cluster.server / "lineitem.bin"
    cluster.sql("CREATE TABLE stored AS SELECT * FROM tpch_lineitem(%s)" % SF,
                f"COPY stored TO '{binary}' (FORMAT binary)")
    piped = f"{PEERS}/tpcgen-cli tpch csv -s {SF} --tables=lineitem --stdout -q"
    copied = f"\\copy lineitem FROM PROGRAM '{piped}' (FORMAT csv, HEADER)"
    rows = cluster.sql("SELECT count(*) FROM stored")
    series = f"""INSERT INTO lineitem SELECT g, g % 200000, g % 10000, g % 7, g % 50, g, 0.05, 0.02, 'N', 'O',
        date '1995-01-01' + g % 2000, date '1995-01-01' + g % 2000, date '1995-01-01' + g % 2000,
        'NONE', 'AIR', 'a comment of some length' FROM generate_series(1, {rows}) g"""
    contenders = {
        "stream_ingest": lambda: cluster.sql(f"CALL stream_ingest('lineitem', sf => {SF})"),
        "tpcgen-cli csv \\| COPY": lambda: cluster.sql(copied),
        "INSERT … SELECT from the function": lambda: cluster.sql(
            f"INSERT INTO lineitem SELECT * FROM tpch_lineitem({SF})"),
        "the same, its rows stored first": lambda: cluster.sql(
            *STORED, f"INSERT INTO lineitem SELECT * FROM tpch_lineitem({SF})"),
        "INSERT … SELECT from a table": lambda: cluster.sql("INSERT INTO lineitem TABLE stored"),
        "COPY binary from a file": lambda: cluster.sql(f"COPY lineitem FROM '{binary}' (FORMAT binary)"),
        "INSERT … SELECT from generate_series": lambda: cluster.sql(series),
        "DuckDB, CALL dbgen, all tables": lambda: run(
            [PEERS / "python", "-c", f"import sys; sys.path.insert(0, {str(BENCHES)!r}); import duck; duck.connect().execute('CALL dbgen(sf={SF})')"]),
    }
    if PG_TPCH:
        cluster.sql(f"""CREATE FUNCTION generate_lineitem(float8) RETURNS TABLE (rows bigint, heap_ms float8, index_ms float8)
            LANGUAGE c AS '{PG_TPCH}', 'generate_lineitem_wrapper'""")
        contenders["pg_tpch's generate_lineitem, which writes files without WAL"] = \
            lambda: cluster.sql(f"SELECT * FROM generate_lineitem({SF})")
    plain = compare(contenders, fresh)

    def indexed():
        fresh()
        cluster.sql("ALTER TABLE lineitem ADD PRIMARY KEY (l_orderkey, l_linenumber)",
                    "CREATE INDEX ON lineitem (l_partkey)", "CREATE INDEX ON lineitem (l_shipdate)", "CHECKPOINT")

    names = ["stream_ingest", "tpcgen-cli csv \\| COPY", "INSERT … SELECT from a table"]
    keyed = compare({name: contenders[name] for name in names}, indexed)
    cluster.sql("DROP TABLE stored")
    return [table(f"Loading lineitem at scale factor {SF}, WAL-logged heap, one session", plain),
            table("The same with primary key and two indexes", keyed)]


def large_loads(cluster):
    """The size where disks count; each contender's file or table is gone before the next begins."""
    def fresh():
        cluster.sql("DROP TABLE IF EXISTS lineitem", "SELECT stream_drop(run) FROM stream_progress",
                    "CREATE TABLE lineitem (LIKE tpch_lineitem)", "CHECKPOINT")

    piped = f"{PEERS}/tpcgen-cli tpch csv -s {LARGE_SF} --tables=lineitem --stdout -q"
    rows = 5_998_605.2 * float(LARGE_SF)
    times = compare({
        "stream_ingest": lambda: cluster.sql(f"CALL stream_ingest('lineitem', sf => {LARGE_SF})"),
        "stream_ingest, workers => 2": lambda: cluster.sql(f"CALL stream_ingest('lineitem', sf => {LARGE_SF}, workers => 2)"),
        "tpcgen-cli csv \\| COPY": lambda: cluster.sql(f"\\copy lineitem FROM PROGRAM '{piped}' (FORMAT csv, HEADER)"),
    }, fresh, LARGE_RUNS, warm_up=0)
    return [table(f"Loading lineitem at scale factor {LARGE_SF}, runs that count: {LARGE_RUNS}", times, rows)]


def workers(cluster):
    """One run by two processes, and two runs of half its size by a session each: the same number of rows in both."""
    def fresh():
        cluster.sql("DROP TABLE IF EXISTS lineitem, l1, l2", "SELECT stream_drop(run) FROM stream_progress", "CHECKPOINT")
        for name in ["lineitem", "l1", "l2"]:
            cluster.sql(f"CREATE TABLE {name} (LIKE tpch_lineitem)")

    def two_sessions():
        sessions = [cluster.start(f"CALL stream_ingest('{name}', 'lineitem', sf => {SF})") for name in ["l1", "l2"]]
        for session in sessions:
            assert session.wait() == 0

    double = 2 * float(SF)
    return [table(f"Twice the rows of scale factor {SF}", compare({
        "one run, workers => 2": lambda: cluster.sql(f"CALL stream_ingest('lineitem', sf => {double}, workers => 2)"),
        "two sessions, a table each": two_sessions,
        "one run, one process": lambda: cluster.sql(f"CALL stream_ingest('lineitem', sf => {double})"),
    }, fresh))]


def scans(cluster):
    queries = {
        "SELECT count(*)": f"SELECT count(*) FROM tpch_gen('lineitem', {SF})",
        "sum over two columns": f"SELECT sum(l_quantity), sum(l_extendedprice) FROM tpch_gen('lineitem', {SF})",
        "LIMIT 5 at scale factor 100": "SELECT * FROM tpch_gen('lineitem', 100) LIMIT 5",
    }
    alone = "SET max_parallel_workers_per_gather = 0"
    tables = []
    for name, query in queries.items():
        contenders = {
            "streaming scan": lambda query=query: cluster.sql(alone, query),
            "function scan that streams": lambda query=query: cluster.sql(alone, "SET millrace.enable_scan = off", query),
        }
        if "100" not in name:
            contenders["function scan that stores its rows first"] = lambda query=query: cluster.sql(alone, *STORED, query)
        tables.append(table(name, compare(contenders)))
    query = f"SELECT l_returnflag, sum(l_quantity) FROM tpch_gen('lineitem', {SF}) GROUP BY 1"
    tables.append(table("Sum by flag, leader and workers", compare({
        "leader and one worker": lambda: cluster.sql("SET max_parallel_workers_per_gather = 1", query),
        "one process": lambda: cluster.sql(alone, query),
    })))
    return tables


def whole_rows(cluster):
    """Rows that a query only passes on, to a client or into a table: threads make them, unless function scans do not stream."""
    rows = f"SELECT * FROM tpch_gen('lineitem', {SF})"
    queries = {"COPY of all columns": f"COPY ({rows}) TO '/dev/null'", "CREATE TABLE AS": f"CREATE TABLE made AS {rows}"}
    return [table(name, compare({
        "function scan that streams": lambda query=query: cluster.sql(query),
        "streaming scan": lambda query=query: cluster.sql("SET millrace.stream_function_scans = off", query),
    }, lambda: cluster.sql("DROP TABLE IF EXISTS made", "CHECKPOINT"))) for name, query in queries.items()]


def first_texts(cluster):
    """What a session's first query takes, where the server has the text that comments are cut from, and where not."""
    queries = {
        "LIMIT 5, no text": "SELECT l_orderkey FROM tpch_gen('lineitem', 100) LIMIT 5",
        "LIMIT 5, with comments": "SELECT l_comment FROM tpch_gen('lineitem', 100) LIMIT 5",
        "25 comments": "SELECT count(n_comment) FROM tpch_nation()",
        "600,572 comments": "SELECT count(l_comment) FROM tpch_lineitem(0.1)",
    }

    def milliseconds(cluster, query):
        return float(re.search(r"Time: ([0-9.]+) ms", cluster.sql("\\timing on", query))[1])

    unloaded = Cluster(shared_preload_libraries="''")
    try:
        unloaded.sql("CREATE EXTENSION millrace")
        lines = ["### The first query of a session, with library and text loaded by the server, or by the session", "",
                 "| | by the server, ms | by the session, ms |", "|---|---|---|"]
        for name, query in queries.items():
            medians = [statistics.median(milliseconds(place, query) for _ in range(RUNS)) for place in [cluster, unloaded]]
            lines.append(f"| {name} | {medians[0]:.1f} | {medians[1]:.1f} |")
    finally:
        unloaded.remove()
    return ["\n".join(lines) + "\n"]


def peak_memory(cluster, statement):
    """The most memory in MiB that the backend of a call has meanwhile, shared buffers not counted."""
    call = cluster.start(statement)
    peak = 0
    while call.poll() is None:
        peak = max(peak, int(cluster.sql(
            f"""SELECT coalesce(sum((regexp_match(line, '([0-9]+) kB'))[1]::bigint), 0)
                FROM pg_stat_activity a,
                     regexp_split_to_table(pg_read_file(format('/proc/%s/smaps_rollup', a.pid), 0, 65536, true), E'\\n') line
                WHERE a.query = $${statement}$$ AND line LIKE 'Anonymous:%'""")))
        time.sleep(0.1)
    assert call.returncode == 0
    return peak // 1024


def growth(cluster):
    lines = ["### Growth: stream_ingest of lineitem, a session each", "",
             "At scale factor 5 the table is larger than shared_buffers: pages are written to its file while others come.", "",
             "| scale factor | rows | µs per row | peak memory of the backend, without buffers, MiB |",
             "|---|---|---|---|"]
    for sf in ["0.1", "1", "5"]:
        cluster.sql("DROP TABLE IF EXISTS lineitem", "SELECT stream_drop(run) FROM stream_progress",
                    "CREATE TABLE lineitem (LIKE tpch_lineitem)", "CHECKPOINT")
        memory = peak_memory(cluster, f"CALL stream_ingest('lineitem', sf => {sf})")
        rows, micros = cluster.sql(
            "SELECT rows, round(seconds * 1e6 / rows, 3) FROM stream_report('public.lineitem')").split("|")
        lines.append(f"| {sf} | {rows} | {micros} | {memory} |")
    return ["\n".join(lines) + "\n"]


def main():
    cluster = Cluster()
    try:
        cluster.sql("CREATE EXTENSION millrace")
        parts = (scans(cluster) + whole_rows(cluster) + loads(cluster) + large_loads(cluster) + workers(cluster)
                 + first_texts(cluster) + growth(cluster))
        write_section("TPC-H beside its peers", RUNS, machine(cluster, "tpcgen-cli", "duckdb"), parts)
    finally:
        cluster.remove()


if __name__ == "__main__":
    main()
