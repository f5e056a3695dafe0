-- Customers Who Moved from Stores to the Catalog, each customer's channels and years in one row
WITH sales AS (
    SELECT ss_customer_sk AS customer_sk,
           'store' AS channel,
           d_year,
           (ss_ext_list_price - ss_ext_wholesale_cost - ss_ext_discount_amt + ss_ext_sales_price) / 2
               AS amount
    FROM [store_sales], [date_dim]
    WHERE ss_sold_date_sk = d_date_sk
      AND d_year IN ([YEAR], [YEAR] + 1)
    UNION ALL
    SELECT cs_bill_customer_sk AS customer_sk,
           'catalog' AS channel,
           d_year,
           (cs_ext_list_price - cs_ext_wholesale_cost - cs_ext_discount_amt + cs_ext_sales_price) / 2
               AS amount
    FROM [catalog_sales], [date_dim]
    WHERE cs_sold_date_sk = d_date_sk
      AND d_year IN ([YEAR], [YEAR] + 1)
    UNION ALL
    SELECT ws_bill_customer_sk AS customer_sk,
           'web' AS channel,
           d_year,
           (ws_ext_list_price - ws_ext_wholesale_cost - ws_ext_discount_amt + ws_ext_sales_price) / 2
               AS amount
    FROM [web_sales], [date_dim]
    WHERE ws_sold_date_sk = d_date_sk
      AND d_year IN ([YEAR], [YEAR] + 1)
),
totals AS (
    SELECT customer_sk,
           sum(amount) FILTER (WHERE channel = 'store' AND d_year = [YEAR]) AS store_first,
           sum(amount) FILTER (WHERE channel = 'store' AND d_year = [YEAR] + 1) AS store_second,
           sum(amount) FILTER (WHERE channel = 'catalog' AND d_year = [YEAR]) AS catalog_first,
           sum(amount) FILTER (WHERE channel = 'catalog' AND d_year = [YEAR] + 1) AS catalog_second,
           sum(amount) FILTER (WHERE channel = 'web' AND d_year = [YEAR]) AS web_first,
           sum(amount) FILTER (WHERE channel = 'web' AND d_year = [YEAR] + 1) AS web_second
    FROM sales
    GROUP BY customer_sk
)
SELECT customer_id, customer_first_name, customer_last_name, [SELECTONE]
FROM totals, (
    SELECT c_customer_sk,
           c_customer_id AS customer_id,
           c_first_name AS customer_first_name,
           c_last_name AS customer_last_name,
           c_preferred_cust_flag AS customer_preferred_cust_flag,
           c_birth_country AS customer_birth_country,
           c_login AS customer_login,
           c_email_address AS customer_email_address
    FROM [customer]
) AS t_s_secyear
WHERE customer_sk = c_customer_sk
  AND store_first > 0
  AND catalog_first > 0
  AND web_first > 0
  AND catalog_second / nullif(catalog_first, 0) > store_second / nullif(store_first, 0)
  AND catalog_second / nullif(catalog_first, 0) > web_second / nullif(web_first, 0)
ORDER BY customer_id NULLS FIRST, customer_first_name NULLS FIRST, customer_last_name NULLS FIRST,
         [SELECTONE] NULLS FIRST
LIMIT 100
