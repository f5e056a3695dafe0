"""DuckDB, with its generator of TPC-H: an extension that comes as a package of its own and is not signed."""

from importlib.resources import files

import duckdb


def connect(file=":memory:"):
    connection = duckdb.connect(str(file), config={"allow_unsigned_extensions": "true"})
    package = files("duckdb_extension_tpch") / "extensions" / f"v{duckdb.__version__}"
    connection.execute(f"LOAD '{package / 'tpch.duckdb_extension'}'")
    return connection
