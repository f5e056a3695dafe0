-- Potential Part Promotion, its subquery as a join with the quantities shipped
SELECT s_name, s_address
FROM [supplier], [nation]
WHERE s_suppkey IN (
      SELECT ps_suppkey
      FROM [partsupp], (
          SELECT l_partkey, l_suppkey, 0.5 * sum(l_quantity) AS half_shipped
          FROM [lineitem]
          WHERE l_partkey IN (SELECT p_partkey FROM [part] WHERE p_name LIKE '[COLOR]%')
            AND l_shipdate >= DATE '[DATE]'
            AND l_shipdate < DATE '[DATE]' + INTERVAL '1' YEAR
          GROUP BY l_partkey, l_suppkey
      ) AS shipped
      WHERE ps_partkey = l_partkey
        AND ps_suppkey = l_suppkey
        AND ps_availqty > half_shipped
  )
  AND s_nationkey = n_nationkey
  AND n_name = '[NATION]'
ORDER BY s_name
