-- Customers with Small Baskets
-- COUNTY = Williamson County | Franklin Parish | Bronx County | Orange County from 4 of active(county)
-- YEAR = 1999 from uniform(1998, 2000)
-- BPTWO = Unknown from one of 0-500 | Unknown | 5001-10000
-- BPONE = >10000 from one of 1001-5000 | >10000 | 501-1000
SELECT c_last_name, c_first_name, c_salutation, c_preferred_cust_flag, ss_ticket_number, cnt
FROM (
    SELECT ss_ticket_number, ss_customer_sk, count(*) AS cnt
    FROM [store_sales], [date_dim], [store], [household_demographics]
    WHERE ss_sold_date_sk = d_date_sk
      AND ss_store_sk = s_store_sk
      AND ss_hdemo_sk = hd_demo_sk
      AND d_dom BETWEEN 1 AND 2
      AND (hd_buy_potential = '[BPONE]' OR hd_buy_potential = '[BPTWO]')
      AND hd_vehicle_count > 0
      AND CASE
              WHEN hd_vehicle_count > 0 THEN (hd_dep_count * 1.0) / hd_vehicle_count
          END
          > 1
      AND d_year IN ([YEAR], [YEAR] + 1, [YEAR] + 2)
      AND s_county IN ('[COUNTY.1]', '[COUNTY.2]', '[COUNTY.3]', '[COUNTY.4]')
    GROUP BY ss_ticket_number, ss_customer_sk
) AS dj, [customer]
WHERE ss_customer_sk = c_customer_sk
  AND cnt BETWEEN 1 AND 5
ORDER BY cnt DESC, c_last_name
