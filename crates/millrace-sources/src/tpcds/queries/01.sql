-- Customers Who Return Much to a Store
-- YEAR = 2000 from uniform(1998, 2002)
-- STATE = TN from active(state)
-- AGG_FIELD = sr_return_amt from one of sr_return_amt | sr_fee | sr_refunded_cash | sr_return_amt_inc_tax
--     | sr_reversed_charge | sr_store_credit | sr_return_tax
WITH customer_total_return AS (
    SELECT sr_customer_sk AS ctr_customer_sk,
           sr_store_sk AS ctr_store_sk,
           sum([AGG_FIELD]) AS ctr_total_return
    FROM [store_returns], [date_dim]
    WHERE sr_returned_date_sk = d_date_sk
      AND d_year = [YEAR]
    GROUP BY sr_customer_sk, sr_store_sk
)
SELECT c_customer_id
FROM customer_total_return AS ctr1, [store], [customer]
WHERE ctr1.ctr_total_return > (
      SELECT avg(ctr_total_return) * 1.2
      FROM customer_total_return AS ctr2
      WHERE ctr1.ctr_store_sk = ctr2.ctr_store_sk
  )
  AND s_store_sk = ctr1.ctr_store_sk
  AND s_state = '[STATE]'
  AND ctr1.ctr_customer_sk = c_customer_sk
ORDER BY c_customer_id
LIMIT 100
