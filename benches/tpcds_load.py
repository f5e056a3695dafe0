#!/usr/bin/env python3
"""Loads all of TPC-DS by millrace and by its peers, counts and exports its rows, and runs the 99 queries on what was loaded
and on views over generation.

Contenders take turns, after a round that does not count. The queries' results are compared with their answers. Prints, and
writes to its section of benches/RESULTS.md, medians. RUNS and SF (0.01, 0.1 or 1: others have no answers) set how often and how
much. Started by `make bench-tpcds`, with the Python of target/bench, which has DuckDB.
"""

import os
import shutil
import tempfile
from pathlib import Path

import duck
from side_by_side import PEERS, Cluster, compare, machine, milliseconds, run, table, write_section

RUNS = int(os.environ.get("RUNS", "3"))
SF = float(os.environ.get("SF", "1"))


def tables(cluster):
    return cluster.sql("SELECT name FROM tpcds_tables()").split()


def loads(cluster, file):
    def fresh():
        cluster.sql("SELECT stream_drop(run) FROM stream_progress", "DROP SCHEMA IF EXISTS tpcds CASCADE",
                    "CALL tpcds_load(0, keys => false, \"analyze\" => false)", "CHECKPOINT")

    def by_copy():
        for name in tables(cluster):
            piped = f"{PEERS}/tpcgen-cli tpcds csv -s {SF} --tables={name} --stdout -q"
            cluster.sql(f"\\copy tpcds.{name} FROM PROGRAM '{piped}' (FORMAT csv, HEADER)")

    load = f"CALL tpcds_load({SF}, keys => false, \"analyze\" => false"
    times = compare({
        "tpcds_load": lambda: cluster.sql(f"{load})"),
        "tpcds_load, workers => 2": lambda: cluster.sql(f"{load}, workers => 2)"),
        "tpcgen-cli csv \\| COPY, a table after the other": by_copy,
        "DuckDB, CALL dsdgen into a file": lambda: duck.load(file, "tpcds", f"CALL dsdgen(sf={SF})"),
    }, fresh, RUNS)
    whole = compare({
        "with primary and foreign keys and statistics": lambda: cluster.sql(f"CALL tpcds_load({SF})"),
        "the same, workers => 2": lambda: cluster.sql(f"CALL tpcds_load({SF}, workers => 2)"),
    }, fresh, 1, warm_up=0)
    return [table(f"All 24 tables at scale factor {SF:g}, rows only, WAL-logged heap, one session", times),
            table("The whole load, one run of each", whole)]


def scans(cluster):
    function = "SET millrace.enable_scan = off"
    count = f"SELECT count(*) FROM tpcds_store_sales({SF})"
    counts = compare({
        "streaming scan": lambda: cluster.sql(count),
        "function scan that streams": lambda: cluster.sql(function, count),
        "function in the select list, which makes whole rows": lambda: cluster.sql(
            f"SELECT count(*) FROM (SELECT tpcds_store_sales({SF})) s"),
    }, runs=RUNS)
    return [table("SELECT count(*) of store_sales", counts)]


def exports(cluster, folder):
    target = folder / "parquet"

    def fresh():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(mode=0o777)
        target.chmod(0o777)
        os.sync()

    def ours(threads):
        cluster.sql(f"SELECT count(*) FROM tpcds_export('all', {SF}, '{target}', threads => {threads})")

    def theirs(threads):
        run([PEERS / "tpcgen-cli", "tpcds", "parquet", "-s", SF, "-o", target, "--num-threads", threads, "-q"])

    contenders = {}
    for threads in (1, 2):
        contenders[f"tpcds_export, threads => {threads}"] = lambda threads=threads: ours(threads)
        contenders[f"tpcgen-cli, --num-threads {threads}"] = lambda threads=threads: theirs(threads)
    return [table("Parquet of all 24 tables", compare(contenders, fresh, RUNS))]


def queries(cluster):
    cluster.sql("SELECT tpcds_drop()", f"CALL tpcds_load({SF})", f"SELECT tpcds_virtual('made', {SF})", "CHECKPOINT")
    loaded, made = (milliseconds(cluster, "tpcds", 99, schema) for schema in ("tpcds", "made"))
    lines = [f"### The 99 queries at scale factor {SF:g}", "",
             f"All give their answers, {len(loaded)} of 99 on loaded tables and {len(made)} of 99 on views over generation. Milliseconds of one run",
             "of each, with keys and without other indexes, work_mem 4MB, as tpcds_validate runs them: those marked * in another form",
             "than the specification's (docs/tpcds_queries.md).", "",
             "| query | loaded | views |", "|---|---|---|"]
    other = set(cluster.sql("SELECT a.query FROM tpcds_queries() a JOIN tpcds_queries(decorrelated => true) b USING (query)"
                            " WHERE a.sql <> b.sql").split())
    lines += [f"| {number}{'*' if str(number) in other else ''} | {tables} | {views} |"
              for number, (tables, views) in enumerate(zip(loaded, made), 1)]
    lines.append(f"| all | {sum(map(int, loaded))} | {sum(map(int, made))} |")
    return ["\n".join(lines) + "\n"]


def main():
    cluster = Cluster()
    try:
        cluster.sql("CREATE EXTENSION millrace")
        with tempfile.TemporaryDirectory(prefix="millrace.") as name:
            folder = Path(name)
            folder.chmod(0o755)
            parts = loads(cluster, folder / "duck.db") + scans(cluster) + exports(cluster, folder) + queries(cluster)
        write_section("TPC-DS beside its peers, and its queries", RUNS, machine(cluster, "tpcgen-cli", "duckdb"), parts)
    finally:
        cluster.remove()


if __name__ == "__main__":
    main()
