-- Returns by Call Center and Manager
-- YEAR = 1998 from uniform(1998, 2002)
-- MONTH = 11 from uniform(11, 12)
-- BUY_POTENTIAL = Unknown from one of 1001-5000 | >10000 | 501-1000 | 0-500 | Unknown | 5001-10000
-- GMT = -7 from one of -6 | -7
SELECT cc_call_center_id AS call_center,
       cc_name AS call_center_name,
       cc_manager AS manager,
       sum(cr_net_loss) AS returns_loss
FROM [call_center], [catalog_returns], [date_dim], [customer], [customer_address],
     [customer_demographics], [household_demographics]
WHERE cr_call_center_sk = cc_call_center_sk
  AND cr_returned_date_sk = d_date_sk
  AND cr_returning_customer_sk = c_customer_sk
  AND cd_demo_sk = c_current_cdemo_sk
  AND hd_demo_sk = c_current_hdemo_sk
  AND ca_address_sk = c_current_addr_sk
  AND d_year = [YEAR]
  AND d_moy = [MONTH]
  AND (
      (cd_marital_status = 'M' AND cd_education_status = 'Unknown')
      OR (cd_marital_status = 'W' AND cd_education_status = 'Advanced Degree')
  )
  AND hd_buy_potential LIKE '[BUY_POTENTIAL]%'
  AND ca_gmt_offset = [GMT]
GROUP BY cc_call_center_id, cc_name, cc_manager, cd_marital_status, cd_education_status
ORDER BY sum(cr_net_loss) DESC NULLS LAST
