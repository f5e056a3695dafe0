-- Share of Promoted Sales
-- GMT = -5 from one of -6 | -7
-- CATEGORY = Jewelry from one of Books | Home | Electronics | Jewelry | Sports
-- MONTH = 11 from uniform(11, 12)
-- YEAR = 1998 from uniform(1998, 2002)
SELECT promotions, total, CAST(promotions AS DECIMAL(15, 4)) / CAST(total AS DECIMAL(15, 4)) * 100
FROM (
    SELECT sum(ss_ext_sales_price) AS promotions
    FROM [store_sales], [store], [promotion], [date_dim], [customer], [customer_address], [item]
    WHERE ss_sold_date_sk = d_date_sk
      AND ss_store_sk = s_store_sk
      AND ss_promo_sk = p_promo_sk
      AND ss_customer_sk = c_customer_sk
      AND ca_address_sk = c_current_addr_sk
      AND ss_item_sk = i_item_sk
      AND ca_gmt_offset = [GMT]
      AND i_category = '[CATEGORY]'
      AND (p_channel_dmail = 'Y' OR p_channel_email = 'Y' OR p_channel_tv = 'Y')
      AND s_gmt_offset = [GMT]
      AND d_year = [YEAR]
      AND d_moy = [MONTH]
) AS promotional_sales, (
    SELECT sum(ss_ext_sales_price) AS total
    FROM [store_sales], [store], [date_dim], [customer], [customer_address], [item]
    WHERE ss_sold_date_sk = d_date_sk
      AND ss_store_sk = s_store_sk
      AND ss_customer_sk = c_customer_sk
      AND ca_address_sk = c_current_addr_sk
      AND ss_item_sk = i_item_sk
      AND ca_gmt_offset = [GMT]
      AND i_category = '[CATEGORY]'
      AND s_gmt_offset = [GMT]
      AND d_year = [YEAR]
      AND d_moy = [MONTH]
) AS all_sales
ORDER BY promotions, total
LIMIT 100
