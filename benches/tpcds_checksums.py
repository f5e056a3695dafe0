#!/usr/bin/env python3
"""Writes pgrx-tests/tests/dsdgen.sha256, the checksums of TPC-DS's tables as two other programs make them: DuckDB's port of
dsdgen, and tpcgen-cli. Both must agree, or it says in which tables they do not, and takes DuckDB's.

A line has scale factor, table, number of rows and the SHA-256 of the table as COPY prints it: fields between bars, nothing
for null. Run it with `target/bench/bin/python benches/tpcds_checksums.py [SF ...]`, after `make target/bench/installed`.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from duck import connect

ROOT = Path(__file__).resolve().parent.parent
SUMS = ROOT / "pgrx-tests/tests/dsdgen.sha256"
TPCGEN = ROOT / "target/bench/bin/tpcgen-cli"


def of_lines(lines):
    digest, rows = hashlib.sha256(), 0
    for line in lines:
        digest.update(line)
        rows += 1
    return rows, digest.hexdigest()


def by_duckdb(sf, folder):
    """Number of rows and checksum of each table."""
    database = connect(folder / "duckdb", "tpcds")
    database.execute("SET preserve_insertion_order = true")
    database.execute(f"CALL dsdgen(sf={sf})")
    sums = {}
    for (name,) in database.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall():
        file = folder / "rows"
        database.execute(f"COPY {name} TO '{file}' (FORMAT csv, HEADER false, DELIMITER '|', QUOTE '', NULL '')")
        with file.open("rb") as lines:
            sums[name] = of_lines(lines)
        file.unlink()
    database.close()
    folder.joinpath("duckdb").unlink()
    return sums


def by_tpcgen(sf, folder):
    subprocess.run([TPCGEN, "tpcds", "dat", "-s", str(sf), "-o", folder / "dat"], check=True, stdout=subprocess.DEVNULL)
    sums = {}
    for file in sorted(folder.joinpath("dat").glob("*.dat")):
        with file.open("rb") as lines:
            # A bar ends each line.
            sums[file.stem] = of_lines(line.removesuffix(b"|\n") + b"\n" for line in lines)
        file.unlink()
    return sums


def main():
    factors = sys.argv[1:] or ["0.01", "0.1", "1"]
    kept = [line for line in SUMS.read_text().splitlines() if line.split()[0] not in factors] if SUMS.exists() else []
    written = []
    for sf in factors:
        with tempfile.TemporaryDirectory() as folder:
            theirs, tpcgen = by_duckdb(sf, Path(folder)), by_tpcgen(sf, Path(folder))
        for name, (rows, digest) in theirs.items():
            if tpcgen[name] != (rows, digest):
                print(f"{name} at {sf}: DuckDB {rows} rows, tpcgen-cli {tpcgen[name][0]} rows, or their values differ")
            written.append(f"{sf} {name} {rows} {digest}")
        agree = sum(theirs[name] == tpcgen[name] for name in theirs)
        print(f"scale factor {sf}: {agree} of {len(theirs)} tables are the same by DuckDB and tpcgen-cli")
    SUMS.write_text("".join(f"{line}\n" for line in sorted(kept + written)))


main()
