-- What Apache Cloudberry must be told: where each function runs, and where each table's rows are. It comes last and derives
-- this from the extension's objects, so that a new one cannot be forgotten.

CREATE FUNCTION millrace.cluster_statements() RETURNS SETOF text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp AS $$
    WITH member AS (
        SELECT classid, objid FROM pg_depend
        WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
          AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'millrace')
    )
    SELECT statement FROM (
        -- Read once per plan, on the coordinator; the segments' catalogs may not have it.
        SELECT 1 AS step, 'CREATE OR REPLACE FUNCTION millrace.segments() RETURNS smallint '
            'LANGUAGE sql IMMUTABLE PARALLEL SAFE AS ''SELECT count(*)::smallint '
            'FROM pg_catalog.gp_segment_configuration WHERE role = ''''p'''' AND content >= 0''' AS statement
        UNION ALL
        -- Each segment has all of the ledger: any key can be primary, and joins move no rows.
        SELECT 2, format('ALTER TABLE %s SET DISTRIBUTED REPLICATED', oid::regclass)
        FROM pg_class JOIN member ON classid = 'pg_class'::regclass AND objid = oid
        WHERE relkind = 'r'
        UNION ALL
        -- Rows are made where they are stored.
        SELECT 3, format('ALTER FUNCTION %s EXECUTE ON ALL SEGMENTS', oid::regprocedure)
        FROM pg_proc JOIN member ON classid = 'pg_proc'::regclass AND objid = oid
        WHERE proretset AND 'segments' = ANY (proargnames)
        UNION ALL
        -- What reads tables or locks must do so for the whole cluster. SQL that is inlined runs where the statement does.
        SELECT 4, format('ALTER FUNCTION %s EXECUTE ON %s', p.oid::regprocedure, place.word)
        FROM (
            -- Greenplum has only the older word.
            SELECT upper(coalesce(min(word), 'coordinator')) AS word FROM pg_get_keywords() WHERE word IN ('coordinator', 'master')
        ) place, pg_proc p JOIN member ON classid = 'pg_proc'::regclass AND objid = p.oid
        JOIN pg_language l ON l.oid = prolang
        WHERE proretset AND provolatile <> 'i' AND 'segments' <> ALL (coalesce(proargnames, '{}'))
          AND NOT (lanname = 'sql' AND provolatile = 's' AND proconfig IS NULL)
          AND pronamespace <> coalesce(to_regnamespace('tests'), 0)
        UNION ALL
        -- The view calls a function for each run with unlogged targets, and on a cluster that function cannot read its table.
        -- Only a ledger that was dumped on PostgreSQL has such batches.
        SELECT 5, format('CREATE OR REPLACE VIEW millrace.batches AS SELECT %1$s FROM millrace.batch '
            'UNION ALL SELECT %1$s FROM millrace.batch_unlogged', string_agg(quote_ident(attname), ', ' ORDER BY attnum))
        FROM pg_attribute WHERE attrelid = 'millrace.batches'::regclass
    ) statements
    ORDER BY step, statement COLLATE "C"
$$;
COMMENT ON FUNCTION millrace.cluster_statements() IS
'What CREATE EXTENSION runs on the coordinator of an Apache Cloudberry cluster, in addition to what it runs on PostgreSQL';

DO $$
DECLARE
    statement text;
BEGIN
    IF pg_catalog.current_setting('gp_role', true) = 'dispatch' THEN
        -- All of them first, so that no query of this block is running while its functions are altered.
        FOREACH statement IN ARRAY ARRAY(SELECT millrace.cluster_statements()) LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
END
$$;
