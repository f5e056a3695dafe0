-- Streaming into tables. The loops are procedures because only they can commit; they have no SET clause
-- and are not SECURITY DEFINER, which would take that right away, so every name is qualified.

CREATE FUNCTION millrace.check_may_commit(statement text) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'check_may_commit_wrapper';
COMMENT ON FUNCTION millrace.check_may_commit(text) IS
'Refuses a statement that commits inside a transaction block or where nothing can be written';

CREATE FUNCTION millrace.open_run(
    target regclass, source text, sf double precision, rows bigint, batch_rows integer, workers integer,
    run text, variants regclass[], options jsonb
) RETURNS text
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'open_run_wrapper';
COMMENT ON FUNCTION millrace.open_run(regclass, text, double precision, bigint, integer, integer, text, regclass[], jsonb) IS
'Begins a run or finds the unfinished one, takes its lock for this session and returns its name';

CREATE FUNCTION millrace.check_query(target regclass, source text, rows bigint, options jsonb) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'check_query_wrapper';
COMMENT ON FUNCTION millrace.check_query(regclass, text, bigint, jsonb) IS
'Raises an error if the query of source "sql" cannot fill the target; nothing for other sources';

CREATE FUNCTION millrace.reopen_run(run text, adopt boolean, workers integer) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'reopen_run_wrapper';
COMMENT ON FUNCTION millrace.reopen_run(text, boolean, integer) IS
'Takes the lock of an existing run for this session; adopt: its targets are right as they are now';

CREATE FUNCTION millrace.close_run() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'close_run_wrapper';
COMMENT ON FUNCTION millrace.close_run() IS 'Ends the workers of this session and releases the run it holds';

CREATE FUNCTION millrace.start_workers(
    run text, workers integer, batches bigint, next_batch bigint, rate double precision
) RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'start_workers_wrapper';
COMMENT ON FUNCTION millrace.start_workers(text, integer, bigint, bigint, double precision) IS
'Starts workers that help this session with the run it holds, with its settings; returns the number of processes';

CREATE FUNCTION millrace.next_batch() RETURNS bigint
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'next_batch_wrapper';
COMMENT ON FUNCTION millrace.next_batch() IS
'Takes the next batch of the run this session holds; raises the error of a worker that failed';

CREATE FUNCTION millrace.add_rows(rows bigint) RETURNS bigint
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'add_rows_wrapper';
COMMENT ON FUNCTION millrace.add_rows(bigint) IS
'Adds rows this session committed; returns those of all its processes since they started';

CREATE FUNCTION millrace.stop_workers() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'stop_workers_wrapper';
COMMENT ON FUNCTION millrace.stop_workers() IS 'Asks the workers of this session to stop after their batch';

CREATE FUNCTION millrace.wait_for_workers(seconds double precision) RETURNS boolean
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'wait_for_workers_wrapper';
COMMENT ON FUNCTION millrace.wait_for_workers(double precision) IS
'Waits so long or until a worker ends; returns whether any is still at work, raises the error of one that failed';

CREATE FUNCTION millrace.ingest_batch(run text, batch bigint) RETURNS bigint
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'ingest_batch_wrapper';
COMMENT ON FUNCTION millrace.ingest_batch(text, bigint) IS
'Inserts one batch of a run and notes it in the ledger; returns the number of rows, 0 if it was there';

CREATE FUNCTION millrace.note_commit(run text, batch bigint, commit_ms double precision) RETURNS void
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
    UPDATE millrace.batch b SET commit_ms = note_commit.commit_ms
    WHERE b.run = note_commit.run AND b.batch = note_commit.batch;
    UPDATE millrace.batch_unlogged b SET commit_ms = note_commit.commit_ms
    WHERE b.run = note_commit.run AND b.batch = note_commit.batch;
$$;
COMMENT ON FUNCTION millrace.note_commit(text, bigint, double precision) IS
'Notes how long the commit of a batch took, which only the next transaction can know';

CREATE FUNCTION millrace.first_missing_batch(run text) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
    -- Batches are counted from 1, so a batch has its rank for a number as long as none before it is missing.
    SELECT 1 + min(coalesce(done.prefix, 0))
    FROM millrace.target t
    LEFT JOIN (
        SELECT target, count(*) FILTER (WHERE batch = rank) AS prefix
        FROM (
            SELECT b.target, b.batch, row_number() OVER (PARTITION BY b.target ORDER BY b.batch) AS rank
            FROM millrace.batches() b WHERE b.run = first_missing_batch.run
        ) ranked
        GROUP BY target
    ) done USING (target)
    WHERE t.run = first_missing_batch.run
$$;
COMMENT ON FUNCTION millrace.first_missing_batch(text) IS 'The first batch of a run that some target does not have';

CREATE FUNCTION millrace.progress_line(
    run text, rows_done bigint, rows_total bigint, rows_per_second double precision
) RETURNS text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT format(
        '%s: %s of %s rows (%s%%), %s rows/s, ETA %s',
        run, rows_done, rows_total, round(100.0 * rows_done / greatest(rows_total, rows_done, 1), 1),
        round(rows_per_second),
        make_interval(secs => round(greatest(rows_total - rows_done, 0) / nullif(rows_per_second, 0)))
    )
$$;
COMMENT ON FUNCTION millrace.progress_line(text, bigint, bigint, double precision) IS
'What stream_ingest reports about once a second';

CREATE FUNCTION millrace.load_progress_line(load text) RETURNS text
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT millrace.progress_line(load, whole.done, whole.total, recent.rows_per_second)
    FROM (
        SELECT sum(p.rows_done)::bigint AS done, sum(p.rows_total)::bigint AS total
        FROM millrace.run r JOIN @extschema@.stream_progress p ON p.run = r.name
        WHERE r.load = load_progress_line.load
    ) whole, (
        -- Tables differ in speed, and each begins slowly: the mean of the last ten seconds is steadier.
        SELECT sum(b.rows) / date_part('epoch', clock_timestamp() - greatest(
                   clock_timestamp() - make_interval(secs => 10),
                   min(b.finished - make_interval(secs => b.elapsed_ms / 1000)))) AS rows_per_second
        FROM millrace.run r JOIN millrace.batches() b ON b.run = r.name
        WHERE r.load = load_progress_line.load AND b.finished > clock_timestamp() - make_interval(secs => 10)
    ) recent
$$;
COMMENT ON FUNCTION millrace.load_progress_line(text) IS
'What tpch_load reports about once a second: the progress of all its runs';

CREATE FUNCTION millrace.stop_requested(run text) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
    -- A run that was dropped meanwhile has nothing left to do either.
    SELECT coalesce((SELECT r.stop_requested FROM millrace.run r WHERE r.name = stop_requested.run), true)
$$;
COMMENT ON FUNCTION millrace.stop_requested(text) IS 'Whether the session ingesting the run should stop';

-- The loop: one batch, one commit. Between two batches no snapshot is held, so vacuum is not held back.
-- Workers do the same beside it (src/ingest.rs), with batches taken from the same counter.
CREATE PROCEDURE millrace.ingest(run text, workers integer, analyze_every integer) LANGUAGE plpgsql AS $$
DECLARE
    batches bigint;
    rows_total bigint;
    rows_before bigint;
    rate float8;
    load text;
    first_batch bigint;
    batch bigint;
    rows bigint := 0;
    inserted bigint;
    due timestamptz;
    started timestamptz;
    shown timestamptz;
    paused timestamptz;
    commit_started timestamptz;
    commit_ms float8;
    committed bigint;
    elapsed float8;
    stop boolean := false;
    working boolean := true;
    on_cluster CONSTANT boolean := millrace.engine() OPERATOR(pg_catalog.<>) 'postgresql';
BEGIN
    SELECT r.batches, r.rows_estimated, r.rate, r.load INTO batches, rows_total, rate, load
    FROM millrace.run r WHERE r.name OPERATOR(pg_catalog.=) ingest.run;
    SELECT p.rows_done INTO rows_before
    FROM @extschema@.stream_progress p WHERE p.run OPERATOR(pg_catalog.=) ingest.run;
    first_batch := millrace.first_missing_batch(run);
    -- Makes the run visible to others. The lock is the session's and stays.
    COMMIT;
    IF first_batch <= batches AND load IS NULL THEN
        RAISE NOTICE 'run "%": % at batch % of %', run,
            CASE WHEN first_batch = 1 THEN 'starting' ELSE 'going on' END, first_batch, batches;
    END IF;
    IF first_batch <= batches AND first_batch > analyze_every THEN
        -- What the call before committed, but did not come to analyze.
        PERFORM millrace.bench_analyze_targets(run, (first_batch - 1) / analyze_every * analyze_every);
        COMMIT;
    END IF;
    started := pg_catalog.clock_timestamp();
    shown := started;
    rate := rate / millrace.start_workers(run, workers, batches, first_batch, rate);
    batch := millrace.next_batch();
    -- When no batch is left to take, the workers may still be at theirs.
    WHILE working LOOP
        due := NULL;
        IF batch <= batches AND NOT stop THEN
            IF committed IS NOT NULL THEN
                PERFORM millrace.note_commit(run, committed, commit_ms);
                IF on_cluster THEN
                    -- An update locks the ledger until it is committed: other runs would wait for the whole next batch.
                    COMMIT;
                END IF;
            END IF;
            due := pg_catalog.clock_timestamp();
            inserted := millrace.ingest_batch(run, batch);
            due := due + pg_catalog.make_interval(secs => inserted / rate);
            commit_started := pg_catalog.clock_timestamp();
            COMMIT;
            commit_ms := 1000 * pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - commit_started);
            committed := batch;
            rows := millrace.add_rows(inserted);
            batch := millrace.next_batch();
            -- After the last batch it is the benchmark's own step.
            IF batch <= batches AND (batch - 1) / analyze_every > (committed - 1) / analyze_every THEN
                paused := pg_catalog.clock_timestamp();
                PERFORM millrace.bench_analyze_targets(run, (batch - 1) / analyze_every * analyze_every);
                COMMIT;
                -- Not the ingest's time.
                started := started + (pg_catalog.clock_timestamp() - paused);
            END IF;
        ELSE
            working := millrace.wait_for_workers(0.25);
            COMMIT;
            rows := millrace.add_rows(0);
        END IF;
        LOOP
            elapsed := pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - started);
            IF pg_catalog.clock_timestamp() >= shown + pg_catalog.make_interval(secs => 1) THEN
                RAISE NOTICE '%', CASE
                    WHEN load IS NULL THEN millrace.progress_line(run, rows_before + rows, rows_total, rows / elapsed)
                    ELSE millrace.load_progress_line(load) END;
                shown := pg_catalog.clock_timestamp();
            END IF;
            IF NOT stop AND millrace.stop_requested(run) THEN
                stop := true;
                PERFORM millrace.stop_workers();
            END IF;
            EXIT WHEN stop OR due IS NULL OR batch > batches OR pg_catalog.clock_timestamp() >= due;
            -- Ahead of the pace asked for. Each nap is a transaction of its own, to hold no snapshot for long.
            PERFORM pg_catalog.pg_sleep_until(LEAST(
                due, pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => 0.25)));
            COMMIT;
        END LOOP;
    END LOOP;
    IF committed IS NOT NULL THEN
        PERFORM millrace.note_commit(run, committed, commit_ms);
    END IF;
    PERFORM millrace.close_run();
    COMMIT;
    IF millrace.first_missing_batch(run) <= batches THEN
        RAISE NOTICE 'run "%" stopped after % of % batches, as asked', run,
            (SELECT p.batches_done FROM @extschema@.stream_progress p
             WHERE p.run OPERATOR(pg_catalog.=) ingest.run), batches
            USING HINT = CASE WHEN EXISTS (
                SELECT FROM millrace.bench_table b WHERE b.run OPERATOR(pg_catalog.=) ingest.run)
                THEN 'CALL stream_bench() again, as before, to go on.' ELSE 'CALL stream_resume() to go on.' END;
    ELSIF (rows > 0 OR first_batch <= batches) AND load IS NULL THEN
        elapsed := pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - started);
        RAISE NOTICE 'run "%" done: % rows in % s, % rows/s', run, rows_before + rows,
            pg_catalog.round(elapsed::numeric, 1), pg_catalog.round(rows / elapsed);
    END IF;
END
$$;
COMMENT ON PROCEDURE millrace.ingest(text, integer, integer) IS
'Ingests the missing batches of the run this session holds, with so many processes; analyzes its tables after so many batches';

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
    -- Fails here, before any work, where the caller cannot commit for another reason.
    COMMIT;
    PERFORM millrace.check_query(target, source, rows, options);
    opened := millrace.open_run(target, source, sf, rows, batch_rows, workers, run, variants, options);
    CALL millrace.ingest(opened, workers, NULL);
END
$$;
COMMENT ON PROCEDURE stream_ingest(regclass, text, double precision, bigint, integer, integer, text, regclass[], jsonb) IS
'Loads a source into a table, one commit per batch. Cancelled or crashed, the same call goes on where it stopped';

CREATE PROCEDURE stream_resume(run text, adopt boolean DEFAULT false, workers integer DEFAULT 1)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM millrace.check_may_commit('CALL stream_resume');
    COMMIT;
    PERFORM millrace.reopen_run(run, adopt, workers);
    CALL millrace.ingest(run, workers, NULL);
END
$$;
COMMENT ON PROCEDURE stream_resume(text, boolean, integer) IS
'Goes on with an interrupted run. adopt: its target was rewritten or restored since, and its rows are still there';

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
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'stream_stop_wrapper';
COMMENT ON FUNCTION stream_stop(text) IS
'Asks a run to stop after the batch in flight; false if no session is ingesting it';

CREATE FUNCTION stream_drop(run text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp
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
'Makes the committed batches of a run again and compares them with the target''s rows, by content';
