-- List Prices in Six Buckets
-- WHOLESALECOST = 57 | 31 | 79 | 38 | 17 | 7 from 6 of uniform(0, 80)
-- COUPONAMT = 459 | 2323 | 12214 | 6071 | 836 | 7326 from 6 of uniform(0, 18000)
-- LISTPRICE = 8 | 90 | 142 | 135 | 122 | 154 from 6 of uniform(0, 190)
SELECT *
FROM (
    SELECT avg(ss_list_price) AS B1_LP,
           count(ss_list_price) AS B1_CNT,
           count(DISTINCT ss_list_price) AS B1_CNTD
    FROM [store_sales]
    WHERE ss_quantity BETWEEN 0 AND 5
      AND (
          ss_list_price BETWEEN [LISTPRICE.1] AND [LISTPRICE.1] + 10
          OR ss_coupon_amt BETWEEN [COUPONAMT.1] AND [COUPONAMT.1] + 1000
          OR ss_wholesale_cost BETWEEN [WHOLESALECOST.1] AND [WHOLESALECOST.1] + 20
      )
) AS B1, (
    SELECT avg(ss_list_price) AS B2_LP,
           count(ss_list_price) AS B2_CNT,
           count(DISTINCT ss_list_price) AS B2_CNTD
    FROM [store_sales]
    WHERE ss_quantity BETWEEN 6 AND 10
      AND (
          ss_list_price BETWEEN [LISTPRICE.2] AND [LISTPRICE.2] + 10
          OR ss_coupon_amt BETWEEN [COUPONAMT.2] AND [COUPONAMT.2] + 1000
          OR ss_wholesale_cost BETWEEN [WHOLESALECOST.2] AND [WHOLESALECOST.2] + 20
      )
) AS B2, (
    SELECT avg(ss_list_price) AS B3_LP,
           count(ss_list_price) AS B3_CNT,
           count(DISTINCT ss_list_price) AS B3_CNTD
    FROM [store_sales]
    WHERE ss_quantity BETWEEN 11 AND 15
      AND (
          ss_list_price BETWEEN [LISTPRICE.3] AND [LISTPRICE.3] + 10
          OR ss_coupon_amt BETWEEN [COUPONAMT.3] AND [COUPONAMT.3] + 1000
          OR ss_wholesale_cost BETWEEN [WHOLESALECOST.3] AND [WHOLESALECOST.3] + 20
      )
) AS B3, (
    SELECT avg(ss_list_price) AS B4_LP,
           count(ss_list_price) AS B4_CNT,
           count(DISTINCT ss_list_price) AS B4_CNTD
    FROM [store_sales]
    WHERE ss_quantity BETWEEN 16 AND 20
      AND (
          ss_list_price BETWEEN [LISTPRICE.4] AND [LISTPRICE.4] + 10
          OR ss_coupon_amt BETWEEN [COUPONAMT.4] AND [COUPONAMT.4] + 1000
          OR ss_wholesale_cost BETWEEN [WHOLESALECOST.4] AND [WHOLESALECOST.4] + 20
      )
) AS B4, (
    SELECT avg(ss_list_price) AS B5_LP,
           count(ss_list_price) AS B5_CNT,
           count(DISTINCT ss_list_price) AS B5_CNTD
    FROM [store_sales]
    WHERE ss_quantity BETWEEN 21 AND 25
      AND (
          ss_list_price BETWEEN [LISTPRICE.5] AND [LISTPRICE.5] + 10
          OR ss_coupon_amt BETWEEN [COUPONAMT.5] AND [COUPONAMT.5] + 1000
          OR ss_wholesale_cost BETWEEN [WHOLESALECOST.5] AND [WHOLESALECOST.5] + 20
      )
) AS B5, (
    SELECT avg(ss_list_price) AS B6_LP,
           count(ss_list_price) AS B6_CNT,
           count(DISTINCT ss_list_price) AS B6_CNTD
    FROM [store_sales]
    WHERE ss_quantity BETWEEN 26 AND 30
      AND (
          ss_list_price BETWEEN [LISTPRICE.6] AND [LISTPRICE.6] + 10
          OR ss_coupon_amt BETWEEN [COUPONAMT.6] AND [COUPONAMT.6] + 1000
          OR ss_wholesale_cost BETWEEN [WHOLESALECOST.6] AND [WHOLESALECOST.6] + 20
      )
) AS B6
LIMIT 100
