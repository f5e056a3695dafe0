-- Volatile defaults are gone: each segment of a cluster would make its own.
ALTER TABLE millrace.run ALTER created DROP DEFAULT;
ALTER TABLE millrace.batch ALTER worker DROP DEFAULT, ALTER finished DROP DEFAULT;
ALTER TABLE millrace.batch_unlogged ALTER worker DROP DEFAULT, ALTER finished DROP DEFAULT;
ALTER TABLE millrace.bench ALTER created DROP DEFAULT;
ALTER TABLE millrace.bench_analyze ALTER finished DROP DEFAULT;
ALTER TABLE millrace.bench_query ALTER finished DROP DEFAULT;

-- An interrupted tpch_load with overwrite can be resumed.
ALTER TABLE millrace.run ADD overwriting jsonb;

-- Variants have a step after the load, and PAX's name the columns that suit the rows.
ALTER TABLE millrace.variant ADD after_load text;
ALTER TABLE millrace.bench_table ADD after_load_ms double precision;
UPDATE millrace.variant
SET create_suffix = 'WITH (compresstype = ''zstd'', compresslevel = 5,'
        ' {minmax_columns: call_timestamp, call_date, call_hour, caller_number, callee_number, cell_tower_id},'
        ' {bloomfilter_columns: caller_number, callee_number, cell_tower_id})'
WHERE name = 'pax' AND owner IS NULL;
UPDATE millrace.variant
SET create_suffix = 'WITH (compresstype = ''zstd'', compresslevel = 5,'
        ' {minmax_columns: call_timestamp, call_date, call_hour, caller_number, callee_number, cell_tower_id},'
        ' {bloomfilter_columns: caller_number, callee_number, cell_tower_id},'
        ' cluster_type = ''zorder'', cluster_columns = ''call_hour,cell_tower_id'')',
    after_load = 'CLUSTER %s'
WHERE name = 'pax_clustered' AND owner IS NULL;
