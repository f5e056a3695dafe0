-- Small-Quantity-Order Revenue, its subquery as a window over the lines of the parts
SELECT sum(l_extendedprice) / 7.0 AS avg_yearly
FROM (
    SELECT l_extendedprice, l_quantity, avg(l_quantity) OVER (PARTITION BY l_partkey) AS avg_quantity
    FROM [lineitem], [part]
    WHERE p_partkey = l_partkey
      AND p_brand = '[BRAND]'
      AND p_container = '[CONTAINER]'
) AS lines
WHERE l_quantity < 0.2 * avg_quantity
