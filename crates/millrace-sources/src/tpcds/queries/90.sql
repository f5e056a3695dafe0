-- Web Sales in the Morning and in the Evening
-- HOUR_PM = 19 from uniform(13, 21)
-- HOUR_AM = 8 from uniform(6, 12)
-- DEPCNT = 6 from uniform(0, 9)
SELECT CASE
           WHEN pmc = 0 THEN NULL
           ELSE CAST(amc AS DECIMAL(15, 4)) / CAST(pmc AS DECIMAL(15, 4))
       END AS am_pm_ratio
FROM (
    SELECT count(*) AS amc
    FROM [web_sales], [household_demographics], [time_dim], [web_page]
    WHERE ws_sold_time_sk = t_time_sk
      AND ws_ship_hdemo_sk = hd_demo_sk
      AND ws_web_page_sk = wp_web_page_sk
      AND t_hour BETWEEN [HOUR_AM] AND [HOUR_AM] + 1
      AND hd_dep_count = [DEPCNT]
      AND wp_char_count BETWEEN 5000 AND 5200
) AS am, (
    SELECT count(*) AS pmc
    FROM [web_sales], [household_demographics], [time_dim], [web_page]
    WHERE ws_sold_time_sk = t_time_sk
      AND ws_ship_hdemo_sk = hd_demo_sk
      AND ws_web_page_sk = wp_web_page_sk
      AND t_hour BETWEEN [HOUR_PM] AND [HOUR_PM] + 1
      AND hd_dep_count = [DEPCNT]
      AND wp_char_count BETWEEN 5000 AND 5200
) AS pm
ORDER BY am_pm_ratio
LIMIT 100
