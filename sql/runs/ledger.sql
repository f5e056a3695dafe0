-- The ledger: which batches of each run are committed. A row of millrace.batch commits in the same
-- transaction as the batch's rows, so it is there if and only if they are. No default is volatile, because each segment
-- of a cluster has a copy of these tables and would compute its own value.

CREATE TABLE millrace.run (
    name text PRIMARY KEY CHECK (name <> ''),
    owner millrace.role_then NOT NULL,
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
    overwriting jsonb,
    settings jsonb NOT NULL DEFAULT '{}',
    synchronous_commit boolean NOT NULL DEFAULT true,
    finished timestamptz,
    duration interval CHECK (duration > '0')
);
COMMENT ON TABLE millrace.run IS 'One row per run: what it loads, which never changes, and how, as the last call asked';
COMMENT ON COLUMN millrace.run.name IS 'The run''s name: as given, or derived from the target''s';
COMMENT ON COLUMN millrace.run.owner IS 'The role that began it';
COMMENT ON COLUMN millrace.run.source IS 'What it loads; see stream_sources()';
COMMENT ON COLUMN millrace.run.options IS 'The source''s options';
COMMENT ON COLUMN millrace.run.batch_rows IS 'Rows per batch, as asked for';
COMMENT ON COLUMN millrace.run.profile IS 'How the batches vary: a name, or a list of their rows';
COMMENT ON COLUMN millrace.run.batches IS 'How many batches there are in all';
COMMENT ON COLUMN millrace.run.rows_estimated IS 'How many rows there are in all, within 0.1%';
COMMENT ON COLUMN millrace.run.named IS 'Whether the caller gave the name';
COMMENT ON COLUMN millrace.run.rate IS 'Rows per second offered; null: as fast as possible. As the last call asked';
COMMENT ON COLUMN millrace.run.load IS 'The schema that tpch_load or tpcds_load loads with this and other runs; null for a run on its own';
COMMENT ON COLUMN millrace.run.stop_requested IS 'Whether the session ingesting it was asked to stop; cleared when a session begins';
COMMENT ON COLUMN millrace.run.created IS 'When it was begun';
COMMENT ON COLUMN millrace.run.settings IS 'The settings that its values are converted under; empty if no value depends on a setting';
COMMENT ON COLUMN millrace.run.synchronous_commit IS
'Whether each commit waits as the session''s synchronous_commit says; false: only the last commit of a call does. As the last call asked';
COMMENT ON COLUMN millrace.run.finished IS
'When all its batches were found committed; null until then, and if a crash can empty a target, because then batches are counted instead';
COMMENT ON COLUMN millrace.run.duration IS
'How long it lasts, however much it has loaded by then; null: until everything is loaded. As the last call asked';
COMMENT ON COLUMN millrace.run.overwriting IS 'Arguments of the tpch_load or tpcds_load with overwrite that began it; null for other runs, and when that load is complete';

CREATE TABLE millrace.target (
    run text NOT NULL,
    target integer NOT NULL,
    name text NOT NULL,
    relation oid NOT NULL,
    unlogged boolean NOT NULL,
    leaves oid[] NOT NULL,
    filenodes oid[] NOT NULL,
    columns text[],
    PRIMARY KEY (run, target)
);
COMMENT ON TABLE millrace.target IS 'The tables a run loads';
COMMENT ON COLUMN millrace.target.run IS 'The run';
COMMENT ON COLUMN millrace.target.target IS 'Number of the table in the run, from 1';
COMMENT ON COLUMN millrace.target.name IS 'The table''s qualified name when the run began';
COMMENT ON COLUMN millrace.target.relation IS 'The table''s OID';
COMMENT ON COLUMN millrace.target.unlogged IS 'Whether a crash empties the table, and so its ledger rows too';
COMMENT ON COLUMN millrace.target.leaves IS 'OIDs of the table, of the partitions it had, or of the tables below a view';
COMMENT ON COLUMN millrace.target.filenodes IS 'The file node of each leaf (its OID if it has no file); if it is another one now, the leaf was rewritten';
COMMENT ON COLUMN millrace.target.columns IS 'The columns that the run fills; null for a query, and in runs of version 0.1';

CREATE TABLE millrace.session (
    run text NOT NULL,
    begun timestamptz NOT NULL,
    pid integer NOT NULL,
    rate double precision,
    processes integer NOT NULL,
    readers integer NOT NULL,
    PRIMARY KEY (run, begun)
);
COMMENT ON TABLE millrace.session IS 'One row per call that ingested a run; nothing is due between calls';
COMMENT ON COLUMN millrace.session.run IS 'The run';
COMMENT ON COLUMN millrace.session.begun IS 'When the call began to ingest it';
COMMENT ON COLUMN millrace.session.pid IS 'The process that ran the call';
COMMENT ON COLUMN millrace.session.rate IS 'Rows per second offered; null: as fast as possible';
COMMENT ON COLUMN millrace.session.processes IS 'How many processes were asked to ingest';
COMMENT ON COLUMN millrace.session.readers IS 'How many processes were asked to read';

CREATE TABLE millrace.batch (
    run text NOT NULL,
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
    busy_ms double precision,
    commit_before_ms double precision,
    due timestamptz,
    PRIMARY KEY (run, batch, target)
);
COMMENT ON TABLE millrace.batch IS 'One row per committed batch and target, written with the batch''s rows';

COMMENT ON COLUMN millrace.batch.run IS 'The run';
COMMENT ON COLUMN millrace.batch.batch IS 'Number of the batch in the run, from 1';
COMMENT ON COLUMN millrace.batch.target IS 'Number of the target in the run, from 1';
COMMENT ON COLUMN millrace.batch.rows IS 'Rows inserted';
COMMENT ON COLUMN millrace.batch.elapsed_ms IS 'Milliseconds from the batch''s beginning to its end, without the commit';
COMMENT ON COLUMN millrace.batch.generate_ms IS 'Milliseconds spent making the rows, partly while other rows were inserted';
COMMENT ON COLUMN millrace.batch.insert_ms IS 'Milliseconds spent inserting them, without waiting for them to be made';
COMMENT ON COLUMN millrace.batch.commit_ms IS 'Milliseconds its commit took, if no later batch of this process noted it; else null';
COMMENT ON COLUMN millrace.batch.wal_bytes IS 'Bytes of WAL the insert wrote';
COMMENT ON COLUMN millrace.batch.worker IS 'Process that inserted them';
COMMENT ON COLUMN millrace.batch.path IS 'How they were inserted: bulk, or executor';
COMMENT ON COLUMN millrace.batch.finished IS 'When the insert was done, just before its commit';
COMMENT ON COLUMN millrace.batch.busy_ms IS
'Milliseconds since the batch before, of any process, or since the call began; null in runs of version 0.1';
COMMENT ON COLUMN millrace.batch.commit_before_ms IS 'Milliseconds that the commit of this process''s previous batch took; null for its first';
COMMENT ON COLUMN millrace.batch.due IS 'When its last row arrived, at the rate offered; null without a rate';

-- A crash empties unlogged tables. Their ledger rows are kept in this table, which is then empty, too, so the next call
-- fills the tables again.
CREATE UNLOGGED TABLE millrace.batch_unlogged (LIKE millrace.batch INCLUDING ALL EXCLUDING COMMENTS);
COMMENT ON TABLE millrace.batch_unlogged IS 'As millrace.batch, for targets that are unlogged or temporary';
COMMENT ON COLUMN millrace.batch_unlogged.run IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.batch IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.target IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.rows IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.elapsed_ms IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.generate_ms IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.insert_ms IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.commit_ms IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.wal_bytes IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.worker IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.path IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.finished IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.busy_ms IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.commit_before_ms IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.due IS 'As in millrace.batch';

-- A dump includes the runs. A restored run finds its tables by name, not by OID. There are no foreign keys between these
-- tables, because a parallel restore fills them in any order.
SELECT pg_catalog.pg_extension_config_dump('millrace.run', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.target', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.session', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.batch', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.batch_unlogged', '');

-- Everybody can read the ledger. Only the extension's C functions write it, with the rights of its owner, after they
-- have checked the caller's (src/runs/ledger.rs). Row security instead would make dumps by other roles fail.
GRANT SELECT ON millrace.run, millrace.target, millrace.session, millrace.batch, millrace.batch_unlogged TO PUBLIC;

CREATE FUNCTION millrace.role_now() RETURNS millrace.role_then
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT ROW(r.oid, r.rolname, c.system_identifier)::millrace.role_then
    FROM pg_roles r, pg_control_system() c WHERE r.rolname = current_user
$$;
COMMENT ON FUNCTION millrace.role_now() IS 'The current user, as the ledger notes it';

-- A renamed role is still the same role; a new role with its old name is not. In another cluster OIDs mean nothing, so
-- the name decides.
CREATE FUNCTION millrace.role_of(role_then millrace.role_then) RETURNS oid
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT r.oid FROM pg_roles r, pg_control_system() c
    WHERE CASE WHEN role_then.cluster = c.system_identifier THEN r.oid = role_then.role ELSE r.rolname = role_then.name END
$$;
COMMENT ON FUNCTION millrace.role_of(millrace.role_then) IS 'The OID of the role that was noted; null if it was dropped, or does not exist in the cluster restored into';

CREATE FUNCTION millrace.role_name(role_then millrace.role_then) RETURNS name
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT rolname FROM pg_roles WHERE oid = millrace.role_of(role_then)), role_then.name)
$$;
COMMENT ON FUNCTION millrace.role_name(millrace.role_then) IS 'The name that the noted role has now, or had if it is gone';

CREATE FUNCTION millrace.may_act_for(role oid) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'may_act_for_wrapper';
COMMENT ON FUNCTION millrace.may_act_for(oid) IS
'Whether the caller may SET ROLE to a role; if null, for a role that is gone, whether the caller is a superuser';

-- The session that holds a run's lock ingests the run. Nothing is stored, so there is nothing to clean up after a crash.
-- It is an object lock with the class of table millrace.run, which no SQL takes. Its key has 47 bits, because pg_locks
-- shows 32 and 15 of them.
CREATE FUNCTION millrace.lock_key(run text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT pg_catalog.hashtextextended(run, 7236837112405) OPERATOR(pg_catalog.&) 140737488355327
$$;
COMMENT ON FUNCTION millrace.lock_key(text) IS 'Key of the lock that the session ingesting a run holds';

-- Not a function: what is called while a statement's parameters are bound may have no SET clause on a cluster (see
-- docs/internals/cluster.md), and a view's names mean the same without one.
CREATE VIEW millrace.running AS
SELECT (objsubid::bigint << 32) | objid::bigint AS key, pid
FROM pg_locks
WHERE locktype = 'object' AND classid = 'millrace.run'::regclass AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
COMMENT ON VIEW millrace.running IS 'The run locks held in this database: the key, and the process that holds it';
COMMENT ON COLUMN millrace.running.key IS 'The key that millrace.lock_key() makes of the run''s name';
COMMENT ON COLUMN millrace.running.pid IS 'The process that holds it';

-- A standby cannot read unlogged tables, and does not need their rows.
CREATE FUNCTION millrace.unlogged_batches(run text) RETURNS SETOF millrace.batch
LANGUAGE plpgsql STABLE ROWS 1000 SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pg_is_in_recovery() THEN
        RETURN QUERY SELECT b.* FROM millrace.batch_unlogged b WHERE b.run = unlogged_batches.run;
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.unlogged_batches(text) IS 'The batches of a run''s unlogged targets';

-- Restricted to one run, it reads only that run's rows.
CREATE VIEW millrace.batches AS
SELECT b.run, b.batch, b.target, b.rows, b.elapsed_ms, b.generate_ms, b.insert_ms, b.commit_ms, b.wal_bytes, b.worker,
       b.path, b.finished, b.busy_ms, b.commit_before_ms, b.due
FROM millrace.batch b
UNION ALL
SELECT t.run, u.batch, u.target, u.rows, u.elapsed_ms, u.generate_ms, u.insert_ms, u.commit_ms, u.wal_bytes, u.worker,
       u.path, u.finished, u.busy_ms, u.commit_before_ms, u.due
FROM (SELECT DISTINCT run FROM millrace.target WHERE unlogged) t, LATERAL millrace.unlogged_batches(t.run) u;
COMMENT ON VIEW millrace.batches IS 'The whole ledger: batches of logged and unlogged targets';
COMMENT ON COLUMN millrace.batches.run IS 'The run';
COMMENT ON COLUMN millrace.batches.batch IS 'Number of the batch in the run, from 1';
COMMENT ON COLUMN millrace.batches.target IS 'Number of the target in the run, from 1';
COMMENT ON COLUMN millrace.batches.rows IS 'Rows inserted';
COMMENT ON COLUMN millrace.batches.elapsed_ms IS 'Milliseconds from the batch''s beginning to its end, without the commit';
COMMENT ON COLUMN millrace.batches.generate_ms IS 'Milliseconds spent making the rows, partly while other rows were inserted';
COMMENT ON COLUMN millrace.batches.insert_ms IS 'Milliseconds spent inserting them, without waiting for them to be made';
COMMENT ON COLUMN millrace.batches.commit_ms IS 'Milliseconds its commit took, if no later batch of this process noted it; else null';
COMMENT ON COLUMN millrace.batches.wal_bytes IS 'Bytes of WAL the insert wrote';
COMMENT ON COLUMN millrace.batches.worker IS 'Process that inserted them';
COMMENT ON COLUMN millrace.batches.path IS 'How they were inserted: bulk, or executor';
COMMENT ON COLUMN millrace.batches.finished IS 'When the insert was done, just before its commit';
COMMENT ON COLUMN millrace.batches.busy_ms IS 'Milliseconds since the batch before, of any process, or since the call began';
COMMENT ON COLUMN millrace.batches.commit_before_ms IS 'Milliseconds that the commit of this process''s previous batch took';
COMMENT ON COLUMN millrace.batches.due IS 'When its last row arrived, at the rate offered';
GRANT SELECT ON millrace.batches, millrace.running TO PUBLIC;

CREATE FUNCTION millrace.rows_done(run text) RETURNS bigint
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp AS $$
    -- Tables of a run have the same rows; one that a crash emptied lags behind.
    SELECT coalesce(min(t.rows), 0)::bigint FROM (
        SELECT coalesce(sum(b.rows), 0) AS rows
        FROM millrace.target t
        LEFT JOIN (SELECT * FROM millrace.batches WHERE batches.run = rows_done.run) b USING (target)
        WHERE t.run = rows_done.run
        GROUP BY t.target
    ) t
$$;
COMMENT ON FUNCTION millrace.rows_done(text) IS 'How many rows a run has committed, in each of its targets';

CREATE FUNCTION millrace.sessions(run text, OUT begun timestamptz, OUT ended timestamptz, OUT rate double precision)
RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 1 SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH session AS (
        SELECT s.begun, lead(s.begun, 1, 'infinity') OVER (ORDER BY s.begun) AS next, s.rate
        FROM millrace.session s WHERE s.run = sessions.run
    )
    SELECT s.begun, max(b.finished), s.rate
    FROM session s
    JOIN millrace.batches b ON b.run = sessions.run AND b.finished >= s.begun AND b.finished < s.next
    GROUP BY s.begun, s.rate
    ORDER BY s.begun;
END
$$;
COMMENT ON FUNCTION millrace.sessions(text) IS
'The calls that committed batches of a run: when each began, when its last batch was inserted, and the rate offered';

CREATE FUNCTION millrace.is_finished(run text) RETURNS boolean
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'is_finished_wrapper';
COMMENT ON FUNCTION millrace.is_finished(text) IS 'Whether a run has all its batches; null if there is no such run';
