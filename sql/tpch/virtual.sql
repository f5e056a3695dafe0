-- The tables of TPC-H as views over generated rows.

CREATE FUNCTION tpch_virtual(schema text, sf double precision DEFAULT 1) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    name text;
BEGIN
    PERFORM millrace.tpch_check_load(sf, schema, 'heap');
    IF to_regnamespace(quote_ident(schema)) IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', schema);
    END IF;
    -- Refuses scale factor 0, too.
    FOR name IN SELECT t.name FROM @extschema@.tpch_tables(sf) t LOOP
        EXECUTE format('CREATE OR REPLACE VIEW %I.%I AS SELECT * FROM %s(%L::float8)',
            schema, name, '@extschema@.' || quote_ident('tpch_' || name), sf);
        EXECUTE format('COMMENT ON VIEW %I.%I IS %L', schema, name,
            format('TPC-H table %s at scale factor %s, made when it is read', name, sf));
    END LOOP;
END
$$;
COMMENT ON FUNCTION tpch_virtual(text, double precision) IS
'Makes views region to lineitem in a schema over rows made when they are read; nothing is stored';
