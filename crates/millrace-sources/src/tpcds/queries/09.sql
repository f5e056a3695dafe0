-- Store Sales by Quantity
-- AGGCTHEN = ss_ext_discount_amt from one of ss_ext_discount_amt | ss_ext_sales_price | ss_ext_list_price
--     | ss_ext_tax
-- AGGCELSE = ss_net_paid from one of ss_net_paid | ss_net_paid_inc_tax | ss_net_profit
-- RC = 74129 | 122840 | 56580 | 10097 | 165306 from 5 of uniform(1, store_sales / 5)
SELECT CASE
           WHEN (
               SELECT count(*)
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 1 AND 20
           ) > [RC.1]
               THEN (
               SELECT avg([AGGCTHEN])
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 1 AND 20
           )
           ELSE (
               SELECT avg([AGGCELSE])
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 1 AND 20
           )
       END AS bucket1,
       CASE
           WHEN (
               SELECT count(*)
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 21 AND 40
           ) > [RC.2]
               THEN (
               SELECT avg([AGGCTHEN])
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 21 AND 40
           )
           ELSE (
               SELECT avg([AGGCELSE])
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 21 AND 40
           )
       END AS bucket2,
       CASE
           WHEN (
               SELECT count(*)
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 41 AND 60
           ) > [RC.3]
               THEN (
               SELECT avg([AGGCTHEN])
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 41 AND 60
           )
           ELSE (
               SELECT avg([AGGCELSE])
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 41 AND 60
           )
       END AS bucket3,
       CASE
           WHEN (
               SELECT count(*)
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 61 AND 80
           ) > [RC.4]
               THEN (
               SELECT avg([AGGCTHEN])
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 61 AND 80
           )
           ELSE (
               SELECT avg([AGGCELSE])
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 61 AND 80
           )
       END AS bucket4,
       CASE
           WHEN (
               SELECT count(*)
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 81 AND 100
           ) > [RC.5]
               THEN (
               SELECT avg([AGGCTHEN])
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 81 AND 100
           )
           ELSE (
               SELECT avg([AGGCELSE])
               FROM [store_sales]
               WHERE ss_quantity BETWEEN 81 AND 100
           )
       END AS bucket5
FROM [reason]
WHERE r_reason_sk = 1
