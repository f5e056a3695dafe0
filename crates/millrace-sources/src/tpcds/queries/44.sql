-- Best and Worst Items of a Store
-- NULLCOLSS = ss_addr_sk from one of ss_customer_sk | ss_cdemo_sk | ss_hdemo_sk | ss_addr_sk |
--     ss_promo_sk
-- STORE = 4 from uniform(1, store)
SELECT ascending.rnk, i1.i_product_name AS best_performing, i2.i_product_name AS worst_performing
FROM (
    SELECT *
    FROM (
        SELECT item_sk, rank() OVER (ORDER BY rank_col) AS rnk
        FROM (
            SELECT ss_item_sk AS item_sk, avg(ss_net_profit) AS rank_col
            FROM [store_sales] AS ss1
            WHERE ss_store_sk = [STORE]
            GROUP BY ss_item_sk
            HAVING avg(ss_net_profit) > 0.9 * (
                  SELECT avg(ss_net_profit) AS rank_col
                  FROM [store_sales]
                  WHERE ss_store_sk = [STORE]
                    AND [NULLCOLSS] IS NULL
                  GROUP BY ss_store_sk
              )
        ) AS v1
    ) AS v11
    WHERE rnk < 11
) AS ascending, (
    SELECT *
    FROM (
        SELECT item_sk, rank() OVER (ORDER BY rank_col DESC NULLS LAST) AS rnk
        FROM (
            SELECT ss_item_sk AS item_sk, avg(ss_net_profit) AS rank_col
            FROM [store_sales] AS ss1
            WHERE ss_store_sk = [STORE]
            GROUP BY ss_item_sk
            HAVING avg(ss_net_profit) > 0.9 * (
                  SELECT avg(ss_net_profit) AS rank_col
                  FROM [store_sales]
                  WHERE ss_store_sk = [STORE]
                    AND [NULLCOLSS] IS NULL
                  GROUP BY ss_store_sk
              )
        ) AS v2
    ) AS v21
    WHERE rnk < 11
) AS descending, [item] AS i1, [item] AS i2
WHERE ascending.rnk = descending.rnk
  AND i1.i_item_sk = ascending.item_sk
  AND i2.i_item_sk = descending.item_sk
ORDER BY ascending.rnk
LIMIT 100
