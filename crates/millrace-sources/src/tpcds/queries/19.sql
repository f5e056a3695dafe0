-- Brands Sold to Customers from Elsewhere
-- MANAGER = 8 from manager()
-- MONTH = 11 from uniform(11, 12)
-- YEAR = 1998 from uniform(1998, 2002)
SELECT i_brand_id AS brand_id,
       i_brand AS brand,
       i_manufact_id,
       i_manufact,
       sum(ss_ext_sales_price) AS ext_price
FROM [date_dim], [store_sales], [item], [customer], [customer_address], [store]
WHERE d_date_sk = ss_sold_date_sk
  AND ss_item_sk = i_item_sk
  AND i_manager_id = [MANAGER]
  AND d_moy = [MONTH]
  AND d_year = [YEAR]
  AND ss_customer_sk = c_customer_sk
  AND c_current_addr_sk = ca_address_sk
  AND substring(ca_zip FROM 1 FOR 5) <> substring(s_zip FROM 1 FOR 5)
  AND ss_store_sk = s_store_sk
GROUP BY i_brand, i_brand_id, i_manufact_id, i_manufact
ORDER BY ext_price DESC NULLS LAST, i_brand, i_brand_id, i_manufact_id, i_manufact
LIMIT 100
