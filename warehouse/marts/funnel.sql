-- Grain: one row per run and recipe; only final samples are counted.
-- Answers: how many samples were made and kept, and which filter dropped the others? One that two filters drop
-- counts for both, and one that fell with what it grew from counts for the filter that dropped that.
WITH RECURSIVE fallen AS (
    SELECT sample_id, filter FROM verdict WHERE NOT keep
    UNION
    SELECT child.sample_id, fallen.filter
    FROM sample AS child
    JOIN fallen ON child.parent_id = fallen.sample_id
),
made AS (
    SELECT
        run_id,
        recipe,
        count(*) AS made,
        count(*) FILTER (sample_id NOT IN (SELECT sample_id FROM fallen)) AS kept
    FROM sample
    WHERE final
    GROUP BY ALL
),
blamed AS (
    SELECT sample.run_id, sample.recipe, fallen.filter, count(*) AS n
    FROM sample
    JOIN fallen USING (sample_id)
    WHERE sample.final
    GROUP BY ALL
),
listed AS (
    SELECT run_id, recipe, list({filter: filter, n: n} ORDER BY n DESC, filter) AS dropped
    FROM blamed
    GROUP BY ALL
)
SELECT made.run_id, made.recipe, made.made, made.kept, listed.dropped
FROM made
LEFT JOIN listed USING (run_id, recipe)
