-- Web Returns by Reason
-- YEAR = 2000 from uniform(1998, 2002)
-- STATE = IN | OH | NJ | WI | CT | KY | LA | IA | AR from 9 of word(state)
-- ES = Advanced Degree | College | 2 yr Degree from 3 of word(education)
-- MS = M | S | W from 3 of word(marital_status)
SELECT substring(r_reason_desc FROM 1 FOR 20),
       avg(ws_quantity) AS avg1,
       avg(wr_refunded_cash) AS avg2,
       avg(wr_fee)
FROM [web_sales], [web_returns], [web_page], [customer_demographics] AS cd1,
     [customer_demographics] AS cd2, [customer_address], [date_dim], [reason]
WHERE ws_web_page_sk = wp_web_page_sk
  AND ws_item_sk = wr_item_sk
  AND ws_order_number = wr_order_number
  AND ws_sold_date_sk = d_date_sk
  AND d_year = [YEAR]
  AND cd1.cd_demo_sk = wr_refunded_cdemo_sk
  AND cd2.cd_demo_sk = wr_returning_cdemo_sk
  AND ca_address_sk = wr_refunded_addr_sk
  AND r_reason_sk = wr_reason_sk
  AND (
      (cd1.cd_marital_status = '[MS.1]'
          AND cd1.cd_marital_status = cd2.cd_marital_status
          AND cd1.cd_education_status = '[ES.1]'
          AND cd1.cd_education_status = cd2.cd_education_status
          AND ws_sales_price BETWEEN 100.00 AND 150.00)
      OR (cd1.cd_marital_status = '[MS.2]'
          AND cd1.cd_marital_status = cd2.cd_marital_status
          AND cd1.cd_education_status = '[ES.2]'
          AND cd1.cd_education_status = cd2.cd_education_status
          AND ws_sales_price BETWEEN 50.00 AND 100.00)
      OR (cd1.cd_marital_status = '[MS.3]'
          AND cd1.cd_marital_status = cd2.cd_marital_status
          AND cd1.cd_education_status = '[ES.3]'
          AND cd1.cd_education_status = cd2.cd_education_status
          AND ws_sales_price BETWEEN 150.00 AND 200.00)
  )
  AND (
      (ca_country = 'United States'
          AND ca_state IN ('[STATE.1]', '[STATE.2]', '[STATE.3]')
          AND ws_net_profit BETWEEN 100 AND 200)
      OR (ca_country = 'United States'
          AND ca_state IN ('[STATE.4]', '[STATE.5]', '[STATE.6]')
          AND ws_net_profit BETWEEN 150 AND 300)
      OR (ca_country = 'United States'
          AND ca_state IN ('[STATE.7]', '[STATE.8]', '[STATE.9]')
          AND ws_net_profit BETWEEN 50 AND 250)
  )
GROUP BY r_reason_desc
ORDER BY substring(r_reason_desc FROM 1 FOR 20), avg(ws_quantity), avg(wr_refunded_cash), avg(wr_fee)
LIMIT 100
