-- Store Sales in Half an Hour
-- HOUR = 20 from one of 20 | 15 | 16 | 8
-- DEPCNT = 7 from uniform(0, 9)
SELECT count(*)
FROM [store_sales], [household_demographics], [time_dim], [store]
WHERE ss_sold_time_sk = t_time_sk
  AND ss_hdemo_sk = hd_demo_sk
  AND ss_store_sk = s_store_sk
  AND t_hour = [HOUR]
  AND t_minute >= 30
  AND hd_dep_count = [DEPCNT]
  AND s_store_name = 'ese'
ORDER BY count(*)
LIMIT 100
