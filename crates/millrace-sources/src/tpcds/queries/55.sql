-- Brands of a Manager
-- MANAGER = 28 from uniform(1, 100)
-- MONTH = 11 from uniform(11, 12)
-- YEAR = 1999 from uniform(1998, 2002)
SELECT i_brand_id AS brand_id, i_brand AS brand, sum(ss_ext_sales_price) AS ext_price
FROM [date_dim], [store_sales], [item]
WHERE d_date_sk = ss_sold_date_sk
  AND ss_item_sk = i_item_sk
  AND i_manager_id = [MANAGER]
  AND d_moy = [MONTH]
  AND d_year = [YEAR]
GROUP BY i_brand, i_brand_id
ORDER BY ext_price DESC NULLS LAST, i_brand_id
LIMIT 100
