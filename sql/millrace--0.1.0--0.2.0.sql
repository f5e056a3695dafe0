-- From 0.1.0 to 0.2.0: each change of sql/*.sql since, so that a database upgraded is as one made anew. A test compares.

DROP PROCEDURE tpch_refresh(text, integer, double precision);
CREATE PROCEDURE tpch_refresh(
    schema text DEFAULT 'tpch', stream integer DEFAULT 1, sf double precision DEFAULT NULL,
    rf1 boolean DEFAULT true, rf2 boolean DEFAULT true
) LANGUAGE plpgsql AS $$
DECLARE
    -- With their lines, about as many rows as a batch of stream_ingest.
    orders_per_batch CONSTANT bigint := 20000;
    started timestamptz := pg_catalog.clock_timestamp();
    shown timestamptz := started;
    options jsonb;
    orders bigint;
    batch record;
    orders_done bigint[] := '{0,0}';
    lines_done bigint[] := '{0,0}';
BEGIN
    PERFORM millrace.check_may_commit('CALL tpch_refresh');
    COMMIT;
    sf := millrace.check_refresh(schema, stream, sf);
    orders := millrace.refresh_orders(sf, stream);
    options := pg_catalog.jsonb_build_object('sf', sf, 'stream', stream);
    FOR rf IN 1 .. 2 LOOP
        CONTINUE WHEN (ARRAY[rf1, rf2])[rf] IS NOT TRUE;
        FOR number IN 0 .. (orders - 1) / orders_per_batch LOOP
            IF rf = 1 THEN
                SELECT * INTO batch FROM millrace.refresh_insert(
                    schema, options, number * orders_per_batch, (number + 1) * orders_per_batch);
            ELSE
                SELECT * INTO batch FROM millrace.refresh_delete(
                    schema, options, number * orders_per_batch, (number + 1) * orders_per_batch);
            END IF;
            COMMIT;
            orders_done[rf] := orders_done[rf] + batch.orders;
            lines_done[rf] := lines_done[rf] + batch.lines;
            IF pg_catalog.clock_timestamp() >= shown + pg_catalog.make_interval(secs => 1) THEN
                shown := pg_catalog.clock_timestamp();
                RAISE NOTICE 'refresh % of "%": RF% at order % of %', stream, schema, rf,
                    LEAST((number + 1) * orders_per_batch, orders), orders;
            END IF;
        END LOOP;
    END LOOP;
    RAISE NOTICE 'refresh % of "%": inserted % orders with % lines, deleted % with %, in % s', stream, schema,
        orders_done[1], lines_done[1], orders_done[2], lines_done[2],
        pg_catalog.round(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - started)::numeric, 1);
END
$$;
COMMENT ON PROCEDURE tpch_refresh(text, integer, double precision, boolean, boolean) IS
'Applies refresh set number stream to the tables of a schema: RF1 inserts orders with their lines, RF2 deletes as many old ones, in committed batches; rf1 or rf2 false: without it. What is done already is left alone, so an interrupted call is called again';

-- Last, as in cluster.sql: Cloudberry is told of what is new, too.
DO $$
DECLARE
    statement text;
BEGIN
    IF pg_catalog.current_setting('gp_role', true) = 'dispatch' THEN
        -- All at once: no query of ours is under way while its functions are altered.
        FOREACH statement IN ARRAY ARRAY(SELECT millrace.cluster_statements()) LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
END
$$;
