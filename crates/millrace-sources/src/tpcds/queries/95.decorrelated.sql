-- Web Orders from Several Warehouses, Returned, without pairs of an order's lines
WITH orders AS MATERIALIZED (
    SELECT ws_order_number
    FROM [web_sales]
    GROUP BY ws_order_number
    HAVING min(ws_warehouse_sk) <> max(ws_warehouse_sk)
    INTERSECT
    SELECT wr_order_number
    FROM [web_returns]
)
SELECT count(DISTINCT ws_order_number) AS "order count",
       sum(ws_ext_ship_cost) AS "total shipping cost",
       sum(ws_net_profit) AS "total net profit"
FROM [web_sales], [date_dim], [customer_address], [web_site]
WHERE d_date BETWEEN DATE '[YEAR]-[MONTH]-01' AND DATE '[YEAR]-[MONTH]-01' + 60
  AND ws_ship_date_sk = d_date_sk
  AND ws_ship_addr_sk = ca_address_sk
  AND ca_state = '[STATE]'
  AND ws_web_site_sk = web_site_sk
  AND web_company_name = 'pri'
  AND ws_order_number IN (SELECT ws_order_number FROM orders)
ORDER BY count(DISTINCT ws_order_number)
LIMIT 100
