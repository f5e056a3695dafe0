-- Customers Who Moved from Stores to the Catalog, each customer's years in one row
WITH in_stores AS (
    SELECT customer_sk,
           sum(amount) FILTER (WHERE d_year = [YEAR]) AS first_year,
           sum(amount) FILTER (WHERE d_year = [YEAR] + 1) AS second_year
    FROM (
        SELECT ss_customer_sk AS customer_sk,
               d_year,
               (ss_ext_list_price - ss_ext_wholesale_cost - ss_ext_discount_amt + ss_ext_sales_price) / 2
                   AS amount
        FROM [store_sales], [date_dim]
        WHERE ss_sold_date_sk = d_date_sk
          AND d_year IN ([YEAR], [YEAR] + 1)
    ) AS sales
    GROUP BY customer_sk
),
by_catalog AS (
    SELECT customer_sk,
           sum(amount) FILTER (WHERE d_year = [YEAR]) AS first_year,
           sum(amount) FILTER (WHERE d_year = [YEAR] + 1) AS second_year
    FROM (
        SELECT cs_bill_customer_sk AS customer_sk,
               d_year,
               (cs_ext_list_price - cs_ext_wholesale_cost - cs_ext_discount_amt + cs_ext_sales_price) / 2
                   AS amount
        FROM [catalog_sales], [date_dim]
        WHERE cs_sold_date_sk = d_date_sk
          AND d_year IN ([YEAR], [YEAR] + 1)
    ) AS sales
    GROUP BY customer_sk
),
on_the_web AS (
    SELECT customer_sk,
           sum(amount) FILTER (WHERE d_year = [YEAR]) AS first_year,
           sum(amount) FILTER (WHERE d_year = [YEAR] + 1) AS second_year
    FROM (
        SELECT ws_bill_customer_sk AS customer_sk,
               d_year,
               (ws_ext_list_price - ws_ext_wholesale_cost - ws_ext_discount_amt + ws_ext_sales_price) / 2
                   AS amount
        FROM [web_sales], [date_dim]
        WHERE ws_sold_date_sk = d_date_sk
          AND d_year IN ([YEAR], [YEAR] + 1)
    ) AS sales
    GROUP BY customer_sk
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
) AS t_s_secyear, in_stores, by_catalog, on_the_web
WHERE in_stores.customer_sk = c_customer_sk
  AND by_catalog.customer_sk = c_customer_sk
  AND on_the_web.customer_sk = c_customer_sk
  AND in_stores.first_year > 0
  AND by_catalog.first_year > 0
  AND on_the_web.first_year > 0
  AND by_catalog.second_year / nullif(by_catalog.first_year, 0)
      > in_stores.second_year / nullif(in_stores.first_year, 0)
  AND by_catalog.second_year / nullif(by_catalog.first_year, 0)
      > on_the_web.second_year / nullif(on_the_web.first_year, 0)
ORDER BY customer_id NULLS FIRST, customer_first_name NULLS FIRST, customer_last_name NULLS FIRST,
         [SELECTONE] NULLS FIRST
LIMIT 100
