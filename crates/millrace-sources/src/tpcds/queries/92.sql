-- Excess Discount on the Web
-- YEAR = 2000 from uniform(1998, 2002)
-- IMID = 350 from uniform(1, 1000)
-- WSDATE = 2000-01-27 from date([YEAR]-01-01, [YEAR]-04-01)
SELECT sum(ws_ext_discount_amt) AS "Excess Discount Amount"
FROM [web_sales], [item], [date_dim]
WHERE i_manufact_id = [IMID]
  AND i_item_sk = ws_item_sk
  AND d_date BETWEEN DATE '[WSDATE]' AND DATE '[WSDATE]' + 90
  AND d_date_sk = ws_sold_date_sk
  AND ws_ext_discount_amt > (
      SELECT 1.3 * avg(ws_ext_discount_amt)
      FROM [web_sales], [date_dim]
      WHERE ws_item_sk = i_item_sk
        AND d_date BETWEEN DATE '[WSDATE]' AND DATE '[WSDATE]' + 90
        AND d_date_sk = ws_sold_date_sk
  )
ORDER BY sum(ws_ext_discount_amt)
LIMIT 100
