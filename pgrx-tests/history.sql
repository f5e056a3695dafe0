-- Fills the ledger with {runs} finished runs of {batches} batches each, as if they had been loaded, from one that was. Goes by
-- the columns the tables have.
CREATE TABLE history (LIKE tpch_region);
CALL stream_ingest('history', 'region', run => 'history');
-- So that no foreign key is looked at for each row.
SET session_replication_role = replica;
INSERT INTO millrace.run SELECT more.* FROM millrace.run r, generate_series(1, {runs}) n,
    LATERAL jsonb_populate_record(r, jsonb_build_object('name', 'history ' || n, 'batches', {batches})) more
WHERE r.name = 'history';
INSERT INTO millrace.target SELECT more.* FROM millrace.target t, generate_series(1, {runs}) n,
    LATERAL jsonb_populate_record(t, jsonb_build_object('run', 'history ' || n)) more
WHERE t.run = 'history';
INSERT INTO millrace.batch SELECT more.* FROM millrace.batch b, generate_series(1, {runs}) n, generate_series(1, {batches}) i,
    LATERAL jsonb_populate_record(b, jsonb_build_object('run', 'history ' || n, 'batch', i)) more
WHERE b.run = 'history';
RESET session_replication_role;
ANALYZE millrace.run, millrace.target, millrace.batch
