-- Store Revenue as a Share of Its Class
-- YEAR = 1999 from uniform(1998, 2002)
-- SDATE = 1999-02-22 from date([YEAR]-01-01, [YEAR]-07-01)
-- CATEGORY = Sports | Books | Home from 3 of word(category)
SELECT i_item_id,
       i_item_desc,
       i_category,
       i_class,
       i_current_price,
       sum(ss_ext_sales_price) AS itemrevenue,
       sum(ss_ext_sales_price) * 100
           / nullif(sum(sum(ss_ext_sales_price)) OVER (PARTITION BY i_class), 0) AS revenueratio
FROM [store_sales], [item], [date_dim]
WHERE ss_item_sk = i_item_sk
  AND i_category IN ('[CATEGORY.1]', '[CATEGORY.2]', '[CATEGORY.3]')
  AND ss_sold_date_sk = d_date_sk
  AND d_date BETWEEN DATE '[SDATE]' AND DATE '[SDATE]' + 30
GROUP BY i_item_id, i_item_desc, i_category, i_class, i_current_price
ORDER BY i_category NULLS FIRST, i_class NULLS FIRST, i_item_id NULLS FIRST, i_item_desc NULLS FIRST,
         revenueratio NULLS FIRST
