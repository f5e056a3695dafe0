-- Items of Certain Colors, Units and Sizes, the manufacturers looked up once
SELECT DISTINCT i_product_name
FROM [item]
WHERE i_manufact_id BETWEEN [MANUFACT] AND [MANUFACT] + 40
  AND i_manufact IN (
      SELECT i_manufact
      FROM [item]
      WHERE (
            (i_category = 'Women'
                AND (i_color = '[COLOR.1]' OR i_color = '[COLOR.2]')
                AND (i_units = '[UNIT.1]' OR i_units = '[UNIT.2]')
                AND (i_size = '[SIZE.1]' OR i_size = '[SIZE.2]'))
            OR (i_category = 'Women'
                AND (i_color = '[COLOR.3]' OR i_color = '[COLOR.4]')
                AND (i_units = '[UNIT.3]' OR i_units = '[UNIT.4]')
                AND (i_size = '[SIZE.3]' OR i_size = '[SIZE.4]'))
            OR (i_category = 'Men'
                AND (i_color = '[COLOR.5]' OR i_color = '[COLOR.6]')
                AND (i_units = '[UNIT.5]' OR i_units = '[UNIT.6]')
                AND (i_size = '[SIZE.5]' OR i_size = '[SIZE.6]'))
            OR (i_category = 'Men'
                AND (i_color = '[COLOR.7]' OR i_color = '[COLOR.8]')
                AND (i_units = '[UNIT.7]' OR i_units = '[UNIT.8]')
                AND (i_size = '[SIZE.1]' OR i_size = '[SIZE.2]'))
        ) OR (
            (i_category = 'Women'
                AND (i_color = '[COLOR.9]' OR i_color = '[COLOR.10]')
                AND (i_units = '[UNIT.9]' OR i_units = '[UNIT.10]')
                AND (i_size = '[SIZE.1]' OR i_size = '[SIZE.2]'))
            OR (i_category = 'Women'
                AND (i_color = '[COLOR.11]' OR i_color = '[COLOR.12]')
                AND (i_units = '[UNIT.11]' OR i_units = '[UNIT.12]')
                AND (i_size = '[SIZE.3]' OR i_size = '[SIZE.4]'))
            OR (i_category = 'Men'
                AND (i_color = '[COLOR.13]' OR i_color = '[COLOR.14]')
                AND (i_units = '[UNIT.13]' OR i_units = '[UNIT.14]')
                AND (i_size = '[SIZE.5]' OR i_size = '[SIZE.6]'))
            OR (i_category = 'Men'
                AND (i_color = '[COLOR.15]' OR i_color = '[COLOR.16]')
                AND (i_units = '[UNIT.15]' OR i_units = '[UNIT.16]')
                AND (i_size = '[SIZE.1]' OR i_size = '[SIZE.2]'))
        )
  )
ORDER BY i_product_name
LIMIT 100
