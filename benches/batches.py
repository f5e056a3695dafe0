#!/usr/bin/env python3
"""Measures the overhead of a batch, and what waiting for its commit costs.

First BATCHES batches of one row whose commits do not wait, compared with a loop of INSERT and COMMIT in PL/pgSQL. Then a run
of LONG_RUN such batches, whose last thousand should take as long as the first. Then, with fsync on, batches of 1 to 100,000 rows: each commit waiting for the disk, only the last of the call (option synchronous_commit),
and a client that sends the same rows as INSERTs, one for each batch. Contenders take turns; prints, and writes to its section of
benches/RESULTS.md, medians of RUNS.
"""

import os
import statistics

from side_by_side import RUNS, Cluster, compare, machine, table, write_section

BATCHES = int(os.environ.get("BATCHES", "20000"))
LONG_RUN = int(os.environ.get("LONG_RUN", "1000000"))
# Rows of a batch, and how many batches.
SIZES = {1: 1000, 100: 500, 1000: 100, 100_000: 5}


def ingest(rows, batch_rows, options="{}"):
    return f"CALL stream_ingest('t', 'iot', rows => {rows}, batch_rows => {batch_rows}, options => '{options}')"


def cost(cluster):
    """Seconds for all batches, commits not waiting."""
    loop = f"""DO $$ BEGIN FOR i IN 1..{BATCHES} LOOP
                   INSERT INTO t SELECT 1, 'temperature', now(), now(), i, 'good'; COMMIT;
               END LOOP; END $$"""
    off = "SET synchronous_commit = off"
    return {
        "INSERT and COMMIT in PL/pgSQL": lambda: cluster.sql(off, loop),
        "millrace": lambda: cluster.sql(off, ingest(BATCHES, 1)),
    }


def long_run(cluster, empty):
    """How long thousands of batches of one long run took, by the ledger: what grows with the run would show in the last."""
    thousands = {"1 to 1,000": 1, f"{LONG_RUN // 2 + 1:,} to {LONG_RUN // 2 + 1000:,}": LONG_RUN // 2 + 1,
                 f"{LONG_RUN - 999:,} to {LONG_RUN:,}": LONG_RUN - 999}
    times = {name: [] for name in thousands}
    for _ in range(RUNS):
        empty()
        cluster.sql(ingest(LONG_RUN, 1, '{"synchronous_commit": false}'))
        for name, first in thousands.items():
            times[name].append(float(cluster.sql(
                f"""SELECT extract(epoch FROM max(finished) - min(finished)) FROM millrace.batch
                    WHERE batch BETWEEN {first} AND {first + 999}""")))
    return table(f"A thousand batches of one run of {LONG_RUN:,}, commits not waiting", times, 1000)


def waiting(cluster, batch_rows, batches):
    """Seconds for some batches: by millrace in both ways, and by a client."""
    rows = batch_rows * batches
    script = cluster.folder / "client.sql"
    values = "format('(%s,%L,%L,%L,%s,%L)', device, metric, \"time\", arrival, coalesce(value::text, 'NULL'), quality)"
    script.write_text(cluster.sql(
        f"""SELECT 'INSERT INTO t VALUES ' || string_agg(replace({values}, ',NaN,', ',''NaN'','), ',') || ';'
            FROM (SELECT *, row_number() OVER () - 1 AS n FROM iot_gen({rows})) r GROUP BY n / {batch_rows}"""))
    script.chmod(0o644)
    return {
        "each commit waits": lambda: cluster.sql(ingest(rows, batch_rows)),
        "the last commit waits": lambda: cluster.sql(ingest(rows, batch_rows, '{"synchronous_commit": false}')),
        "INSERTs of a client": lambda: cluster.sql(f"\\i {script}"),
    }


def main():
    cluster = Cluster()
    cluster.sql("CREATE EXTENSION millrace", "CREATE TABLE t (LIKE iot_readings)")

    def empty():
        cluster.sql("SELECT stream_drop(run) FROM stream_progress", "TRUNCATE t", "VACUUM millrace.batch", "CHECKPOINT")

    times = compare(cost(cluster), empty)
    each = {name: 1000 * statistics.median(seconds) / BATCHES for name, seconds in times.items()}
    parts = [table(f"{BATCHES:,} batches of one row, commits not waiting", times, BATCHES),
             ", ".join(f"{name}: {ms:.3f} ms a batch" for name, ms in each.items()) + ".\n",
             long_run(cluster, empty)]
    for batch_rows, batches in SIZES.items():
        times = compare(waiting(cluster, batch_rows, batches), empty)
        lines = [f"### {batches:,} batches of {batch_rows:,} rows, fsync on", "", "| | median s | min | max | rows/s | commits/s |",
                 "|---|---|---|---|---|---|"]
        for name, seconds in times.items():
            median = statistics.median(seconds)
            lines.append(f"| {name} | {median:.3f} | {min(seconds):.3f} | {max(seconds):.3f} | {batches * batch_rows / median:,.0f} "
                         f"| {batches / median:,.0f} |")
        parts.append("\n".join(lines) + "\n")
    write_section("Batches", RUNS, machine(cluster), parts)
    cluster.remove()


if __name__ == "__main__":
    main()
