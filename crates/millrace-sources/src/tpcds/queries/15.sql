-- Catalog Sales by Zip Code
-- QOY = 2 from uniform(1, 2)
-- YEAR = 2001 from uniform(1998, 2002)
SELECT ca_zip, sum(cs_sales_price)
FROM [catalog_sales], [customer], [customer_address], [date_dim]
WHERE cs_bill_customer_sk = c_customer_sk
  AND c_current_addr_sk = ca_address_sk
  AND (
      substring(ca_zip FROM 1 FOR 5) IN (
          '85669', '86197', '88274', '83405', '86475', '85392', '85460', '80348', '81792'
      )
      OR ca_state IN ('CA', 'WA', 'GA')
      OR cs_sales_price > 500
  )
  AND cs_sold_date_sk = d_date_sk
  AND d_qoy = [QOY]
  AND d_year = [YEAR]
GROUP BY ca_zip
ORDER BY ca_zip NULLS FIRST
LIMIT 100
