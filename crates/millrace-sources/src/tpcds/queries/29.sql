-- Quantity of Items Returned and Bought Again
-- MONTH = 9 from uniform(4, 4)
-- YEAR = 1999 from uniform(1998, 2000)
-- AGG = sum from one of sum | min | max | avg | stddev_samp
SELECT i_item_id,
       i_item_desc,
       s_store_id,
       s_store_name,
       [AGG](ss_quantity) AS store_sales_quantity,
       [AGG](sr_return_quantity) AS store_returns_quantity,
       [AGG](cs_quantity) AS catalog_sales_quantity
FROM [store_sales], [store_returns], [catalog_sales], [date_dim] AS d1, [date_dim] AS d2,
     [date_dim] AS d3, [store], [item]
WHERE d1.d_moy = [MONTH]
  AND d1.d_year = [YEAR]
  AND d1.d_date_sk = ss_sold_date_sk
  AND i_item_sk = ss_item_sk
  AND s_store_sk = ss_store_sk
  AND ss_customer_sk = sr_customer_sk
  AND ss_item_sk = sr_item_sk
  AND ss_ticket_number = sr_ticket_number
  AND sr_returned_date_sk = d2.d_date_sk
  AND d2.d_moy BETWEEN [MONTH] AND [MONTH] + 3
  AND d2.d_year = [YEAR]
  AND sr_customer_sk = cs_bill_customer_sk
  AND sr_item_sk = cs_item_sk
  AND cs_sold_date_sk = d3.d_date_sk
  AND d3.d_year IN ([YEAR], [YEAR] + 1, [YEAR] + 2)
GROUP BY i_item_id, i_item_desc, s_store_id, s_store_name
ORDER BY i_item_id, i_item_desc, s_store_id, s_store_name
LIMIT 100
