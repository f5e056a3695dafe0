-- Store Averages by Item and State
-- STATE = TN | TN | TN | TN | TN | TN from 6 of active(state)
-- ES = College from word(education)
-- MS = S from word(marital_status)
-- GEN = M from word(gender)
-- YEAR = 2002 from uniform(1998, 2002)
SELECT i_item_id,
       s_state,
       grouping(s_state) AS g_state,
       avg(ss_quantity) AS agg1,
       avg(ss_list_price) AS agg2,
       avg(ss_coupon_amt) AS agg3,
       avg(ss_sales_price) AS agg4
FROM [store_sales], [customer_demographics], [date_dim], [store], [item]
WHERE ss_sold_date_sk = d_date_sk
  AND ss_item_sk = i_item_sk
  AND ss_store_sk = s_store_sk
  AND ss_cdemo_sk = cd_demo_sk
  AND cd_gender = '[GEN]'
  AND cd_marital_status = '[MS]'
  AND cd_education_status = '[ES]'
  AND d_year = [YEAR]
  AND s_state IN ('[STATE.1]', '[STATE.2]', '[STATE.3]', '[STATE.4]', '[STATE.5]', '[STATE.6]')
GROUP BY ROLLUP (i_item_id, s_state)
ORDER BY i_item_id NULLS FIRST, s_state NULLS FIRST
LIMIT 100
