-- Streaming into tables. The loops are procedures because only procedures can commit. A SET clause or SECURITY
-- DEFINER would forbid that, so they have neither and qualify every name.

CREATE FUNCTION millrace.check_may_commit(statement text) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'check_may_commit_wrapper';
COMMENT ON FUNCTION millrace.check_may_commit(text) IS
'Refuses a statement that commits inside a transaction block or where nothing can be written';

CREATE FUNCTION millrace.check_cancelled() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'check_cancelled_wrapper';
COMMENT ON FUNCTION millrace.check_cancelled() IS
'Raises a cancel that came while a commit of this call waited for a standby, which the server forgets. Call it after each commit';

CREATE FUNCTION millrace.open_run(
    target regclass, source text, sf double precision, rows bigint, batch_rows integer, workers integer,
    run text, variants regclass[], options jsonb
) RETURNS text
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'open_run_wrapper';
COMMENT ON FUNCTION millrace.open_run(regclass, text, double precision, bigint, integer, integer, text, regclass[], jsonb) IS
'Begins a run or finds the unfinished one, takes its lock until the transaction ends and returns its name';

CREATE FUNCTION millrace.check_query(target regclass, source text, rows bigint, options jsonb) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'check_query_wrapper';
COMMENT ON FUNCTION millrace.check_query(regclass, text, bigint, jsonb) IS
'Raises an error if the query of source "sql" cannot fill the target; nothing for other sources';

CREATE FUNCTION millrace.reopen_run(run text, adopt boolean, workers integer) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'reopen_run_wrapper';
COMMENT ON FUNCTION millrace.reopen_run(text, boolean, integer) IS
'Readies an existing run and takes its lock until the transaction ends; adopt: accepts its targets as they are now';

CREATE FUNCTION millrace.begin_ingest(run text, workers integer, analyze_every integer, readers integer) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'begin_ingest_wrapper';
COMMENT ON FUNCTION millrace.begin_ingest(text, integer, integer, integer) IS
'Takes a run''s lock for this session, which will ingest the run in this number of processes while this number of others read its tables, and will analyze the tables after every analyze_every batches';

CREATE FUNCTION millrace.ingest_step() RETURNS boolean
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'ingest_step_wrapper';
COMMENT ON FUNCTION millrace.ingest_step() IS
'Takes the next step, such as a batch, of the run that this session ingests; the caller commits it. False after the last step';

-- The loop: one step, one commit. The steps are in src/runs/session.rs. AND CHAIN keeps the isolation level of the first
-- transaction. READ COMMITTED is enough, since a primary key prevents a batch from being there twice.
CREATE PROCEDURE millrace.ingest(run text, workers integer, analyze_every integer, readers integer DEFAULT 0) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM millrace.begin_ingest(run, workers, analyze_every, readers);
    COMMIT AND CHAIN;
    WHILE millrace.ingest_step() LOOP
        COMMIT AND CHAIN;
    END LOOP;
    COMMIT AND CHAIN;
END
$$;
COMMENT ON PROCEDURE millrace.ingest(text, integer, integer, integer) IS
'Ingests the missing batches of a run that was opened in this transaction; the other arguments are those of begin_ingest()';

CREATE PROCEDURE stream_ingest(
    target regclass,
    source text DEFAULT NULL,
    sf double precision DEFAULT NULL,
    rows bigint DEFAULT NULL,
    batch_rows integer DEFAULT 100000,
    workers integer DEFAULT 1,
    run text DEFAULT NULL,
    variants regclass[] DEFAULT NULL,
    options jsonb DEFAULT '{}'
) LANGUAGE plpgsql AS $$
DECLARE
    opened text;
BEGIN
    PERFORM millrace.check_may_commit('CALL stream_ingest');
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM millrace.check_query(target, source, rows, options);
    opened := millrace.open_run(target, source, sf, rows, batch_rows, workers, run, variants, options);
    CALL millrace.ingest(opened, workers, NULL);
END
$$;
COMMENT ON PROCEDURE stream_ingest(regclass, text, double precision, bigint, integer, integer, text, regclass[], jsonb) IS
'Loads a source into a table, one commit per batch. Run the same call again to resume after a cancel or a crash';

CREATE PROCEDURE stream_resume(run text, adopt boolean DEFAULT false, workers integer DEFAULT 1)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM millrace.check_may_commit('CALL stream_resume');
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM millrace.reopen_run(run, adopt, workers);
    CALL millrace.ingest(run, workers, NULL);
END
$$;
COMMENT ON PROCEDURE stream_resume(text, boolean, integer) IS
'Resumes an interrupted run. adopt: its target was rewritten or restored since, and its rows are still there';

CREATE FUNCTION stream_plan(
    source text, sf double precision DEFAULT NULL, rows bigint DEFAULT NULL, batch_rows integer DEFAULT 100000,
    options jsonb DEFAULT '{}',
    OUT batch bigint, OUT first_unit bigint, OUT units bigint, OUT rows_in_batch bigint
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'stream_plan_wrapper';
COMMENT ON FUNCTION stream_plan(text, double precision, bigint, integer, jsonb) IS
'The batches that stream_ingest with these arguments would commit: their units, counted from 0 (orders for lineitem, parts for partsupp, else rows), and their rows';

CREATE FUNCTION stream_stop(run text) RETURNS boolean
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'stream_stop_wrapper';
COMMENT ON FUNCTION stream_stop(text) IS
'Asks a run to stop after the batch in flight; false if no session is ingesting it';

CREATE FUNCTION stream_drop(run text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'stream_drop_wrapper';
COMMENT ON FUNCTION stream_drop(text) IS 'Forgets a run that is not running; the rows it loaded stay';

CREATE FUNCTION stream_verify(
    run text,
    OUT target text, OUT batches bigint, OUT rows_expected bigint, OUT rows_found bigint,
    OUT matches boolean, OUT detail text
) RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 1
AS 'MODULE_PATHNAME', 'stream_verify_wrapper';
COMMENT ON FUNCTION stream_verify(text) IS
'Makes the committed batches of a run again and compares them by content with the rows that the caller sees in the target';
