-- The ledger: which batches of which run are committed. A row of millrace.batch commits in the same
-- transaction as the batch's rows, so it is there if and only if they are. No default is volatile: each segment of a
-- cluster has a copy of these tables, and would make its own.

CREATE TABLE millrace.run (
    name text PRIMARY KEY CHECK (name <> ''),
    owner name NOT NULL DEFAULT current_user,
    source text NOT NULL,
    options jsonb NOT NULL,
    batch_rows integer NOT NULL CHECK (batch_rows > 0),
    profile jsonb NOT NULL DEFAULT '"steady"',
    batches bigint NOT NULL,
    rows_estimated bigint NOT NULL,
    named boolean NOT NULL,
    rate double precision CHECK (rate > 0),
    load text,
    stop_requested boolean NOT NULL DEFAULT false,
    created timestamptz NOT NULL,
    overwriting jsonb
);
COMMENT ON TABLE millrace.run IS 'One row per run of stream_ingest: what it loads, which never changes';
COMMENT ON COLUMN millrace.run.name IS 'The run''s name: as given, or made from the target''s';
COMMENT ON COLUMN millrace.run.owner IS 'The role that began it';
COMMENT ON COLUMN millrace.run.source IS 'What it loads; see stream_sources()';
COMMENT ON COLUMN millrace.run.options IS 'The source''s options';
COMMENT ON COLUMN millrace.run.batch_rows IS 'Rows per batch, as asked for';
COMMENT ON COLUMN millrace.run.profile IS 'How the batches vary: a name, or a list of their rows';
COMMENT ON COLUMN millrace.run.batches IS 'How many batches there are in all';
COMMENT ON COLUMN millrace.run.rows_estimated IS 'How many rows there are in all, within 0.1%';
COMMENT ON COLUMN millrace.run.named IS 'Whether the caller gave the name';
COMMENT ON COLUMN millrace.run.rate IS 'At most so many rows per second; null for no limit. Of the last call';
COMMENT ON COLUMN millrace.run.load IS 'The schema that tpch_load loads with this and other runs; null for a run on its own';
COMMENT ON COLUMN millrace.run.stop_requested IS 'Whether the session ingesting it was asked to stop; cleared when a session begins';
COMMENT ON COLUMN millrace.run.created IS 'When it was begun';
COMMENT ON COLUMN millrace.run.overwriting IS 'Arguments of the tpch_load with overwrite that began it, until that has come to its end; else null';

CREATE TABLE millrace.target (
    run text NOT NULL REFERENCES millrace.run ON DELETE CASCADE,
    target integer NOT NULL,
    name text NOT NULL,
    relation oid NOT NULL,
    unlogged boolean NOT NULL,
    leaves oid[] NOT NULL,
    filenodes oid[] NOT NULL,
    PRIMARY KEY (run, target)
);
COMMENT ON TABLE millrace.target IS 'The tables a run loads';
COMMENT ON COLUMN millrace.target.run IS 'The run';
COMMENT ON COLUMN millrace.target.target IS 'Number of the table in the run, from 1';
COMMENT ON COLUMN millrace.target.name IS 'The table''s qualified name when the run began';
COMMENT ON COLUMN millrace.target.relation IS 'The table''s OID';
COMMENT ON COLUMN millrace.target.unlogged IS 'Whether a crash empties the table, and so its ledger rows too';
COMMENT ON COLUMN millrace.target.leaves IS 'The table, or the partitions it had, by OID';
COMMENT ON COLUMN millrace.target.filenodes IS 'The file node of each leaf (its OID where it has no file): another one means other content';

CREATE TABLE millrace.batch (
    run text NOT NULL REFERENCES millrace.run ON DELETE CASCADE,
    batch bigint NOT NULL,
    target integer NOT NULL,
    rows bigint NOT NULL,
    elapsed_ms double precision NOT NULL,
    generate_ms double precision NOT NULL,
    insert_ms double precision NOT NULL,
    commit_ms double precision,
    wal_bytes bigint NOT NULL,
    worker integer NOT NULL,
    path text NOT NULL,
    finished timestamptz NOT NULL,
    PRIMARY KEY (run, batch, target)
);
COMMENT ON TABLE millrace.batch IS 'One row per committed batch and target, written with the batch''s rows';

COMMENT ON COLUMN millrace.batch.run IS 'The run';
COMMENT ON COLUMN millrace.batch.batch IS 'Number of the batch in the run, from 1';
COMMENT ON COLUMN millrace.batch.target IS 'Number of the target in the run, from 1';
COMMENT ON COLUMN millrace.batch.rows IS 'Rows inserted';
COMMENT ON COLUMN millrace.batch.elapsed_ms IS 'Milliseconds from the batch''s beginning to its end, without the commit';
COMMENT ON COLUMN millrace.batch.generate_ms IS 'Milliseconds making the rows, in part while others were inserted';
COMMENT ON COLUMN millrace.batch.insert_ms IS 'Milliseconds inserting them, without waiting for their being made';
COMMENT ON COLUMN millrace.batch.commit_ms IS 'Milliseconds committing; null if the session ended before it could be noted';
COMMENT ON COLUMN millrace.batch.wal_bytes IS 'Bytes of WAL the insert wrote';
COMMENT ON COLUMN millrace.batch.worker IS 'Process that inserted them';
COMMENT ON COLUMN millrace.batch.path IS 'How they were inserted: bulk, or executor';
COMMENT ON COLUMN millrace.batch.finished IS 'When the insert was done, just before its commit';

-- A crash empties unlogged tables. Their ledger rows live here and vanish with them, so that the next
-- call fills the tables again.
CREATE UNLOGGED TABLE millrace.batch_unlogged (
    LIKE millrace.batch INCLUDING ALL,
    FOREIGN KEY (run) REFERENCES millrace.run ON DELETE CASCADE
);
COMMENT ON TABLE millrace.batch_unlogged IS 'As millrace.batch, for targets that are unlogged or temporary';

-- A dump keeps the runs. Names, not OIDs, lead a restored run back to its tables.
SELECT pg_catalog.pg_extension_config_dump('millrace.run', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.target', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.batch', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.batch_unlogged', '');

-- Procedures that commit cannot be SECURITY DEFINER, so callers write to the ledger themselves: all may
-- read it, and change what belongs to runs of roles they are members of.
CREATE FUNCTION millrace.is_owner(role name) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = role AND pg_has_role(current_user, oid, 'MEMBER'))
$$;
COMMENT ON FUNCTION millrace.is_owner(name) IS 'Whether the caller is a member of the role that owns a run';

CREATE FUNCTION millrace.owns_run(run text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM millrace.run r WHERE r.name = owns_run.run AND millrace.is_owner(r.owner))
$$;
COMMENT ON FUNCTION millrace.owns_run(text) IS 'Whether the caller is a member of the role that owns the run';

GRANT SELECT, INSERT, UPDATE, DELETE
    ON millrace.run, millrace.target, millrace.batch, millrace.batch_unlogged TO PUBLIC;

ALTER TABLE millrace.run ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen_by_all ON millrace.run FOR SELECT USING (true);
CREATE POLICY changed_by_owner ON millrace.run USING (millrace.is_owner(owner));
COMMENT ON POLICY seen_by_all ON millrace.run IS 'Progress is no secret';
COMMENT ON POLICY changed_by_owner ON millrace.run IS 'A run belongs to the role that began it';

ALTER TABLE millrace.target ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen_by_all ON millrace.target FOR SELECT USING (true);
CREATE POLICY changed_by_owner ON millrace.target USING (millrace.owns_run(run));
COMMENT ON POLICY seen_by_all ON millrace.target IS 'Progress is no secret';
COMMENT ON POLICY changed_by_owner ON millrace.target IS 'As the run it belongs to';

ALTER TABLE millrace.batch ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen_by_all ON millrace.batch FOR SELECT USING (true);
CREATE POLICY changed_by_owner ON millrace.batch USING (millrace.owns_run(run));
COMMENT ON POLICY seen_by_all ON millrace.batch IS 'Progress is no secret';
COMMENT ON POLICY changed_by_owner ON millrace.batch IS 'As the run it belongs to';

ALTER TABLE millrace.batch_unlogged ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen_by_all ON millrace.batch_unlogged FOR SELECT USING (true);
CREATE POLICY changed_by_owner ON millrace.batch_unlogged USING (millrace.owns_run(run));
COMMENT ON POLICY seen_by_all ON millrace.batch_unlogged IS 'Progress is no secret';
COMMENT ON POLICY changed_by_owner ON millrace.batch_unlogged IS 'As the run it belongs to';

-- Which session ingests a run: the one that holds the run's advisory lock. Nothing to clean up after a
-- crash, because nothing is stored.
CREATE FUNCTION millrace.lock_key(run text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT hashtextextended(run, 7236837112405)
$$;
COMMENT ON FUNCTION millrace.lock_key(text) IS 'Key of the advisory lock that the session ingesting a run holds';

CREATE FUNCTION millrace.running(OUT key bigint, OUT pid integer) RETURNS SETOF record
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT (classid::bigint << 32) | objid::bigint, pid
    FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
$$;
COMMENT ON FUNCTION millrace.running() IS 'Advisory locks held in this database, by key, with the process that holds each';

-- Unlogged tables cannot be read on a standby, which has no use for their rows either.
CREATE FUNCTION millrace.batches() RETURNS SETOF millrace.batch
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT * FROM millrace.batch;
    IF NOT pg_is_in_recovery() THEN
        RETURN QUERY SELECT * FROM millrace.batch_unlogged;
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.batches() IS 'The whole ledger: batches of logged and unlogged targets';
