-- Customers Who Return Much to a Store, the average as a window over the customers of a store
SELECT c_customer_id
FROM (
    SELECT sr_customer_sk,
           sr_store_sk,
           sum([AGG_FIELD]) AS total_return,
           avg(sum([AGG_FIELD])) OVER (PARTITION BY sr_store_sk) AS average_return
    FROM [store_returns], [date_dim]
    WHERE sr_returned_date_sk = d_date_sk
      AND d_year = [YEAR]
    GROUP BY sr_customer_sk, sr_store_sk
) AS customer_total_return, [store], [customer]
WHERE total_return > average_return * 1.2
  AND s_store_sk = sr_store_sk
  AND s_state = '[STATE]'
  AND sr_customer_sk = c_customer_sk
ORDER BY c_customer_id
LIMIT 100
