-- Quantity Sold by Demographics and State
-- MS = M | D | S from 3 of word(marital_status)
-- ES = 4 yr Degree | 2 yr Degree | College from 3 of word(education)
-- STATE = CO | OH | TX | OR | MN | KY | VA | CA | MS from 9 of word(state)
-- YEAR = 2000 from uniform(1998, 2002)
SELECT sum(ss_quantity)
FROM [store_sales], [store], [customer_demographics], [customer_address], [date_dim]
WHERE s_store_sk = ss_store_sk
  AND ss_sold_date_sk = d_date_sk
  AND d_year = [YEAR]
  AND (
      (cd_demo_sk = ss_cdemo_sk
          AND cd_marital_status = '[MS.1]'
          AND cd_education_status = '[ES.1]'
          AND ss_sales_price BETWEEN 100.00 AND 150.00)
      OR (cd_demo_sk = ss_cdemo_sk
          AND cd_marital_status = '[MS.2]'
          AND cd_education_status = '[ES.2]'
          AND ss_sales_price BETWEEN 50.00 AND 100.00)
      OR (cd_demo_sk = ss_cdemo_sk
          AND cd_marital_status = '[MS.3]'
          AND cd_education_status = '[ES.3]'
          AND ss_sales_price BETWEEN 150.00 AND 200.00)
  )
  AND (
      (ss_addr_sk = ca_address_sk
          AND ca_country = 'United States'
          AND ca_state IN ('[STATE.1]', '[STATE.2]', '[STATE.3]')
          AND ss_net_profit BETWEEN 0 AND 2000)
      OR (ss_addr_sk = ca_address_sk
          AND ca_country = 'United States'
          AND ca_state IN ('[STATE.4]', '[STATE.5]', '[STATE.6]')
          AND ss_net_profit BETWEEN 150 AND 3000)
      OR (ss_addr_sk = ca_address_sk
          AND ca_country = 'United States'
          AND ca_state IN ('[STATE.7]', '[STATE.8]', '[STATE.9]')
          AND ss_net_profit BETWEEN 50 AND 25000)
  )
