-- Views and reports of runs.

CREATE VIEW stream_batches AS
SELECT b.run, b.batch, t.name AS target, b.rows, b.elapsed_ms, b.generate_ms, b.insert_ms,
       -- How long a commit took is known only afterwards: the process's next batch notes it, or the end of the call.
       coalesce(b.commit_ms, lead(b.commit_before_ms) OVER process) AS commit_ms,
       b.wal_bytes, b.worker, b.path, b.finished, b.due,
       1000 * date_part('epoch', b.finished - b.due)
           + coalesce(b.commit_ms, lead(b.commit_before_ms) OVER process, 0) AS latency_ms
FROM millrace.batches b JOIN millrace.target t USING (run, target)
WINDOW process AS (PARTITION BY run, b.target, b.worker ORDER BY b.finished);
COMMENT ON VIEW stream_batches IS 'The ledger: every committed batch of every run, one row per target';
COMMENT ON COLUMN stream_batches.run IS 'The run';
COMMENT ON COLUMN stream_batches.batch IS 'Number of the batch in the run, from 1';
COMMENT ON COLUMN stream_batches.target IS 'The table, by the name it had when the run began';
COMMENT ON COLUMN stream_batches.rows IS 'Rows inserted';
COMMENT ON COLUMN stream_batches.elapsed_ms IS 'Milliseconds from the batch''s beginning to its end, without the commit';
COMMENT ON COLUMN stream_batches.generate_ms IS 'Milliseconds spent making the rows, partly while other rows were inserted';
COMMENT ON COLUMN stream_batches.insert_ms IS 'Milliseconds spent inserting them, without waiting for them to be made';
COMMENT ON COLUMN stream_batches.commit_ms IS 'Milliseconds its commit took; null if the session ended before that was noted';
COMMENT ON COLUMN stream_batches.wal_bytes IS 'Bytes of WAL the insert wrote';
COMMENT ON COLUMN stream_batches.worker IS 'Process that inserted them';
COMMENT ON COLUMN stream_batches.path IS 'How they were inserted: bulk, or executor';
COMMENT ON COLUMN stream_batches.finished IS 'When the insert was done, just before its commit';
COMMENT ON COLUMN stream_batches.due IS 'When its last row arrived, at the rate offered; null without a rate';
COMMENT ON COLUMN stream_batches.latency_ms IS 'Milliseconds from due to its commit; null without a rate';

CREATE VIEW stream_progress AS
WITH target AS (
    SELECT t.run, t.target, count(b.batch) AS batches, coalesce(sum(b.rows), 0)::bigint AS rows,
           max(b.finished) AS finished, sum(coalesce(b.busy_ms, b.elapsed_ms)) / 1000 AS seconds
    FROM millrace.target t LEFT JOIN millrace.batches b USING (run, target)
    GROUP BY t.run, t.target
), done AS (
    -- A batch is done when all targets have it; one that a crash emptied lags behind.
    SELECT run, min(batches) AS batches, min(rows) AS rows, max(finished) AS finished, max(rows / nullif(seconds, 0)) AS speed
    FROM target GROUP BY run
)
SELECT p.name AS run,
       p.source,
       (SELECT array_agg(t.name ORDER BY t.target) FROM millrace.target t WHERE t.run = p.name) AS targets,
       p.options,
       CASE WHEN p.batches_done = p.batches THEN 'done'
            WHEN p.pid IS NOT NULL THEN 'running'
            ELSE 'interrupted' END AS state,
       p.batches_done,
       CASE WHEN p.has_end OR p.batches_done = p.batches THEN p.batches END AS batches,
       p.rows_done,
       CASE WHEN p.batches_done = p.batches THEN p.rows_done WHEN p.has_end THEN p.rows_estimated END AS rows_total,
       CASE WHEN p.has_end OR p.batches_done = p.batches THEN round(100.0 * p.batches_done / p.batches, 1) END AS percent,
       round(p.rows_per_second) AS rows_per_second,
       CASE WHEN p.batches_done < p.batches AND p.has_end THEN
           make_interval(secs => round(greatest(p.rows_estimated - p.rows_done, 0) / p.rows_per_second))
       END AS eta,
       p.pid,
       millrace.role_name(p.owner) AS owner,
       p.created AS started,
       p.finished AS last_batch
-- Not in WITH: where the locks are listed, which is volatile, the rest would be computed for all runs first.
FROM (
    SELECT r.name, r.owner, r.source, r.options, r.batches, r.rows_estimated, r.rate, r.created,
           -- A run that time or stream_stop() ends has no known number of batches.
           r.duration IS NULL AND r.options -> 'rows' IS DISTINCT FROM 'null' AS has_end,
           coalesce(d.batches, 0) AS batches_done, coalesce(d.rows, 0) AS rows_done, d.finished,
           least(nullif(d.speed, 0), r.rate) AS rows_per_second,
           l.pid
    FROM millrace.run r
    LEFT JOIN done d ON d.run = r.name
    -- A subquery of its own, because a cluster cannot list locks in the middle of another statement.
    LEFT JOIN jsonb_to_recordset((SELECT jsonb_agg(to_jsonb(x)) FROM millrace.running x)) AS l (key bigint, pid integer)
        ON l.key = millrace.lock_key(r.name)
) p;
COMMENT ON VIEW stream_progress IS 'State of every run; derived from the ledger and the locks held, never stored';
COMMENT ON COLUMN stream_progress.run IS 'The run';
COMMENT ON COLUMN stream_progress.source IS 'What it loads';
COMMENT ON COLUMN stream_progress.targets IS 'The tables it loads, by the names they had when it began';
COMMENT ON COLUMN stream_progress.options IS 'The source''s options';
COMMENT ON COLUMN stream_progress.state IS 'done: all batches are there; running: a session ingests it; interrupted: neither, call again to resume';
COMMENT ON COLUMN stream_progress.batches_done IS 'Batches committed';
COMMENT ON COLUMN stream_progress.batches IS 'Batches in all; null if time or stream_stop() ends the run';
COMMENT ON COLUMN stream_progress.rows_done IS 'Rows committed, per target';
COMMENT ON COLUMN stream_progress.rows_total IS 'Rows in all, per target; within 0.1% until done; null if time or stream_stop() ends the run';
COMMENT ON COLUMN stream_progress.percent IS 'Share of batches committed';
COMMENT ON COLUMN stream_progress.rows_per_second IS 'Mean over the time the run was at work, but no more than the rate offered';
COMMENT ON COLUMN stream_progress.eta IS 'How long the rest takes at that speed';
COMMENT ON COLUMN stream_progress.pid IS 'Process that ingests it; null if none does';
COMMENT ON COLUMN stream_progress.owner IS 'The role that began it';
COMMENT ON COLUMN stream_progress.started IS 'When it was begun';
COMMENT ON COLUMN stream_progress.last_batch IS 'When its last batch was inserted';

GRANT SELECT ON stream_batches, stream_progress TO PUBLIC;

CREATE FUNCTION stream_report(
    run text,
    OUT target text, OUT batches bigint, OUT rows bigint, OUT seconds numeric,
    OUT rows_per_second bigint, OUT rows_per_second_min bigint, OUT rows_per_second_p50 bigint,
    OUT rows_per_second_p95 bigint, OUT rows_per_second_max bigint,
    OUT insert_rows_per_second bigint, OUT ratio numeric,
    OUT generate_seconds numeric, OUT insert_seconds numeric, OUT commit_seconds numeric, OUT analyze_seconds numeric,
    OUT after_load_seconds numeric,
    OUT wal_bytes bigint, OUT wal_bytes_per_row numeric, OUT size_bytes bigint, OUT bytes_per_row numeric,
    OUT table_bytes bigint
) RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 1 SET search_path TO pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    runs text[] := ARRAY(
        SELECT stream_report.run UNION SELECT b.run FROM millrace.bench_table b WHERE b.bench = stream_report.run);
    leaves oid[] := ARRAY(SELECT unnest(t.leaves) FROM millrace.target t WHERE t.run = ANY (runs));
    -- A statement of its own: a cluster cannot compute sizes in the middle of one that reads tables.
    sizes jsonb := (
        SELECT jsonb_agg(jsonb_build_object(
            'leaf', c.oid, 'total', pg_total_relation_size(c.oid), 'heap', pg_table_size(c.oid)))
        FROM pg_class c WHERE c.oid = ANY (leaves));
BEGIN
    RETURN QUERY
    WITH timed AS (
        -- The commits of a process's batches are noted by the batches after them, and by the end of a call.
        SELECT b.*, coalesce(b.commit_ms, 0) + coalesce(b.commit_before_ms, 0) AS commits_ms,
               (b.elapsed_ms + coalesce(b.commit_ms, 0) + coalesce(b.commit_before_ms, 0)) / 1000 AS seconds
        FROM unnest(runs) AS w (run), LATERAL (SELECT * FROM millrace.batches WHERE batches.run = w.run) b
    ), summary AS (
        SELECT t.run, t.target, t.name, t.leaves, count(b.batch) AS batches, coalesce(sum(b.rows), 0)::bigint AS rows,
               sum(b.seconds) AS seconds,
               array_agg(b.rows / b.seconds) AS speeds,
               sum(b.rows) / (nullif(sum(b.insert_ms), 0) / 1000) AS insert_speed,
               sum(b.generate_ms) / 1000 AS generate, sum(b.insert_ms) / 1000 AS insert, sum(b.commits_ms) / 1000 AS commit,
               sum(b.wal_bytes)::bigint AS wal
        FROM millrace.target t LEFT JOIN timed b USING (run, target)
        WHERE t.run = ANY (runs)
        GROUP BY t.run, t.target
    )
    SELECT s.name, s.batches, s.rows, round(s.seconds::numeric, 3),
           round(s.rows / s.seconds)::bigint, speed.min, speed.p50, speed.p95, speed.max,
           round(s.insert_speed)::bigint,
           round((s.insert_speed / first_value(s.insert_speed) OVER (PARTITION BY s.run ORDER BY s.target))::numeric, 3),
           round(s.generate::numeric, 3), round(s.insert::numeric, 3), round(s.commit::numeric, 3),
           (SELECT round(sum(a.ms)::numeric / 1000, 3) FROM millrace.bench_analyze a WHERE (a.run, a.target) = (s.run, s.target)),
           (SELECT round(b.after_load_ms::numeric / 1000, 3) FROM millrace.bench_table b WHERE (b.run, b.target) = (s.run, s.target)),
           s.wal, round(s.wal::numeric / nullif(s.rows, 0), 1),
           size.total, round(size.total::numeric / nullif(s.rows, 0), 1), size.heap
    FROM summary s,
    LATERAL (
        SELECT round(min(rate))::bigint AS min, round(max(rate))::bigint AS max,
               round(percentile_cont(0.5) WITHIN GROUP (ORDER BY rate))::bigint AS p50,
               round(percentile_cont(0.95) WITHIN GROUP (ORDER BY rate))::bigint AS p95
        FROM unnest(s.speeds) AS u (rate)
    ) speed,
    LATERAL (
        SELECT sum(l.total)::bigint AS total, sum(l.heap)::bigint AS heap
        FROM jsonb_to_recordset(sizes) AS l (leaf oid, total bigint, heap bigint) WHERE l.leaf = ANY (s.leaves)
    ) size
    -- Phase noindex comes before phase index.
    ORDER BY s.run LIKE '%/index%', s.run, s.target;
END
$$;
COMMENT ON FUNCTION stream_report(text) IS
'Summary of a run, or of all phases of a benchmark, one row per target: rows per second of one process over all batches, and of the slowest, median, 95th percentile and fastest batch; rows per second of the target''s own insert time, and their ratio to the first target''s; where the time went; WAL; size in bytes with indexes and, as table_bytes, without';

CREATE FUNCTION stream_latency(
    run text,
    OUT name text, OUT rate double precision, OUT batches bigint, OUT rows bigint, OUT rows_offered bigint,
    OUT seconds numeric, OUT rows_per_second bigint,
    OUT p50_ms numeric, OUT p95_ms numeric, OUT p99_ms numeric, OUT p999_ms numeric, OUT max_ms numeric,
    OUT backlog_rows bigint, OUT backlog_rows_max bigint, OUT gap_seconds numeric, OUT sustained boolean
) RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 1 SET search_path TO pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    asked text;
    sessions jsonb;
BEGIN
    FOR asked IN
        SELECT r.run FROM (
            SELECT stream_latency.run UNION SELECT b.run FROM millrace.bench_table b WHERE b.bench = stream_latency.run) r
        ORDER BY r.run LIKE '%/index%', r.run
    LOOP
        -- A statement of its own: on a cluster, one that reads tables cannot call this function.
        sessions := (SELECT jsonb_agg(to_jsonb(s)) FROM millrace.sessions(asked) s);
        RETURN QUERY
        WITH this AS (
            SELECT r.name, r.rate, date_part('epoch', r.duration) AS duration, r.batch_rows, r.options ->> 'rows' AS wanted
            FROM millrace.run r WHERE r.name = asked
        ), batch AS (
            -- A batch is there when all tables have it.
            SELECT b.batch, min(b.rows) AS rows, max(b.latency_ms) AS ms,
                   max(b.latency_ms) / 1000 - date_part('epoch', max(b.finished) - min(b.due)) AS commit
            FROM @extschema@.stream_batches b WHERE b.run = asked GROUP BY b.batch
        ), session AS (
            SELECT s.begun, s.ended, s.begun - lag(s.ended) OVER (ORDER BY s.begun) AS gap
            FROM jsonb_to_recordset(sessions) AS s (begun timestamptz, ended timestamptz)
        ), at_work AS (
            SELECT sum(date_part('epoch', ended - begun)) AS seconds, sum(date_part('epoch', gap)) AS gap FROM session
        ), last AS (
            SELECT b.ms, b.commit FROM batch b ORDER BY b.batch DESC LIMIT 1
        ), summary AS (
            SELECT count(*) AS batches, coalesce(sum(rows), 0)::bigint AS rows, max(ms) AS max FROM batch
        ), late AS (
            -- Missing batches that were due before the run''s time was up waited at least until then.
            SELECT l.ms - 1000 * n * t.batch_rows / t.rate AS ms
            FROM this t, at_work w, last l, summary s, generate_series(1, floor(l.ms * t.rate / 1000 / t.batch_rows)::bigint) n
            WHERE l.ms - 1000 * n * t.batch_rows / t.rate >= 1000 * (w.seconds + l.commit - t.duration)
              AND w.seconds + l.commit >= t.duration AND s.rows::text IS DISTINCT FROM t.wanted
        ), latency AS (
            SELECT ms FROM batch WHERE ms IS NOT NULL UNION ALL SELECT ms FROM late
        )
        SELECT t.name, t.rate, s.batches, s.rows,
               CASE WHEN t.rate IS NOT NULL THEN s.rows + (SELECT count(*) FROM late) * t.batch_rows END,
               round(w.seconds::numeric, 3), round(s.rows / nullif(w.seconds, 0))::bigint,
               round(p.p[1]::numeric, 3), round(p.p[2]::numeric, 3), round(p.p[3]::numeric, 3), round(p.p[4]::numeric, 3),
               round(p.max::numeric, 3),
               floor(l.ms * t.rate / 1000)::bigint, floor(s.max * t.rate / 1000)::bigint,
               round(coalesce(w.gap, 0)::numeric, 3),
               -- At its last commit the table had at least 95% of the rows that had arrived.
               s.rows >= 0.95 * (s.rows + l.ms * t.rate / 1000)
        FROM this t CROSS JOIN summary s CROSS JOIN at_work w LEFT JOIN last l ON true
        CROSS JOIN (
            SELECT percentile_disc('{0.5, 0.95, 0.99, 0.999}'::float8[]) WITHIN GROUP (ORDER BY ms) AS p, max(ms) AS max
            FROM latency
        ) p;
    END LOOP;
END
$$;
COMMENT ON FUNCTION stream_latency(text) IS
'How late the batches of a run were at the rate offered, one row per run, or per phase of a benchmark. Latency is the time from the arrival of a batch''s last row to its commit; its percentiles are over batches, in milliseconds. backlog_rows, backlog_rows_max: rows that had arrived but were not committed, at the last commit and at most, if rows went on arriving after the run''s last. gap_seconds: time between calls. sustained: at the last commit the table had at least 95% of what had arrived. Without a rate latencies are null';
