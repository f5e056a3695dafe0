-- Inventory before and after a Date
-- YEAR = 2000 from uniform(1998, 2002)
-- SALES_DATE = 2000-03-11 from date([YEAR]-01-31, [YEAR]-07-01)
SELECT *
FROM (
    SELECT w_warehouse_name,
           i_item_id,
           sum(CASE
                   WHEN d_date < DATE '[SALES_DATE]' THEN inv_quantity_on_hand
                   ELSE 0
               END) AS inv_before,
           sum(CASE
                   WHEN d_date >= DATE '[SALES_DATE]' THEN inv_quantity_on_hand
                   ELSE 0
               END) AS inv_after
    FROM [inventory], [warehouse], [item], [date_dim]
    WHERE i_current_price BETWEEN 0.99 AND 1.49
      AND i_item_sk = inv_item_sk
      AND inv_warehouse_sk = w_warehouse_sk
      AND inv_date_sk = d_date_sk
      AND d_date BETWEEN DATE '[SALES_DATE]' - 30 AND DATE '[SALES_DATE]' + 30
    GROUP BY w_warehouse_name, i_item_id
) AS x
WHERE CASE WHEN inv_before > 0 THEN (inv_after * 1.0) / inv_before END BETWEEN 2.0 / 3.0 AND 3.0 / 2.0
ORDER BY w_warehouse_name NULLS FIRST, i_item_id NULLS FIRST
LIMIT 100
