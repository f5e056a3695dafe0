-- Store Sales by Quantity, all buckets in one scan
SELECT CASE WHEN count1 > [RC.1] THEN then1 ELSE else1 END AS bucket1,
       CASE WHEN count2 > [RC.2] THEN then2 ELSE else2 END AS bucket2,
       CASE WHEN count3 > [RC.3] THEN then3 ELSE else3 END AS bucket3,
       CASE WHEN count4 > [RC.4] THEN then4 ELSE else4 END AS bucket4,
       CASE WHEN count5 > [RC.5] THEN then5 ELSE else5 END AS bucket5
FROM [reason], (
    SELECT count(*) FILTER (WHERE ss_quantity BETWEEN 1 AND 20) AS count1,
           avg([AGGCTHEN]) FILTER (WHERE ss_quantity BETWEEN 1 AND 20) AS then1,
           avg([AGGCELSE]) FILTER (WHERE ss_quantity BETWEEN 1 AND 20) AS else1,
           count(*) FILTER (WHERE ss_quantity BETWEEN 21 AND 40) AS count2,
           avg([AGGCTHEN]) FILTER (WHERE ss_quantity BETWEEN 21 AND 40) AS then2,
           avg([AGGCELSE]) FILTER (WHERE ss_quantity BETWEEN 21 AND 40) AS else2,
           count(*) FILTER (WHERE ss_quantity BETWEEN 41 AND 60) AS count3,
           avg([AGGCTHEN]) FILTER (WHERE ss_quantity BETWEEN 41 AND 60) AS then3,
           avg([AGGCELSE]) FILTER (WHERE ss_quantity BETWEEN 41 AND 60) AS else3,
           count(*) FILTER (WHERE ss_quantity BETWEEN 61 AND 80) AS count4,
           avg([AGGCTHEN]) FILTER (WHERE ss_quantity BETWEEN 61 AND 80) AS then4,
           avg([AGGCELSE]) FILTER (WHERE ss_quantity BETWEEN 61 AND 80) AS else4,
           count(*) FILTER (WHERE ss_quantity BETWEEN 81 AND 100) AS count5,
           avg([AGGCTHEN]) FILTER (WHERE ss_quantity BETWEEN 81 AND 100) AS then5,
           avg([AGGCELSE]) FILTER (WHERE ss_quantity BETWEEN 81 AND 100) AS else5
    FROM [store_sales]
) AS buckets
WHERE r_reason_sk = 1
