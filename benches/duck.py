"""DuckDB, with its generators of TPC-H and TPC-DS: extensions that come as packages of their own and are not signed."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import duckdb


def connect(file=":memory:", generator="tpch"):
    connection = duckdb.connect(str(file), config={"allow_unsigned_extensions": "true"})
    package = files(f"duckdb_extension_{generator}") / "extensions" / f"v{duckdb.__version__}"
    connection.execute(f"LOAD '{package / generator}.duckdb_extension'")
    return connection


def load(file, generator, *statements):
    """Runs statements on a new file, in a process of its own, as DuckDB's memory is the process's."""
    file.unlink(missing_ok=True)
    program = f"from duck import connect; c = connect({str(file)!r}, {generator!r}); [c.execute(s) for s in {statements!r}]; c.close()"
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL, cwd=Path(__file__).parent)
