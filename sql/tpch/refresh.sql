-- The refresh functions of TPC-H.

CREATE FUNCTION millrace.tpch_refresh_orders(sf double precision, stream integer) RETURNS bigint
LANGUAGE c IMMUTABLE AS 'MODULE_PATHNAME', 'refresh_orders_wrapper';
COMMENT ON FUNCTION millrace.tpch_refresh_orders(double precision, integer) IS
'The number of orders in a refresh set';

-- Without settings, so that they are inlined: otherwise a cluster's statements that read tables could not call them.
CREATE FUNCTION tpch_orders_refresh(stream integer, sf double precision DEFAULT 1) RETURNS SETOF tpch_orders
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT * FROM millrace.source_rows('orders_refresh', pg_catalog.jsonb_build_object('sf', sf, 'stream', stream),
        0, millrace.tpch_refresh_orders(sf, stream), NULL::@extschema@.tpch_orders)
$$;
COMMENT ON FUNCTION tpch_orders_refresh(integer, double precision) IS
'Orders that refresh function RF1 inserts, as dbgen -U makes them: set number stream, from 1 to 999';

CREATE FUNCTION tpch_lineitem_refresh(stream integer, sf double precision DEFAULT 1) RETURNS SETOF tpch_lineitem
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT * FROM millrace.source_rows('lineitem_refresh', pg_catalog.jsonb_build_object('sf', sf, 'stream', stream),
        0, millrace.tpch_refresh_orders(sf, stream), NULL::@extschema@.tpch_lineitem)
$$;
COMMENT ON FUNCTION tpch_lineitem_refresh(integer, double precision) IS
'Order lines that refresh function RF1 inserts, as dbgen -U makes them: set number stream, from 1 to 999';

CREATE FUNCTION tpch_orders_delete(stream integer, sf double precision DEFAULT 1) RETURNS SETOF bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT o_orderkey
    FROM millrace.source_rows('orders_delete', pg_catalog.jsonb_build_object('sf', sf, 'stream', stream),
        0, millrace.tpch_refresh_orders(sf, stream), NULL::@extschema@.tpch_orders)
$$;
COMMENT ON FUNCTION tpch_orders_delete(integer, double precision) IS
'Keys of the orders that refresh function RF2 deletes, as dbgen -U makes them: set number stream, from 1 to 999';

CREATE FUNCTION millrace.tpch_column_list(row_type regtype, prefix text) RETURNS text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT string_agg(prefix || attname, ', ' ORDER BY attnum)
    FROM pg_attribute WHERE attrelid = (SELECT typrelid FROM pg_type WHERE oid = row_type) AND attnum > 0
$$;
COMMENT ON FUNCTION millrace.tpch_column_list(regtype, text) IS 'The columns of a row type, ready for a statement';

-- Orders that are there are skipped with their lines, which were inserted together. So the tables themselves tell
-- how far a refresh has come.
CREATE FUNCTION millrace.tpch_refresh_insert(
    schema text, options jsonb, first_order bigint, end_order bigint, OUT orders bigint, OUT lines bigint
)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    keys bigint[];
BEGIN
    -- Two statements, because Cloudberry lets one write to one table.
    EXECUTE pg_catalog.format(
        'WITH new_order AS (
             INSERT INTO %1$I.orders (%2$s)
             SELECT %3$s
             FROM millrace.source_rows(''orders_refresh'', $1, $2, $3, NULL::%4$s) r
             WHERE NOT EXISTS (SELECT FROM %1$I.orders o
                               WHERE o.o_orderkey OPERATOR(pg_catalog.=) r.o_orderkey)
             RETURNING o_orderkey
         )
         SELECT pg_catalog.array_agg(o_orderkey) FROM new_order',
        schema,
        millrace.tpch_column_list('@extschema@.tpch_orders', ''), millrace.tpch_column_list('@extschema@.tpch_orders', 'r.'),
        '@extschema@.tpch_orders')
    INTO keys USING options, first_order, end_order;
    EXECUTE pg_catalog.format(
        'INSERT INTO %I.lineitem (%s)
         SELECT %s
         FROM millrace.source_rows(''lineitem_refresh'', $1, $2, $3, NULL::%s) r
         JOIN pg_catalog.unnest($4) AS o (o_orderkey) ON o.o_orderkey OPERATOR(pg_catalog.=) r.l_orderkey',
        schema,
        millrace.tpch_column_list('@extschema@.tpch_lineitem', ''),
        millrace.tpch_column_list('@extschema@.tpch_lineitem', 'r.'), '@extschema@.tpch_lineitem')
    USING options, first_order, end_order, keys;
    GET DIAGNOSTICS lines = ROW_COUNT;
    orders := COALESCE(pg_catalog.cardinality(keys), 0);
END
$$;
COMMENT ON FUNCTION millrace.tpch_refresh_insert(text, jsonb, bigint, bigint) IS
'Inserts a range of the new orders of a refresh set with their lines, except those that are there';

CREATE FUNCTION millrace.tpch_refresh_delete(
    schema text, options jsonb, first_order bigint, end_order bigint, OUT orders bigint, OUT lines bigint
)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    keys text := 'USING millrace.source_rows(''orders_delete'', $1, $2, $3, NULL::@extschema@.tpch_orders) r
                  WHERE r.o_orderkey OPERATOR(pg_catalog.=) ';
BEGIN
    EXECUTE pg_catalog.format('DELETE FROM %I.lineitem t %s t.l_orderkey', schema, keys)
    USING options, first_order, end_order;
    GET DIAGNOSTICS lines = ROW_COUNT;
    EXECUTE pg_catalog.format('DELETE FROM %I.orders t %s t.o_orderkey', schema, keys)
    USING options, first_order, end_order;
    GET DIAGNOSTICS orders = ROW_COUNT;
END
$$;
COMMENT ON FUNCTION millrace.tpch_refresh_delete(text, jsonb, bigint, bigint) IS
'Deletes a range of the old orders of a refresh set with their lines';

CREATE FUNCTION millrace.tpch_check_refresh(schema text, stream integer, sf double precision) RETURNS double precision
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
BEGIN
    PERFORM millrace.kit_check_load('tpch', COALESCE(sf, 1), schema, 'heap');
    PERFORM millrace.kit_check_schema(schema);
    sf := COALESCE(sf, millrace.kit_scale_of('tpch', schema));
    PERFORM millrace.tpch_refresh_orders(sf, stream);
    RETURN sf;
END
$$;
COMMENT ON FUNCTION millrace.tpch_check_refresh(text, integer, double precision) IS
'Refuses wrong arguments of tpch_refresh; returns the scale factor';

CREATE FUNCTION millrace.tpch_open_refresh(schema text, stream integer, batch_orders integer) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'open_refresh_wrapper';
COMMENT ON FUNCTION millrace.tpch_open_refresh(text, integer, integer) IS
'Takes the lock of a refresh set of a schema for this session; refuses batch_orders below 1';

CREATE FUNCTION millrace.tpch_close_refresh() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'close_refresh_wrapper';
COMMENT ON FUNCTION millrace.tpch_close_refresh() IS 'Releases the lock of the refresh set that this session applies';

CREATE PROCEDURE tpch_refresh(
    schema text DEFAULT 'tpch', stream integer DEFAULT 1, sf double precision DEFAULT NULL,
    rf1 boolean DEFAULT true, rf2 boolean DEFAULT true, batch_orders integer DEFAULT 20000
) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := pg_catalog.clock_timestamp();
    shown timestamptz := started;
    options jsonb;
    orders bigint;
    end_order bigint;
    batch record;
    orders_done bigint[] := '{0,0}';
    lines_done bigint[] := '{0,0}';
BEGIN
    PERFORM millrace.check_may_commit('CALL tpch_refresh');
    COMMIT;
    sf := millrace.tpch_check_refresh(schema, stream, sf);
    PERFORM millrace.tpch_open_refresh(schema, stream, batch_orders);
    orders := millrace.tpch_refresh_orders(sf, stream);
    options := pg_catalog.jsonb_build_object('sf', sf, 'stream', stream);
    FOR rf IN 1 .. 2 LOOP
        CONTINUE WHEN (ARRAY[rf1, rf2])[rf] IS NOT TRUE;
        FOR first_order IN 0 .. orders OPERATOR(pg_catalog.-) 1 BY batch_orders LOOP
            end_order := LEAST(first_order OPERATOR(pg_catalog.+) batch_orders::bigint, orders);
            IF rf OPERATOR(pg_catalog.=) 1 THEN
                SELECT * INTO batch FROM millrace.tpch_refresh_insert(schema, options, first_order, end_order);
            ELSE
                SELECT * INTO batch FROM millrace.tpch_refresh_delete(schema, options, first_order, end_order);
            END IF;
            COMMIT;
            PERFORM millrace.check_cancelled();
            orders_done[rf] := orders_done[rf] OPERATOR(pg_catalog.+) batch.orders;
            lines_done[rf] := lines_done[rf] OPERATOR(pg_catalog.+) batch.lines;
            IF pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) shown)
               OPERATOR(pg_catalog.>=) 1 THEN
                shown := pg_catalog.clock_timestamp();
                RAISE NOTICE 'refresh % of "%": RF% at order % of %', stream, schema, rf, end_order, orders;
            END IF;
        END LOOP;
    END LOOP;
    PERFORM millrace.tpch_close_refresh();
    RAISE NOTICE 'refresh % of "%": inserted % orders with % lines, deleted % with %, in % s', stream, schema,
        orders_done[1], lines_done[1], orders_done[2], lines_done[2],
        pg_catalog.round(pg_catalog.date_part(
            'epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) started)::numeric, 1);
END
$$;
COMMENT ON PROCEDURE tpch_refresh(text, integer, double precision, boolean, boolean, integer) IS
'Applies refresh set number stream to the tables of a schema: RF1 inserts orders with their lines, RF2 deletes the same number of old ones; rf1 or rf2 false: skips that one. Each batch of batch_orders orders is committed with their lines. Run an interrupted call again to resume; it skips what is done';
