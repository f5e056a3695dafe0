#!/usr/bin/env python3
"""Compares the cost of a run with an empty ledger and with one that has a million batches of a hundred finished runs.

Starts and finishes a small run, resumes one, asks for its progress, report and verification, drops it, and asks for the progress of
all. HISTORY_RUNS and HISTORY_BATCHES set how long the history is, RUNS how often each is timed. Prints a table; the time that
psql takes to connect is in all of them.
"""

import os
import statistics
import subprocess

from side_by_side import ROOT, Cluster, compare

RUNS = int(os.environ.get("RUNS", "5"))
HISTORY_RUNS = int(os.environ.get("HISTORY_RUNS", "100"))
HISTORY_BATCHES = int(os.environ.get("HISTORY_BATCHES", "10000"))

# Each finds the table and the run as `prepare` leaves them: interrupted after two of five batches.
CALL = "CALL stream_ingest('nation', batch_rows => 5, run => 'nation')"
STEPS = {
    "nothing": ["SELECT 1"],
    "start": ["CALL stream_ingest('region', run => 'region')"],
    "resume": ["CALL stream_resume('nation')"],
    "progress of one run": ["SELECT * FROM stream_progress WHERE run = 'nation'"],
    "report": ["SELECT * FROM stream_report('nation')"],
    "verify": ["SELECT * FROM stream_verify('nation')"],
    "drop": ["SELECT stream_drop('nation')"],
    "progress of all runs": ["SELECT * FROM stream_progress"],
    "tpch_load(0.01)": ["CALL tpch_load(0.01)"],
}


def prepare(cluster):
    cluster.sql("DROP SCHEMA IF EXISTS tpch CASCADE", "DROP TABLE IF EXISTS nation, region",
                "SELECT stream_drop(name) FROM millrace.run WHERE name NOT LIKE 'history%'",
                "CREATE TABLE region (LIKE tpch_region)",
                "CREATE TABLE nation (LIKE tpch_nation, CONSTRAINT half CHECK (n_nationkey < 12))")
    try:
        cluster.sql(CALL)
    except subprocess.CalledProcessError:
        pass  # At its third batch, as meant.
    cluster.sql("ALTER TABLE nation DROP CONSTRAINT half")


def fill(cluster):
    text = (ROOT / "pgrx-tests/history.sql").read_text()
    text = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    text = text.replace("{runs}", str(HISTORY_RUNS)).replace("{batches}", str(HISTORY_BATCHES))
    cluster.sql(*(statement for statement in text.split(";") if statement.strip()), "CHECKPOINT")


def main():
    clusters = {"empty": Cluster(), "history": Cluster()}
    for cluster in clusters.values():
        cluster.sql("CREATE EXTENSION millrace")
    fill(clusters["history"])
    print(f"Medians of {RUNS}, in milliseconds; {HISTORY_RUNS} runs of {HISTORY_BATCHES} batches.\n")
    print("| | empty ledger | with history | difference | ratio |\n|---|---|---|---|---|")
    for name, statements in STEPS.items():
        def both():
            for cluster in clusters.values():
                prepare(cluster)
        times = compare({key: lambda cluster=cluster: cluster.sql(*statements) for key, cluster in clusters.items()}, both, RUNS)
        empty, history = (1000 * statistics.median(times[key]) for key in ("empty", "history"))
        print(f"| {name} | {empty:.1f} | {history:.1f} | {history - empty:+.1f} | {history / empty:.2f} |")
    for cluster in clusters.values():
        cluster.remove()


if __name__ == "__main__":
    main()
