-- Catalog Orders from Several Warehouses
-- COUNTY = Williamson County | Williamson County | Williamson County | Williamson County | Williamson
--     County from 5 of active(county)
-- STATE = GA from word(state)
-- MONTH = 2 from uniform(2, 5)
-- YEAR = 2002 from uniform(1999, 2002)
SELECT count(DISTINCT cs_order_number) AS "order count",
       sum(cs_ext_ship_cost) AS "total shipping cost",
       sum(cs_net_profit) AS "total net profit"
FROM [catalog_sales] AS cs1, [date_dim], [customer_address], [call_center]
WHERE d_date BETWEEN DATE '[YEAR]-[MONTH]-01' AND DATE '[YEAR]-[MONTH]-01' + 60
  AND cs1.cs_ship_date_sk = d_date_sk
  AND cs1.cs_ship_addr_sk = ca_address_sk
  AND ca_state = '[STATE]'
  AND cs1.cs_call_center_sk = cc_call_center_sk
  AND cc_county IN ('[COUNTY.1]', '[COUNTY.2]', '[COUNTY.3]', '[COUNTY.4]', '[COUNTY.5]')
  AND EXISTS (
      SELECT *
      FROM [catalog_sales] AS cs2
      WHERE cs1.cs_order_number = cs2.cs_order_number
        AND cs1.cs_warehouse_sk <> cs2.cs_warehouse_sk
  )
  AND NOT EXISTS (
      SELECT *
      FROM [catalog_returns] AS cr1
      WHERE cs1.cs_order_number = cr1.cr_order_number
  )
ORDER BY count(DISTINCT cs_order_number)
LIMIT 100
