-- Customers Whose Web Sales Grow Faster, each customer's years in one row
WITH in_stores AS (
    SELECT ss_customer_sk AS customer_sk,
           [AGGONE](ss_net_paid) FILTER (WHERE d_year = [YEAR]) AS first_year,
           [AGGONE](ss_net_paid) FILTER (WHERE d_year = [YEAR] + 1) AS second_year
    FROM [store_sales], [date_dim]
    WHERE ss_sold_date_sk = d_date_sk
      AND d_year IN ([YEAR], [YEAR] + 1)
    GROUP BY ss_customer_sk
),
on_the_web AS (
    SELECT ws_bill_customer_sk AS customer_sk,
           [AGGONE](ws_net_paid) FILTER (WHERE d_year = [YEAR]) AS first_year,
           [AGGONE](ws_net_paid) FILTER (WHERE d_year = [YEAR] + 1) AS second_year
    FROM [web_sales], [date_dim]
    WHERE ws_sold_date_sk = d_date_sk
      AND d_year IN ([YEAR], [YEAR] + 1)
    GROUP BY ws_bill_customer_sk
)
SELECT c_customer_id AS customer_id, c_first_name AS customer_first_name, c_last_name AS customer_last_name
FROM [customer], in_stores, on_the_web
WHERE in_stores.customer_sk = c_customer_sk
  AND on_the_web.customer_sk = c_customer_sk
  AND in_stores.first_year > 0
  AND on_the_web.first_year > 0
  AND on_the_web.second_year / nullif(on_the_web.first_year, 0)
      > in_stores.second_year / nullif(in_stores.first_year, 0)
ORDER BY [ORDERC.1] NULLS FIRST, [ORDERC.2] NULLS FIRST, [ORDERC.3] NULLS FIRST
LIMIT 100
