-- Views of benchmarks' tables and queries.

CREATE VIEW stream_bench_tables AS
SELECT b.bench, b.phase, b.run, b.target AS position, b.variant, t.name AS target, b.definition, b.after_load_ms
FROM millrace.bench_table b JOIN millrace.target t USING (run, target);
COMMENT ON VIEW stream_bench_tables IS 'The tables of all benchmarks, one for each variant and phase';
COMMENT ON COLUMN stream_bench_tables.bench IS 'The benchmark';
COMMENT ON COLUMN stream_bench_tables.phase IS 'noindex or index; with readers noindex_read or index_read';
COMMENT ON COLUMN stream_bench_tables.run IS 'The run that loads it';
COMMENT ON COLUMN stream_bench_tables.position IS 'The variant''s place, from 1, which is the baseline';
COMMENT ON COLUMN stream_bench_tables.variant IS 'The variant';
COMMENT ON COLUMN stream_bench_tables.target IS 'The table, by the name it had when the run began';
COMMENT ON COLUMN stream_bench_tables.definition IS 'The statements that created it, one per line';
COMMENT ON COLUMN stream_bench_tables.after_load_ms IS
'Milliseconds that its variant''s after_load took; null if there is none, or it has not run yet';

CREATE VIEW stream_bench_skipped AS
SELECT v.bench, v.variant, v.skipped AS reason FROM millrace.bench_variant v WHERE v.skipped IS NOT NULL;
COMMENT ON VIEW stream_bench_skipped IS 'The variants that benchmarks skipped';
COMMENT ON COLUMN stream_bench_skipped.bench IS 'The benchmark';
COMMENT ON COLUMN stream_bench_skipped.variant IS 'The variant';
COMMENT ON COLUMN stream_bench_skipped.reason IS 'Why it was skipped';

CREATE VIEW stream_queries AS
SELECT b.bench, b.phase, b.variant, t.name AS target, q.query, q.attempt, q.attempt = 1 AS cold, q.ms, q.rows,
       (q.rows, q.hash) IS NOT DISTINCT FROM
           (first_value(q.rows) OVER baseline, first_value(q.hash) OVER baseline) AS same,
       q.statement, q.finished
FROM millrace.bench_query q
JOIN millrace.bench_table b USING (run, target)
JOIN millrace.target t USING (run, target)
WINDOW baseline AS (PARTITION BY q.run, q.query ORDER BY q.target, q.attempt);
COMMENT ON VIEW stream_queries IS 'The queries that benchmarks timed';
COMMENT ON COLUMN stream_queries.bench IS 'The benchmark';
COMMENT ON COLUMN stream_queries.phase IS 'noindex or index; with readers noindex_read or index_read';
COMMENT ON COLUMN stream_queries.variant IS 'The variant';
COMMENT ON COLUMN stream_queries.target IS 'The table, by the name it had when the run began';
COMMENT ON COLUMN stream_queries.query IS 'The query''s name';
COMMENT ON COLUMN stream_queries.attempt IS 'Number of the attempt on this table, from 1';
COMMENT ON COLUMN stream_queries.cold IS 'Whether it was the first attempt on this table; caches are not flushed before it';
COMMENT ON COLUMN stream_queries.ms IS 'Milliseconds it took';
COMMENT ON COLUMN stream_queries.rows IS 'Rows of its result';
COMMENT ON COLUMN stream_queries.same IS 'Whether the result equals the baseline''s first result';
COMMENT ON COLUMN stream_queries.statement IS 'What was run';
COMMENT ON COLUMN stream_queries.finished IS 'When it was done';

GRANT SELECT ON stream_bench_tables, stream_bench_skipped, stream_queries TO PUBLIC;
