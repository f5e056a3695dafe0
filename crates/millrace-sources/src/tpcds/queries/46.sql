-- Customers Who Shop out of Town on Weekends
-- CITY = Fairview | Midway | Fairview | Fairview | Fairview from 5 of active(city)
-- VEHCNT = 3 from uniform(-1, 4)
-- YEAR = 1999 from uniform(1998, 2000)
-- DEPCNT = 4 from uniform(0, 9)
SELECT c_last_name, c_first_name, ca_city, bought_city, ss_ticket_number, amt, profit
FROM (
    SELECT ss_ticket_number,
           ss_customer_sk,
           ca_city AS bought_city,
           sum(ss_coupon_amt) AS amt,
           sum(ss_net_profit) AS profit
    FROM [store_sales], [date_dim], [store], [household_demographics], [customer_address]
    WHERE ss_sold_date_sk = d_date_sk
      AND ss_store_sk = s_store_sk
      AND ss_hdemo_sk = hd_demo_sk
      AND ss_addr_sk = ca_address_sk
      AND (hd_dep_count = [DEPCNT] OR hd_vehicle_count = [VEHCNT])
      AND d_dow IN (6, 0)
      AND d_year IN ([YEAR], [YEAR] + 1, [YEAR] + 2)
      AND s_city IN ('[CITY.1]', '[CITY.2]', '[CITY.3]', '[CITY.4]', '[CITY.5]')
    GROUP BY ss_ticket_number, ss_customer_sk, ss_addr_sk, ca_city
) AS dn, [customer], [customer_address] AS current_addr
WHERE ss_customer_sk = c_customer_sk
  AND c_current_addr_sk = current_addr.ca_address_sk
  AND current_addr.ca_city <> bought_city
ORDER BY c_last_name NULLS FIRST, c_first_name NULLS FIRST, ca_city NULLS FIRST,
         bought_city NULLS FIRST, ss_ticket_number NULLS FIRST
LIMIT 100
