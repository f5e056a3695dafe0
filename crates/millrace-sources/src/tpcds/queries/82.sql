-- Store Items with Steady Inventory
-- YEAR = 2000 from uniform(1998, 2002)
-- MANUFACT_ID = 129 | 270 | 821 | 423 from 4 of uniform(1, 1000)
-- INVDATE = 2000-05-25 from date([YEAR]-01-01, [YEAR]-07-24)
-- PRICE = 62 from uniform(0, 90)
SELECT i_item_id, i_item_desc, i_current_price
FROM [item], [inventory], [date_dim], [store_sales]
WHERE i_current_price BETWEEN [PRICE] AND [PRICE] + 30
  AND inv_item_sk = i_item_sk
  AND d_date_sk = inv_date_sk
  AND d_date BETWEEN DATE '[INVDATE]' AND DATE '[INVDATE]' + 60
  AND i_manufact_id IN ([MANUFACT_ID.1], [MANUFACT_ID.2], [MANUFACT_ID.3], [MANUFACT_ID.4])
  AND inv_quantity_on_hand BETWEEN 100 AND 500
  AND ss_item_sk = i_item_sk
GROUP BY i_item_id, i_item_desc, i_current_price
ORDER BY i_item_id
LIMIT 100
