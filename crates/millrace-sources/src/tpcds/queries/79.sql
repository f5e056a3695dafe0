-- Customers of Large Stores on Mondays
-- VEHCNT = 2 from uniform(-1, 4)
-- YEAR = 1999 from uniform(1998, 2000)
-- DEPCNT = 6 from uniform(0, 9)
SELECT c_last_name, c_first_name, substring(s_city FROM 1 FOR 30), ss_ticket_number, amt, profit
FROM (
    SELECT ss_ticket_number,
           ss_customer_sk,
           s_city,
           sum(ss_coupon_amt) AS amt,
           sum(ss_net_profit) AS profit
    FROM [store_sales], [date_dim], [store], [household_demographics]
    WHERE ss_sold_date_sk = d_date_sk
      AND ss_store_sk = s_store_sk
      AND ss_hdemo_sk = hd_demo_sk
      AND (hd_dep_count = [DEPCNT] OR hd_vehicle_count > [VEHCNT])
      AND d_dow = 1
      AND d_year IN ([YEAR], [YEAR] + 1, [YEAR] + 2)
      AND s_number_employees BETWEEN 200 AND 295
    GROUP BY ss_ticket_number, ss_customer_sk, ss_addr_sk, s_city
) AS ms, [customer]
WHERE ss_customer_sk = c_customer_sk
ORDER BY c_last_name NULLS FIRST, c_first_name NULLS FIRST, substring(s_city FROM 1 FOR 30) NULLS FIRST,
         profit NULLS FIRST, ss_ticket_number
LIMIT 100
