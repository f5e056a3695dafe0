-- Catalog Items with Steady Inventory
-- YEAR = 2000 from uniform(1998, 2002)
-- PRICE = 68 from uniform(10, 70)
-- MANUFACT_ID = 677 | 940 | 694 | 808 from 4 of uniform(667, 1000)
-- INVDATE = 2000-02-01 from date([YEAR]-01-01, [YEAR]-07-24)
SELECT i_item_id, i_item_desc, i_current_price
FROM [item], [inventory], [date_dim], [catalog_sales]
WHERE i_current_price BETWEEN [PRICE] AND [PRICE] + 30
  AND inv_item_sk = i_item_sk
  AND d_date_sk = inv_date_sk
  AND d_date BETWEEN DATE '[INVDATE]' AND DATE '[INVDATE]' + 60
  AND i_manufact_id IN ([MANUFACT_ID.1], [MANUFACT_ID.2], [MANUFACT_ID.3], [MANUFACT_ID.4])
  AND inv_quantity_on_hand BETWEEN 100 AND 500
  AND cs_item_sk = i_item_sk
GROUP BY i_item_id, i_item_desc, i_current_price
ORDER BY i_item_id
LIMIT 100
