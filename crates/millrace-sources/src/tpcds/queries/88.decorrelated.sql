-- Store Sales by Half Hour, all half hours in one scan
SELECT count(*) FILTER (WHERE t_hour = 8 AND t_minute >= 30) AS h8_30_to_9,
       count(*) FILTER (WHERE t_hour = 9 AND t_minute < 30) AS h9_to_9_30,
       count(*) FILTER (WHERE t_hour = 9 AND t_minute >= 30) AS h9_30_to_10,
       count(*) FILTER (WHERE t_hour = 10 AND t_minute < 30) AS h10_to_10_30,
       count(*) FILTER (WHERE t_hour = 10 AND t_minute >= 30) AS h10_30_to_11,
       count(*) FILTER (WHERE t_hour = 11 AND t_minute < 30) AS h11_to_11_30,
       count(*) FILTER (WHERE t_hour = 11 AND t_minute >= 30) AS h11_30_to_12,
       count(*) FILTER (WHERE t_hour = 12 AND t_minute < 30) AS h12_to_12_30
FROM [store_sales], [household_demographics], [time_dim], [store]
WHERE ss_sold_time_sk = t_time_sk
  AND ss_hdemo_sk = hd_demo_sk
  AND ss_store_sk = s_store_sk
  AND t_hour BETWEEN 8 AND 12
  AND (
      (hd_dep_count = [HOUR.1] AND hd_vehicle_count <= [HOUR.1] + 2)
      OR (hd_dep_count = [HOUR.2] AND hd_vehicle_count <= [HOUR.2] + 2)
      OR (hd_dep_count = [HOUR.3] AND hd_vehicle_count <= [HOUR.3] + 2)
  )
  AND s_store_name = 'ese'
