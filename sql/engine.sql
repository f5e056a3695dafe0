-- Which engine this server is, and what only a cluster's statements need. cluster.sql adapts the extension itself to
-- a cluster.

-- Immutable, so that the planner evaluates the default of an argument, on the coordinator. The segments do not know the
-- number; they get it with the plan.
CREATE FUNCTION millrace.segments() RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 1::smallint';
COMMENT ON FUNCTION millrace.segments() IS
'How many segments of the cluster share the work of making a call''s rows; 1 on PostgreSQL';

CREATE FUNCTION millrace.engine_of(role text, version text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT CASE WHEN coalesce(role, '') = '' THEN 'postgresql'
                WHEN version ~ 'Cloudberry' THEN 'cloudberry'
                ELSE 'greenplum' END
$$;
COMMENT ON FUNCTION millrace.engine_of(text, text) IS
'The engine of a server, told from its setting gp_role, which PostgreSQL does not have, and its version()';

CREATE FUNCTION millrace.engine() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT millrace.engine_of(current_setting('gp_role', true), version())
$$;
COMMENT ON FUNCTION millrace.engine() IS 'The engine of this server: postgresql, greenplum or cloudberry';

CREATE FUNCTION millrace.distribution(columns text[] DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT CASE WHEN millrace.engine() = 'postgresql' THEN ''
                WHEN columns IS NULL THEN ' DISTRIBUTED RANDOMLY'
                WHEN columns = '{}' THEN ' DISTRIBUTED REPLICATED'
                ELSE format(' DISTRIBUTED BY (%s)', (SELECT string_agg(quote_ident(name), ', ') FROM unnest(columns) name))
           END
$$;
COMMENT ON FUNCTION millrace.distribution(text[]) IS
'The DISTRIBUTED clause for CREATE TABLE: by these columns; if there are none, all rows on each segment; if null, each row on the segment that makes it. Empty on PostgreSQL';

CREATE FUNCTION millrace.qualified_name(schema text, name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off AS $$
    SELECT format('%I.%I', schema, name)
$$;
COMMENT ON FUNCTION millrace.qualified_name(text, text) IS
'A qualified name as in the names of runs, whatever the caller''s quote_all_identifiers';
