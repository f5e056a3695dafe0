-- Catalog Averages by County
-- MONTH = 1 | 6 | 8 | 9 | 12 | 2 from 6 of uniform(1, 12)
-- STATE = MS | IN | ND | OK | NM | VA | MS from 7 of word(state)
-- ES = Unknown from word(education)
-- GEN = F from word(gender)
-- YEAR = 1998 from uniform(1998, 2002)
SELECT i_item_id,
       ca_country,
       ca_state,
       ca_county,
       avg(CAST(cs_quantity AS DECIMAL(12, 2))) AS agg1,
       avg(CAST(cs_list_price AS DECIMAL(12, 2))) AS agg2,
       avg(CAST(cs_coupon_amt AS DECIMAL(12, 2))) AS agg3,
       avg(CAST(cs_sales_price AS DECIMAL(12, 2))) AS agg4,
       avg(CAST(cs_net_profit AS DECIMAL(12, 2))) AS agg5,
       avg(CAST(c_birth_year AS DECIMAL(12, 2))) AS agg6,
       avg(CAST(cd1.cd_dep_count AS DECIMAL(12, 2))) AS agg7
FROM [catalog_sales], [customer_demographics] AS cd1, [customer_demographics] AS cd2, [customer],
     [customer_address], [date_dim], [item]
WHERE cs_sold_date_sk = d_date_sk
  AND cs_item_sk = i_item_sk
  AND cs_bill_cdemo_sk = cd1.cd_demo_sk
  AND cs_bill_customer_sk = c_customer_sk
  AND cd1.cd_gender = '[GEN]'
  AND cd1.cd_education_status = '[ES]'
  AND c_current_cdemo_sk = cd2.cd_demo_sk
  AND c_current_addr_sk = ca_address_sk
  AND c_birth_month IN ([MONTH.1], [MONTH.2], [MONTH.3], [MONTH.4], [MONTH.5], [MONTH.6])
  AND d_year = [YEAR]
  AND ca_state IN (
      '[STATE.1]', '[STATE.2]', '[STATE.3]', '[STATE.4]', '[STATE.5]', '[STATE.6]', '[STATE.7]'
  )
GROUP BY ROLLUP (i_item_id, ca_country, ca_state, ca_county)
ORDER BY ca_country NULLS FIRST, ca_state NULLS FIRST, ca_county NULLS FIRST, i_item_id NULLS FIRST
LIMIT 100
