-- Store Margin by Category and Class
-- STATE = TN | TN | TN | TN | TN | TN | TN | TN from 8 of active(state)
-- YEAR = 2001 from uniform(1998, 2002)
SELECT sum(ss_net_profit) / nullif(sum(ss_ext_sales_price), 0) AS gross_margin,
       i_category,
       i_class,
       grouping(i_category) + grouping(i_class) AS lochierarchy,
       rank() OVER (
           PARTITION BY grouping(i_category) + grouping(i_class),
                        CASE WHEN grouping(i_class) = 0 THEN i_category END
           ORDER BY sum(ss_net_profit) / nullif(sum(ss_ext_sales_price), 0)
       ) AS rank_within_parent
FROM [store_sales], [date_dim] AS d1, [item], [store]
WHERE d1.d_year = [YEAR]
  AND d1.d_date_sk = ss_sold_date_sk
  AND i_item_sk = ss_item_sk
  AND s_store_sk = ss_store_sk
  AND s_state IN (
      '[STATE.1]', '[STATE.2]', '[STATE.3]', '[STATE.4]', '[STATE.5]', '[STATE.6]', '[STATE.7]',
      '[STATE.8]'
  )
GROUP BY ROLLUP (i_category, i_class)
ORDER BY lochierarchy DESC,
         CASE WHEN grouping(i_category) + grouping(i_class) = 0 THEN i_category END NULLS FIRST,
         rank_within_parent NULLS FIRST
LIMIT 100
