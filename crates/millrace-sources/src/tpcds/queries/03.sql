-- Brands of a Manufacturer in a Month
-- MONTH = 11 from uniform(11, 12)
-- MANUFACT = 128 from uniform(1, 1000)
-- AGGC = ss_ext_sales_price from one of ss_ext_sales_price | ss_sales_price | ss_ext_discount_amt |
--     ss_net_profit
SELECT dt.d_year, i_brand_id AS brand_id, i_brand AS brand, sum([AGGC]) AS sum_agg
FROM [date_dim] AS dt, [store_sales], [item]
WHERE dt.d_date_sk = ss_sold_date_sk
  AND ss_item_sk = i_item_sk
  AND i_manufact_id = [MANUFACT]
  AND dt.d_moy = [MONTH]
GROUP BY dt.d_year, i_brand, i_brand_id
ORDER BY dt.d_year, sum_agg DESC NULLS LAST, brand_id
LIMIT 100
