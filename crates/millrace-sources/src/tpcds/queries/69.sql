-- Demographics of Customers of Stores Only
-- STATE = KY | GA | NM from 3 of word(state)
-- YEAR = 2001 from uniform(1999, 2004)
-- MONTH = 4 from uniform(1, 4)
SELECT cd_gender,
       cd_marital_status,
       cd_education_status,
       count(*) AS cnt1,
       cd_purchase_estimate,
       count(*) AS cnt2,
       cd_credit_rating,
       count(*) AS cnt3
FROM [customer] AS c, [customer_address] AS ca, [customer_demographics]
WHERE c.c_current_addr_sk = ca.ca_address_sk
  AND ca_state IN ('[STATE.1]', '[STATE.2]', '[STATE.3]')
  AND cd_demo_sk = c.c_current_cdemo_sk
  AND EXISTS (
      SELECT *
      FROM [store_sales], [date_dim]
      WHERE c.c_customer_sk = ss_customer_sk
        AND ss_sold_date_sk = d_date_sk
        AND d_year = [YEAR]
        AND d_moy BETWEEN [MONTH] AND [MONTH] + 2
  )
  AND NOT EXISTS (
      SELECT *
      FROM [web_sales], [date_dim]
      WHERE c.c_customer_sk = ws_bill_customer_sk
        AND ws_sold_date_sk = d_date_sk
        AND d_year = [YEAR]
        AND d_moy BETWEEN [MONTH] AND [MONTH] + 2
  )
  AND NOT EXISTS (
      SELECT *
      FROM [catalog_sales], [date_dim]
      WHERE c.c_customer_sk = cs_ship_customer_sk
        AND cs_sold_date_sk = d_date_sk
        AND d_year = [YEAR]
        AND d_moy BETWEEN [MONTH] AND [MONTH] + 2
  )
GROUP BY cd_gender, cd_marital_status, cd_education_status, cd_purchase_estimate, cd_credit_rating
ORDER BY cd_gender, cd_marital_status, cd_education_status, cd_purchase_estimate, cd_credit_rating
LIMIT 100
