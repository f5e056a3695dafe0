-- Checks of a benchmark's results.

CREATE FUNCTION millrace.bench_text_bytes_per_row(run text) RETURNS numeric
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    bytes numeric;
BEGIN
    EXECUTE format('SELECT avg(octet_length(s::text)) FROM %s s', millrace.bench_sample(run)) INTO bytes;
    RETURN bytes;
END
$$;
COMMENT ON FUNCTION millrace.bench_text_bytes_per_row(text) IS 'Mean length of a row of a benchmark''s run as text, from a sample';

CREATE FUNCTION stream_gates(
    run text,
    min_throughput double precision DEFAULT 0.5, max_size double precision DEFAULT 1.5,
    min_compression double precision DEFAULT 0.5, max_index_overhead double precision DEFAULT 20,
    max_p99 interval DEFAULT '1 s', min_rate double precision DEFAULT 0.95,
    OUT gate text, OUT phase text, OUT variant text, OUT figure numeric, OUT comparison text, OUT bound numeric,
    OUT pass boolean, OUT detail text
) RETURNS SETOF record
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
#variable_conflict use_column
DECLARE
    bench millrace.bench := millrace.bench_get(run);
    -- Statements of their own: on a cluster a statement that reads tables cannot call these functions.
    reports jsonb := (SELECT jsonb_agg(to_jsonb(r)) FROM @extschema@.stream_report(bench.name) r);
    late jsonb := (SELECT jsonb_agg(to_jsonb(l)) FROM @extschema@.stream_latency(bench.name) l);
    verified jsonb := '[]';
    text_bytes jsonb := '{}';
    phase_run text;
BEGIN
    FOR phase_run IN SELECT DISTINCT b.run FROM @extschema@.stream_bench_tables b WHERE b.bench = bench.name LOOP
        verified := verified || (SELECT jsonb_agg(to_jsonb(v)) FROM @extschema@.stream_verify(phase_run) v);
        text_bytes := text_bytes || jsonb_build_object(phase_run, millrace.bench_text_bytes_per_row(phase_run));
    END LOOP;
    RETURN QUERY
    WITH loaded AS (
        SELECT target, b.phase, b.run, b.position, b.variant, r.batches, r.insert_rows_per_second, r.ratio, r.size_bytes,
               w.batches AS batches_wanted,
               (text_bytes ->> b.run)::numeric * r.rows / nullif(r.table_bytes, 0) AS compression
        FROM @extschema@.stream_bench_tables b
        JOIN millrace.run w ON w.name = b.run
        JOIN jsonb_to_recordset(reports) AS r (
            target text, batches bigint, rows bigint, insert_rows_per_second bigint, ratio numeric, size_bytes bigint,
            table_bytes bigint) USING (target)
        WHERE b.bench = bench.name
    ), queried AS (
        SELECT q.target, count(*) FILTER (WHERE NOT q.same) AS different, count(DISTINCT q.query) AS queries
        FROM @extschema@.stream_queries q WHERE q.bench = bench.name GROUP BY q.target
    ), compared AS (
        SELECT l.*, first_value(l.size_bytes) OVER baseline AS baseline_bytes,
               first_value(l.compression) OVER baseline AS baseline_compression
        FROM loaded l WINDOW baseline AS (PARTITION BY l.run ORDER BY l.position)
    ), gates AS (
        SELECT 1 AS number, 'content' AS gate, l.phase, l.variant, l.position, v.rows_found::numeric AS figure,
               '=' AS comparison, v.rows_expected::numeric AS bound, v.matches AND l.batches = l.batches_wanted AS pass,
               CASE WHEN l.batches < l.batches_wanted
                    THEN format('%s of %s batches are there', l.batches, l.batches_wanted)
                    ELSE coalesce(v.detail, 'the rows are those of the source') END AS detail
        FROM loaded l
        JOIN jsonb_to_recordset(verified) AS v (
            target text, rows_expected bigint, rows_found bigint, matches boolean, detail text) USING (target)
        UNION ALL
        SELECT 2, 'queries', l.phase, l.variant, l.position, coalesce(q.different, 0), '=', 0, NULL,
               format('results that differ from the baseline''s, of %s queries', coalesce(q.queries, 0))
        FROM loaded l LEFT JOIN queried q USING (target)
        UNION ALL
        SELECT 3, 'throughput', l.phase, l.variant, l.position, l.ratio, '>=', min_throughput::numeric, NULL,
               format('%s rows/s inserted, divided by the baseline''s', l.insert_rows_per_second)
        FROM loaded l
        UNION ALL
        SELECT 4, 'size', c.phase, c.variant, c.position, round(c.size_bytes::numeric / nullif(c.baseline_bytes, 0), 3),
               '<=', max_size::numeric, NULL, format('%s bytes with indexes, divided by the baseline''s', c.size_bytes)
        FROM compared c
        UNION ALL
        SELECT 5, 'compression', c.phase, c.variant, c.position, round(c.compression, 3),
               '>=', round(min_compression::numeric * c.baseline_compression, 3), NULL,
               'size of the rows as text, divided by the table''s without indexes'
        FROM compared c
        UNION ALL
        SELECT 6, 'index overhead', i.phase, i.variant, i.position,
               round(n.insert_rows_per_second::numeric / nullif(i.insert_rows_per_second, 0), 3),
               '<=', max_index_overhead::numeric, NULL,
               format('%s rows/s inserted without indexes, %s with', n.insert_rows_per_second, i.insert_rows_per_second)
        FROM loaded n JOIN loaded i ON i.variant = n.variant AND n.phase = 'noindex' AND i.phase = 'index'
        UNION ALL
        SELECT 7, 'rate', l.phase, NULL, 0, round(d.rows / nullif(d.rows + d.backlog_rows, 0)::numeric, 3), '>=',
               min_rate::numeric, NULL,
               format('share committed of the %s rows that had arrived by the last commit, at %s rows/s', d.rows + d.backlog_rows, d.rate)
        FROM jsonb_to_recordset(late) AS d (name text, rate float8, rows bigint, backlog_rows bigint)
        JOIN (SELECT DISTINCT l.run, l.phase FROM loaded l) l ON l.run = d.name
        WHERE d.rate IS NOT NULL
        UNION ALL
        SELECT 8, 'latency', l.phase, NULL, 0, d.p99_ms, '<=', (1000 * date_part('epoch', max_p99))::numeric, NULL,
               format('ms from the arrival of a batch''s last row to its commit, 99th percentile of %s batches', d.batches)
        FROM jsonb_to_recordset(late) AS d (name text, rate float8, batches bigint, p99_ms numeric)
        JOIN (SELECT DISTINCT l.run, l.phase FROM loaded l) l ON l.run = d.name
        WHERE d.rate IS NOT NULL
    )
    SELECT g.gate, g.phase, g.variant, g.figure, g.comparison, g.bound,
           -- A missing figure fails.
           coalesce(g.pass, CASE g.comparison WHEN '=' THEN g.figure = g.bound WHEN '>=' THEN g.figure >= g.bound
                                 ELSE g.figure <= g.bound END, false),
           g.detail
    FROM gates g
    ORDER BY g.number, g.phase LIKE 'index%', g.phase, g.position;
END
$$;
COMMENT ON FUNCTION stream_gates(text, double precision, double precision, double precision, double precision, interval, double precision) IS
'Checks a benchmark, one row per gate, phase and variant (for rate and latency one per phase): that all variants have the same rows and the same query results; insert speed, size and compression, divided by the first variant''s (min_throughput, max_size, min_compression); how many times slower inserting is with indexes (max_index_overhead); and where a rate was offered, the share of the arrived rows that was committed (min_rate), and latency (max_p99)';
