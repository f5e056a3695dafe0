#!/usr/bin/env python3
"""Writes crates/millrace-sources/src/tpch/answers/SF.gz: the answers to TPC-H's 22 queries with validation
parameters, as DuckDB's extension tpch carries them (tpch_answers()). Before that, shows that they are right:
DuckDB's own queries on DuckDB's own data give them.

Run it with `target/bench/bin/python benches/tpch_answers.py`, after `make target/bench`.
"""

import gzip
from decimal import Decimal
from pathlib import Path

import duckdb

FOLDER = Path(__file__).resolve().parent.parent / "crates/millrace-sources/src/tpch/answers"


def same(found, answer):
    """Whether a value is what the answer prints. Only floating-point noise is allowed for."""
    if found is None:
        return answer == ""
    if isinstance(found, (float, Decimal)):
        return abs(float(found) - float(answer)) <= 1e-9 * max(1, abs(float(answer)))
    return str(found) == answer


def main():
    for sf in (0.01, 0.1, 1):
        connection = duckdb.connect()
        connection.execute(f"CALL dbgen(sf={sf})")
        queries = dict(connection.execute("SELECT query_nr, query FROM tpch_queries()").fetchall())
        answers = dict(connection.execute(
            "SELECT query_nr, answer FROM tpch_answers() WHERE scale_factor = ?", [sf]).fetchall())
        text = ""
        for number in range(1, 23):
            header, *rows = answers[number].splitlines()
            found = connection.execute(queries[number]).fetchall()
            assert len(found) == len(rows), f"query {number} at {sf}: {len(found)} rows for {len(rows)}"
            for row, answer in zip(found, rows):
                values = answer.split("|")
                assert len(row) == len(values) and all(map(same, row, values)), \
                    f"query {number} at {sf}: {row} for {answer}"
            text += "\n".join([f"#{number}", header, *rows]) + "\n"
        FOLDER.joinpath(f"{sf}.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
        print(f"scale factor {sf}: DuckDB {duckdb.__version__}'s 22 answers are what its queries give on its data")


main()
