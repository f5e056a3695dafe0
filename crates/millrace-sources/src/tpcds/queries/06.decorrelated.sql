-- States That Buy above the Price of a Category, the average as a window over the items of a category
SELECT ca_state AS state, count(*) AS cnt
FROM [customer_address], [customer], [store_sales], [date_dim], (
    SELECT i_item_sk,
           i_category,
           i_current_price,
           avg(i_current_price) OVER (PARTITION BY i_category) AS average
    FROM [item]
) AS items
WHERE ca_address_sk = c_current_addr_sk
  AND c_customer_sk = ss_customer_sk
  AND ss_sold_date_sk = d_date_sk
  AND ss_item_sk = i_item_sk
  AND d_month_seq = (
      SELECT DISTINCT d_month_seq
      FROM [date_dim]
      WHERE d_year = [YEAR]
        AND d_moy = [MONTH]
  )
  AND i_category IS NOT NULL
  AND i_current_price > 1.2 * average
GROUP BY ca_state
HAVING count(*) >= 10
ORDER BY cnt NULLS FIRST, ca_state NULLS FIRST
LIMIT 100
