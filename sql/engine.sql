-- Which engine this is, and what statements need only on a cluster. What the extension itself is told there is
-- in cluster.sql.

-- The default of an argument is evaluated where the statement is planned, which is the coordinator, and its value
-- goes to the segments with the plan; they do not know it. Hence immutable.
CREATE FUNCTION millrace.segments() RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 1::smallint';
COMMENT ON FUNCTION millrace.segments() IS
'How many segments of the cluster make the rows of a call together; 1 on PostgreSQL';

CREATE FUNCTION millrace.engine_of(role text, version text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT CASE WHEN coalesce(role, '') = '' THEN 'postgresql'
                WHEN version ~ 'Cloudberry' THEN 'cloudberry'
                ELSE 'greenplum' END
$$;
COMMENT ON FUNCTION millrace.engine_of(text, text) IS
'What a server is by its setting gp_role, which PostgreSQL does not have, and its version()';

CREATE FUNCTION millrace.engine() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT millrace.engine_of(current_setting('gp_role', true), version())
$$;
COMMENT ON FUNCTION millrace.engine() IS 'What the server is: postgresql, greenplum or cloudberry';

CREATE FUNCTION millrace.distribution(columns text[] DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT CASE WHEN millrace.engine() = 'postgresql' THEN ''
                WHEN columns IS NULL THEN ' DISTRIBUTED RANDOMLY'
                WHEN columns = '{}' THEN ' DISTRIBUTED REPLICATED'
                ELSE format(' DISTRIBUTED BY (%s)', (SELECT string_agg(quote_ident(name), ', ') FROM unnest(columns) name))
           END
$$;
COMMENT ON FUNCTION millrace.distribution(text[]) IS
'The end of CREATE TABLE that distributes rows by columns, keeps all of them on each segment if there are none, or each on the segment that makes it if null; empty on PostgreSQL';

CREATE FUNCTION millrace.qualified_name(schema text, name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off AS $$
    SELECT format('%I.%I', schema, name)
$$;
COMMENT ON FUNCTION millrace.qualified_name(text, text) IS
'A qualified name as runs are named, whatever the caller''s quote_all_identifiers';
