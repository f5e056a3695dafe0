-- Minimum Cost Supplier, its subquery as a window over the offers in the region
SELECT s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment
FROM (
    SELECT s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment, ps_supplycost,
           min(ps_supplycost) OVER (PARTITION BY p_partkey) AS lowest_cost
    FROM [part], [supplier], [partsupp], [nation], [region]
    WHERE p_partkey = ps_partkey
      AND s_suppkey = ps_suppkey
      AND p_size = [SIZE]
      AND p_type LIKE '%[TYPE]'
      AND s_nationkey = n_nationkey
      AND n_regionkey = r_regionkey
      AND r_name = '[REGION]'
) AS offers
WHERE ps_supplycost = lowest_cost
ORDER BY s_acctbal DESC, n_name, s_name, p_partkey
LIMIT 100
