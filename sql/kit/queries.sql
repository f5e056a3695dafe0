-- Running the queries of a benchmark.

CREATE FUNCTION millrace.kit_title(benchmark text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kit_title_wrapper';
COMMENT ON FUNCTION millrace.kit_title(text) IS 'The name of a benchmark as the TPC writes it';

CREATE FUNCTION millrace.run_query(query text) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'run_query_wrapper';
COMMENT ON FUNCTION millrace.run_query(text) IS 'Runs a query to its end, and discards its rows';

CREATE FUNCTION millrace.query_rows(query text) RETURNS SETOF json
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'query_rows_wrapper';
COMMENT ON FUNCTION millrace.query_rows(text) IS
'Runs a query, or two with a semicolon on a line of its own between them; one JSON object per row, with the columns in order';

-- In PL/pgSQL because only the server's own handlers set right on Cloudberry what an error leaves behind.
CREATE FUNCTION millrace.try_query(query text, OUT rows text[], OUT error text) RETURNS record
LANGUAGE plpgsql VOLATILE STRICT AS $$
BEGIN
    rows := ARRAY(SELECT r::text FROM millrace.query_rows(query) r);
EXCEPTION
    -- The tables are not there, or not for the caller: that is no result of a query.
    WHEN undefined_table OR undefined_column OR insufficient_privilege THEN
        RAISE;
    WHEN others THEN
        error := SQLERRM;
END
$$;
COMMENT ON FUNCTION millrace.try_query(text) IS
'The rows of a query as millrace.query_rows() has them, or the message of the error that it failed with';
