-- Categories in a Month
-- MONTH = 11 from uniform(11, 12)
-- YEAR = 2000 from uniform(1998, 2002)
SELECT dt.d_year, i_category_id, i_category, sum(ss_ext_sales_price)
FROM [date_dim] AS dt, [store_sales], [item]
WHERE dt.d_date_sk = ss_sold_date_sk
  AND ss_item_sk = i_item_sk
  AND i_manager_id = 1
  AND dt.d_moy = [MONTH]
  AND dt.d_year = [YEAR]
GROUP BY dt.d_year, i_category_id, i_category
ORDER BY sum(ss_ext_sales_price) DESC NULLS LAST, dt.d_year, i_category_id, i_category
LIMIT 100
