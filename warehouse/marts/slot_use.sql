-- Grain: one row per recipe, slot and item (a word, a feature, a label) that final samples were asked for.
-- Answers: which words and features were asked for, how often, and do their texts survive? obedience is the mean
-- share, over the texts that were asked for the item, of all that was asked which is really there; null when nobody
-- judged. Of a recipe only the slots that it draws count; of curated data all but what rows say beside ("extra").
WITH RECURSIVE fallen AS (
    SELECT sample_id FROM verdict WHERE NOT keep
    UNION
    SELECT child.sample_id
    FROM sample AS child
    JOIN fallen ON child.parent_id = fallen.sample_id
),
above AS (
    SELECT DISTINCT recipe, level AS slot FROM sample
),
filled AS (
    SELECT
        sample.sample_id,
        sample.recipe,
        entry.key AS slot,
        entry.type,
        entry.value,
        CASE WHEN json_valid(run.parameters)
            THEN json_keys(run.parameters, '$.recipes.' || sample.recipe || '.recipe.slots')
        END AS slots
    FROM sample
    LEFT JOIN run USING (run_id)
    CROSS JOIN json_each(sample.slots) AS entry
    WHERE sample.final AND entry.key <> 'extra' AND entry.type IN ('ARRAY', 'VARCHAR')
),
drawn AS (
    SELECT filled.*
    FROM filled
    ANTI JOIN above USING (recipe, slot)
    WHERE slots IS NULL OR len(slots) = 0 OR list_contains(slots, slot)
),
item AS (
    SELECT DISTINCT
        sample_id,
        recipe,
        slot,
        unnest(CASE type WHEN 'ARRAY' THEN value ->> '$[*]' ELSE [value ->> '$'] END) AS item
    FROM drawn
),
obeyed AS (
    SELECT sample_id, score FROM verdict WHERE filter = 'obedience'
)
SELECT
    item.recipe,
    item.slot,
    item.item,
    count(*) AS asked,
    count(*) FILTER (item.sample_id NOT IN (SELECT sample_id FROM fallen)) AS kept,
    avg(obeyed.score) AS obedience
FROM item
LEFT JOIN obeyed USING (sample_id)
GROUP BY ALL
