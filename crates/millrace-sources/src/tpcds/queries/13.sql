-- Average Store Sale by Demographics and State
-- STATE = TX | OH | TX | OR | NM | KY | VA | TX | MS from 9 of word(state)
-- ES = Advanced Degree | College | 2 yr Degree from 3 of word(education)
-- MS = M | S | W from 3 of word(marital_status)
SELECT avg(ss_quantity) AS avg1,
       avg(ss_ext_sales_price) AS avg2,
       avg(ss_ext_wholesale_cost) AS avg3,
       sum(ss_ext_wholesale_cost)
FROM [store_sales], [store], [customer_demographics], [household_demographics], [customer_address],
     [date_dim]
WHERE s_store_sk = ss_store_sk
  AND ss_sold_date_sk = d_date_sk
  AND d_year = 2001
  AND (
      (ss_hdemo_sk = hd_demo_sk
          AND cd_demo_sk = ss_cdemo_sk
          AND cd_marital_status = '[MS.1]'
          AND cd_education_status = '[ES.1]'
          AND ss_sales_price BETWEEN 100.00 AND 150.00
          AND hd_dep_count = 3)
      OR (ss_hdemo_sk = hd_demo_sk
          AND cd_demo_sk = ss_cdemo_sk
          AND cd_marital_status = '[MS.2]'
          AND cd_education_status = '[ES.2]'
          AND ss_sales_price BETWEEN 50.00 AND 100.00
          AND hd_dep_count = 1)
      OR (ss_hdemo_sk = hd_demo_sk
          AND cd_demo_sk = ss_cdemo_sk
          AND cd_marital_status = '[MS.3]'
          AND cd_education_status = '[ES.3]'
          AND ss_sales_price BETWEEN 150.00 AND 200.00
          AND hd_dep_count = 1)
  )
  AND (
      (ss_addr_sk = ca_address_sk
          AND ca_country = 'United States'
          AND ca_state IN ('[STATE.1]', '[STATE.2]', '[STATE.3]')
          AND ss_net_profit BETWEEN 100 AND 200)
      OR (ss_addr_sk = ca_address_sk
          AND ca_country = 'United States'
          AND ca_state IN ('[STATE.4]', '[STATE.5]', '[STATE.6]')
          AND ss_net_profit BETWEEN 150 AND 300)
      OR (ss_addr_sk = ca_address_sk
          AND ca_country = 'United States'
          AND ca_state IN ('[STATE.7]', '[STATE.8]', '[STATE.9]')
          AND ss_net_profit BETWEEN 50 AND 250)
  )
