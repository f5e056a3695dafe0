-- Important Stock Identification
SELECT ps_partkey, sum(ps_supplycost * ps_availqty) AS value
FROM [partsupp], [supplier], [nation]
WHERE ps_suppkey = s_suppkey
  AND s_nationkey = n_nationkey
  AND n_name = '[NATION]'
GROUP BY ps_partkey
HAVING sum(ps_supplycost * ps_availqty) > (
    SELECT sum(ps_supplycost * ps_availqty) * [FRACTION]
    FROM [partsupp], [supplier], [nation]
    WHERE ps_suppkey = s_suppkey
      AND s_nationkey = n_nationkey
      AND n_name = '[NATION]'
)
ORDER BY value DESC
