-- Customers Whose Web Sales Grow Faster, each customer's channels and years in one row
WITH sales AS (
    SELECT ss_customer_sk AS customer_sk, 'store' AS channel, d_year, ss_net_paid AS amount
    FROM [store_sales], [date_dim]
    WHERE ss_sold_date_sk = d_date_sk
      AND d_year IN ([YEAR], [YEAR] + 1)
    UNION ALL
    SELECT ws_bill_customer_sk AS customer_sk, 'web' AS channel, d_year, ws_net_paid AS amount
    FROM [web_sales], [date_dim]
    WHERE ws_sold_date_sk = d_date_sk
      AND d_year IN ([YEAR], [YEAR] + 1)
),
totals AS (
    SELECT customer_sk,
           [AGGONE](amount) FILTER (WHERE channel = 'store' AND d_year = [YEAR]) AS store_first,
           [AGGONE](amount) FILTER (WHERE channel = 'store' AND d_year = [YEAR] + 1) AS store_second,
           [AGGONE](amount) FILTER (WHERE channel = 'web' AND d_year = [YEAR]) AS web_first,
           [AGGONE](amount) FILTER (WHERE channel = 'web' AND d_year = [YEAR] + 1) AS web_second
    FROM sales
    GROUP BY customer_sk
)
SELECT c_customer_id AS customer_id, c_first_name AS customer_first_name, c_last_name AS customer_last_name
FROM totals, [customer]
WHERE customer_sk = c_customer_sk
  AND store_first > 0
  AND web_first > 0
  AND web_second / nullif(web_first, 0) > store_second / nullif(store_first, 0)
ORDER BY [ORDERC.1] NULLS FIRST, [ORDERC.2] NULLS FIRST, [ORDERC.3] NULLS FIRST
LIMIT 100
