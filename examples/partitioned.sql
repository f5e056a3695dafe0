-- Sensor readings into a partitioned table with columns of its own.

CREATE TABLE readings (
    id bigint GENERATED ALWAYS AS IDENTITY,
    device bigint NOT NULL,
    metric text NOT NULL,
    "time" timestamp NOT NULL,
    value double precision,
    loaded_by text DEFAULT current_user
) PARTITION BY RANGE ("time");
CREATE TABLE readings_hour_0 PARTITION OF readings FOR VALUES FROM ('2024-01-01 00:00') TO ('2024-01-01 01:00');
CREATE TABLE readings_hour_1 PARTITION OF readings FOR VALUES FROM ('2024-01-01 01:00') TO ('2024-01-01 02:00');
CREATE TABLE readings_later PARTITION OF readings DEFAULT;
CREATE INDEX ON readings (device, "time");

-- Columns are filled by name: arrival and quality, which the table does not have, are not made, and id and loaded_by
-- make their own values. 100 devices with 4 metrics every 10 seconds are 144,000 readings an hour.
CALL stream_ingest('readings', 'iot', rows => 300000, batch_rows => 50000, options => '{"devices": 100, "lost": 0}');

SELECT tableoid::regclass AS partition, count(*), min("time"), max("time") FROM readings GROUP BY 1 ORDER BY 3;
SELECT rows_expected, rows_found, matches FROM stream_verify('public.readings');
