-- Customers Who Moved from Stores to the Web, each customer's years in one row
WITH in_stores AS (
    SELECT ss_customer_sk AS customer_sk,
           sum(ss_ext_list_price - ss_ext_discount_amt) FILTER (WHERE d_year = [YEAR]) AS first_year,
           sum(ss_ext_list_price - ss_ext_discount_amt) FILTER (WHERE d_year = [YEAR] + 1) AS second_year
    FROM [store_sales], [date_dim]
    WHERE ss_sold_date_sk = d_date_sk
      AND d_year IN ([YEAR], [YEAR] + 1)
    GROUP BY ss_customer_sk
),
on_the_web AS (
    SELECT ws_bill_customer_sk AS customer_sk,
           sum(ws_ext_list_price - ws_ext_discount_amt) FILTER (WHERE d_year = [YEAR]) AS first_year,
           sum(ws_ext_list_price - ws_ext_discount_amt) FILTER (WHERE d_year = [YEAR] + 1) AS second_year
    FROM [web_sales], [date_dim]
    WHERE ws_sold_date_sk = d_date_sk
      AND d_year IN ([YEAR], [YEAR] + 1)
    GROUP BY ws_bill_customer_sk
)
SELECT customer_id, customer_first_name, customer_last_name, [SELECTONE]
FROM (
    SELECT c_customer_sk,
           c_customer_id AS customer_id,
           c_first_name AS customer_first_name,
           c_last_name AS customer_last_name,
           c_preferred_cust_flag AS customer_preferred_cust_flag,
           c_birth_country AS customer_birth_country,
           c_login AS customer_login,
           c_email_address AS customer_email_address
    FROM [customer]
) AS t_s_secyear, in_stores, on_the_web
WHERE in_stores.customer_sk = c_customer_sk
  AND on_the_web.customer_sk = c_customer_sk
  AND in_stores.first_year > 0
  AND on_the_web.first_year > 0
  AND on_the_web.second_year / nullif(on_the_web.first_year, 0)
      > in_stores.second_year / nullif(in_stores.first_year, 0)
ORDER BY customer_id NULLS FIRST, customer_first_name NULLS FIRST, customer_last_name NULLS FIRST,
         [SELECTONE] NULLS FIRST
LIMIT 100
