-- A backfill that commits batch by batch: amounts as text become numbers and currencies, in a new table. Run it again
-- after Ctrl-C or a crash to resume; when it is done, it says so and does nothing.

-- What is there: keys with gaps.
CREATE TABLE IF NOT EXISTS payments (id bigint PRIMARY KEY, amount text NOT NULL);
INSERT INTO payments SELECT 7 * n, 'EUR ' || n || '.50' FROM generate_series(1, 100000) n ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS payments_new (id bigint PRIMARY KEY, amount numeric NOT NULL, currency char(3) NOT NULL);

-- Row numbers are ids: $1 and $2 are the first and the last one of a batch, and an index finds what is between them. The
-- run has a name, so that there is one of it.
SELECT max(id) AS last FROM payments \gset
CALL stream_ingest('payments_new', 'sql', run => 'payments', rows => :last, batch_rows => 100000, options => '{
    "query": "SELECT id, split_part(amount, '' '', 2)::numeric, split_part(amount, '' '', 1) FROM payments WHERE id BETWEEN $1 AND $2",
    "columns": ["id", "amount", "currency"]}');

SELECT count(*), sum(amount), min(currency) FROM payments_new;
