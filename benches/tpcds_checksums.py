#!/usr/bin/env python3
"""Writes pgrx-tests/tests/dsdgen.sha256, the checksums of TPC-DS's tables as tpcgen-cli makes them.

A line has scale factor, table, number of rows and the SHA-256 of the table as COPY prints it: fields between bars, nothing
for null. Run it with `python3 benches/tpcds_checksums.py [SF ...]`, after `make target/bench/installed`.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUMS = ROOT / "pgrx-tests/tests/dsdgen.sha256"
TPCGEN = ROOT / "target/bench/bin/tpcgen-cli"


def of_lines(lines):
    digest, rows = hashlib.sha256(), 0
    for line in lines:
        digest.update(line)
        rows += 1
    return rows, digest.hexdigest()


def of_tpcgen(sf):
    """Number of rows and checksum of each table."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([TPCGEN, "tpcds", "dat", "-s", str(sf), "-o", folder], check=True, stdout=subprocess.DEVNULL)
        sums = {}
        for file in sorted(Path(folder).glob("*.dat")):
            with file.open("rb") as lines:
                # A bar ends each line.
                sums[file.stem] = of_lines(line.removesuffix(b"|\n") + b"\n" for line in lines)
    # It says when it was made.
    sums.pop("dbgen_version", None)
    return sums


def main():
    factors = sys.argv[1:] or ["0.01", "0.1", "1"]
    kept = [line for line in SUMS.read_text().splitlines() if line.split()[0] not in factors] if SUMS.exists() else []
    written = [f"{sf} {name} {rows} {digest}" for sf in factors for name, (rows, digest) in of_tpcgen(sf).items()]
    SUMS.write_text("".join(f"{line}\n" for line in sorted(kept + written)))


if __name__ == "__main__":
    main()
