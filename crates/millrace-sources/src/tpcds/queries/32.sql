-- Excess Discount in the Catalog
-- YEAR = 2000 from uniform(1998, 2002)
-- CSDATE = 2000-01-27 from date([YEAR]-01-01, [YEAR]-04-01)
-- IMID = 977 from uniform(1, 1000)
SELECT sum(cs_ext_discount_amt) AS "excess discount amount"
FROM [catalog_sales], [item], [date_dim]
WHERE i_manufact_id = [IMID]
  AND i_item_sk = cs_item_sk
  AND d_date BETWEEN DATE '[CSDATE]' AND DATE '[CSDATE]' + 90
  AND d_date_sk = cs_sold_date_sk
  AND cs_ext_discount_amt > (
      SELECT 1.3 * avg(cs_ext_discount_amt)
      FROM [catalog_sales], [date_dim]
      WHERE cs_item_sk = i_item_sk
        AND d_date BETWEEN DATE '[CSDATE]' AND DATE '[CSDATE]' + 90
        AND d_date_sk = cs_sold_date_sk
  )
LIMIT 100
