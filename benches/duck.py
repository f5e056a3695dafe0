"""DuckDB, with its generators of TPC-H and TPC-DS: extensions that come as packages of their own and are not signed."""

from importlib.resources import files

import duckdb


def connect(file=":memory:", generator="tpch"):
    connection = duckdb.connect(str(file), config={"allow_unsigned_extensions": "true"})
    package = files(f"duckdb_extension_{generator}") / "extensions" / f"v{duckdb.__version__}"
    connection.execute(f"LOAD '{package / generator}.duckdb_extension'")
    return connection
